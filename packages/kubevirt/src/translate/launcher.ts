import { claimed, deviceEntries, gateIsOn, type KubeVirtConfiguration, vmiSpec } from './admission-input.ts';
import { at, listAt, type Manifest, textAt } from './manifest.ts';
import { kubevirtVgpuName } from './names.ts';

export interface LauncherDevices {
  /** Why virt-controller cannot make the launcher pod; then the VM stays in `Starting`. */
  readonly error?: string;
  /** Amounts of device resources the pod asks for, in requests and limits alike. */
  readonly limits: Readonly<Record<string, number>>;
  readonly claims: readonly { readonly name: string; readonly request?: string }[];
}

/** What virt-controller makes of the GPUs when it renders the launcher pod. */
export function renderLauncherDevices(
  object: Manifest,
  configuration: KubeVirtConfiguration = {},
): LauncherDevices {
  const spec = vmiSpec(object);
  const limits: Record<string, number> = {};
  const claims: { name: string; request?: string }[] = [];
  const allowList = at(configuration, 'permittedHostDevices');
  const permitted = new Set(
    ['pciHostDevices', 'mediatedDevices', 'usb'].flatMap((list) =>
      listAt(allowList, list).map((entry) => textAt(entry, 'resourceName')),
    ),
  );
  for (const [list, what, gate] of deviceLists) {
    for (const device of deviceEntries(spec, list)) {
      const name = textAt(device, 'deviceName') ?? '';
      if (claimed(device) && gateIsOn(configuration, gate)) {
        const claim = textAt(device, 'claimName');
        const request = textAt(device, 'requestName');
        if (name === '' && claim !== undefined)
          claims.push({ name: claim, ...(request === undefined ? {} : { request }) });
        continue;
      }
      if (allowList !== undefined && !permitted.has(name)) {
        return {
          error: `${what} ${name} is not permitted in permittedHostDevices configuration`,
          limits: {},
          claims: [],
        };
      }
      limits[name] = (limits[name] ?? 0) + 1;
    }
  }
  return { limits, claims };
}

const deviceLists = [
  ['gpus', 'GPU', 'GPUsWithDRA'],
  ['hostDevices', 'HostDevice', 'HostDevicesWithDRA'],
] as const;

/**
 * The addresses and uuids that virt-launcher takes for `gpus` from the environment the device plugins made, in the order of
 * the list; undefined when there are too few, which ends in `the number of device plugin GPU/s do not match`.
 */
export function launcherAddresses(
  object: Manifest,
  environment: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const pools = new Map<string, string[]>();
  const taken: string[] = [];
  for (const gpu of deviceEntries(vmiSpec(object), 'gpus')) {
    const name = textAt(gpu, 'deviceName') ?? '';
    const key = name.toUpperCase().replace(/[/.]/g, '_');
    const pool =
      pools.get(key) ??
      (environment[`PCI_RESOURCE_${key}`] ?? environment[`MDEV_PCI_RESOURCE_${key}`] ?? '')
        .split(',')
        .filter(Boolean);
    pools.set(key, pool);
    const next = pool.shift();
    if (next === undefined) return undefined;
    taken.push(next);
  }
  return taken;
}

/** True when a node's mediated type is the one that an entry selects. */
export function selectsVgpu(mdevNameSelector: string, mdevTypeName: string): boolean {
  return kubevirtVgpuName(mdevNameSelector) === kubevirtVgpuName(mdevTypeName);
}
