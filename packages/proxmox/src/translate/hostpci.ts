/** The options hostpci0 to hostpci15. Source: qemu-server 9.2.6, `PVE::QemuServer::PCI`. */
import {
  type PropertyFormat,
  type PropertyResult,
  printProperties,
  tryParseProperties,
  unwrap,
} from './property-string.ts';

/** One passed-through device, by Proxmox VE's own names. Exactly one of `host` and `mapping` starts a VM. */
export interface HostPci {
  /** One or several addresses, joined by `;`; without `.F` every function of the slot. */
  readonly host?: string;
  /** Id of a cluster-wide PCI mapping (8.0). */
  readonly mapping?: string;
  /** Type id of a mediated device: `nvidia-593`, `i915-GVTg_V5_4`. */
  readonly mdev?: string;
  /** On a PCIe port; needs machine q35. Default false. */
  readonly pcie?: boolean;
  /** Option ROM visible to the guest. Default true. */
  readonly rombar?: boolean;
  /** File below `/usr/share/kvm/` of the node. */
  readonly romfile?: string;
  /** Primary GPU. Default false. */
  readonly 'x-vga'?: boolean;
  /** Intel graphics as the primary VGA at 00:02.0. Default false. */
  readonly 'legacy-igd'?: boolean;
  /** Ids shown to the guest, `0x10de`. */
  readonly 'vendor-id'?: string;
  readonly 'device-id'?: string;
  readonly 'sub-vendor-id'?: string;
  readonly 'sub-device-id'?: string;
  /** `keep` leaves the host's driver bound, for VFIO variant drivers (9.1). Default `vfio`. */
  readonly driver?: 'vfio' | 'keep';
}

/** Number of hostpci options a VM can have (qemu-server 6.0-9 and later). */
export const maxHostPci = 16;

const address = '(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?';
const guestId = /^0x[0-9a-f]{4}$/i;

export const hostPciFormat: PropertyFormat = {
  defaultKey: 'host',
  keys: {
    host: new RegExp(`^${address}(?:;${address})*$`),
    mapping: 'configid',
    mdev: /^[^/.:]+$/,
    pcie: 'boolean',
    rombar: 'boolean',
    romfile: /^[^,;]+$/,
    'x-vga': 'boolean',
    'legacy-igd': 'boolean',
    'vendor-id': guestId,
    'device-id': guestId,
    'sub-vendor-id': guestId,
    'sub-device-id': guestId,
    driver: ['vfio', 'keep'],
  },
};

/** Keys whose absence means the same as this value. */
const defaults: HostPci = { pcie: false, rombar: true, 'x-vga': false, 'legacy-igd': false, driver: 'vfio' };

/** Reads a hostpci value as Proxmox VE does, or tells why it refuses. */
export function tryParseHostPci(text: string): PropertyResult<HostPci> {
  const result = tryParseProperties(hostPciFormat, text);
  if (!result.ok) return result;
  const entries = Object.entries(result.value).map(([key, value]) => [
    key,
    hostPciFormat.keys[key] === 'boolean' ? value === '1' : value,
  ]);
  return { ok: true, value: Object.fromEntries(entries) as HostPci };
}

/** Reads a hostpci value. Throws `bad-input` with Proxmox VE's own words. */
export function parseHostPci(text: string, path?: string): HostPci {
  return unwrap(tryParseHostPci(text), text, path);
}

/** Prints as Proxmox VE prints: the bare address first, then the other keys in alphabetical order, booleans as 1/0. */
export function printHostPci(device: HostPci): string {
  const entries = Object.entries(device)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, typeof value === 'boolean' ? (value ? '1' : '0') : value]);
  return printProperties(hostPciFormat, Object.fromEntries(entries));
}

/** The same device without the keys that only say the default. */
export function withoutDefaults(device: HostPci): HostPci {
  return Object.fromEntries(
    Object.entries(device).filter(
      ([key, value]) => value !== undefined && defaults[key as keyof HostPci] !== value,
    ),
  ) as HostPci;
}

/** hostpci values of a VM's options by index, in order; values that cannot be read come as the problem. */
export function hostPciOf(
  options: Readonly<Record<string, string>>,
): readonly { readonly index: number; readonly text: string; readonly result: PropertyResult<HostPci> }[] {
  return Array.from({ length: maxHostPci }, (_, index) => ({ index, text: options[`hostpci${index}`] ?? '' }))
    .filter(({ text }) => text.trim() !== '')
    .map(({ index, text }) => ({ index, text, result: tryParseHostPci(text) }));
}
