/** Which hostpciN each wanted device takes. The index decides the address inside the guest, so it is kept. */
import type { WantedDevice } from './gpu-devices.ts';
import { type HostPci, hostPciOf, maxHostPci, printHostPci, withoutDefaults } from './hostpci.ts';
import { functionsAt, isGpuItem, type ProxmoxNode } from './inventory.ts';
import { entriesFor, type PciMapping } from './mapping.ts';
import { canonicalOption, type VmOptions } from './option-text.ts';

export interface SlotPlan {
  /** hostpciN by name. */
  readonly options: VmOptions;
  /** GPUs' hostpciN that are not wanted any more. */
  readonly remove: readonly string[];
  /** Wanted devices that found no free index. */
  readonly left: readonly WantedDevice[];
}

/**
 * `current` is the VM's configuration, empty for a new VM; `fixed` are hostpci options given by hand. Those, and devices
 * that are no GPUs, keep their place untouched.
 */
export function assignSlots(
  wanted: readonly WantedDevice[],
  current: VmOptions,
  fixed: VmOptions,
  isGpu: (device: HostPci) => boolean,
): SlotPlan {
  const gpus = new Map<number, string>();
  const taken = new Set<number>();
  for (const { index, text, result } of hostPciOf({ ...current, ...fixed })) {
    if (fixed[`hostpci${index}`] === undefined && result.ok && isGpu(result.value)) gpus.set(index, text);
    else taken.add(index);
  }
  const options: Record<string, string> = {};
  let open = [...wanted];
  const place = (device: WantedDevice, index: number) => {
    const text = printHostPci(device.device);
    const before = gpus.get(index);
    // A text that means the same is left as it stands.
    const same =
      before !== undefined && canonicalOption('hostpci0', before) === canonicalOption('hostpci0', text);
    options[`hostpci${index}`] = same ? before : text;
    taken.add(index);
    gpus.delete(index);
    open = open.filter((other) => other !== device);
  };
  const rules: readonly ((device: WantedDevice) => number | undefined)[] = [
    ({ index }) => index,
    ({ device }) =>
      indexWhere(
        gpus,
        (text) => canonicalOption('hostpci0', text) === canonicalOption('hostpci0', printHostPci(device)),
      ),
    ({ device }) => indexWhere(gpus, (text) => sameSource(text, device)),
    () => indexWhere(gpus, () => true),
    () => Array.from({ length: maxHostPci }, (_, n) => n).find((n) => !taken.has(n)),
  ];
  for (const rule of rules) {
    for (const device of open) {
      const index = rule(device);
      if (index !== undefined && index >= 0 && index < maxHostPci && !taken.has(index)) place(device, index);
    }
  }
  return { options, remove: [...gpus.keys()].map((index) => `hostpci${index}`), left: open };
}

function indexWhere(gpus: ReadonlyMap<number, string>, test: (text: string) => boolean): number | undefined {
  return [...gpus].find(([, text]) => test(text))?.[0];
}

function sameSource(text: string, device: HostPci): boolean {
  const [only] = hostPciOf({ hostpci0: text });
  const current = only?.result.ok ? only.result.value : {};
  return current.mapping === device.mapping && current.host === device.host && current.mdev === device.mdev;
}

const ourMapping = /^v?gpu-/;

/**
 * Tells GPUs from other passed-through devices by the node's inventory. What the inventory does not know counts as a
 * GPU when it is mediated or primary, when its mapping bears a name that we give, or when `unknown` says so.
 */
export function gpuClassifier(
  node: ProxmoxNode | undefined,
  mappings: readonly PciMapping[] | undefined,
  unknown: boolean,
) {
  return (device: HostPci): boolean => {
    const mapping = mappings?.find(({ id }) => id === device.mapping);
    const paths =
      device.host?.split(';') ??
      (mapping ? entriesFor(mapping, node?.name) : []).flatMap((entry) => entry.path.split(';'));
    const items = paths.flatMap((path) => functionsAt(node?.pci ?? [], path));
    if (items.length > 0) return items.some(isGpuItem);
    const { mdev, 'x-vga': primary, 'legacy-igd': igd } = withoutDefaults(device);
    return (
      unknown ||
      mdev !== undefined ||
      primary === true ||
      igd === true ||
      ourMapping.test(device.mapping ?? '')
    );
  };
}
