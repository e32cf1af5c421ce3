import { badInput } from '../errors/vmgpu-error.ts';

declare const pciIdBrand: unique symbol;

/**
 * What a PCI function is: `vendor:device` or `vendor:device:subvendor:subdevice`, lower-case hexadecimal:
 * `10de:2236`, `10de:25b6:10de:159d`. Platforms print it their own way, see `printPciId`.
 */
export type PciId = string & { readonly [pciIdBrand]: true };

export interface PciIdParts {
  /** Four lower-case hexadecimal digits each. */
  readonly vendor: string;
  readonly device: string;
  readonly subvendor?: string;
  readonly subdevice?: string;
}

/**
 * - `canonical`, `proxmox`: `10de:2236` (Proxmox mapping `id`)
 * - `kubevirt`: `10DE:2236` (KubeVirt `pciVendorSelector`, upper case as in its documents)
 * - `nvidia-smi`: device and vendor as one word, `0x223610DE` (also the device filter of vgpu-device-manager)
 * - `nova-class`: `CUSTOM_PCI_10DE_2236`, Nova's default Placement resource class
 */
export type PciIdForm = 'canonical' | 'kubevirt' | 'nvidia-smi' | 'nova-class';

const colonForm =
  /^(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})(?::(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4}))?$/i;
const wordForm = /^0x([0-9a-f]{4})([0-9a-f]{4})$/i;
const classForm = /^CUSTOM_PCI_([0-9A-F]{4})_([0-9A-F]{4})$/;

/** Reads any spelling; undefined when the text is none. */
export function tryParsePciId(text: string): PciId | undefined {
  const trimmed = text.trim();
  const colon = colonForm.exec(trimmed);
  if (colon) return colon.slice(1).filter(Boolean).join(':').toLowerCase() as PciId;
  const word = wordForm.exec(trimmed);
  if (word) return `${word[2]}:${word[1]}`.toLowerCase() as PciId;
  const nova = classForm.exec(trimmed);
  return nova ? (`${nova[1]}:${nova[2]}`.toLowerCase() as PciId) : undefined;
}

/** Reads any spelling. Throws `bad-input` when the text is none. */
export function parsePciId(text: string): PciId {
  const id = tryParsePciId(text);
  if (id === undefined) {
    throw badInput('not a PCI id', {
      found: text,
      expected: 'vendor:device in hexadecimal, such as 10de:2236',
    });
  }
  return id;
}

export function pciIdParts(id: PciId): PciIdParts {
  const [vendor = '', device = '', subvendor, subdevice] = id.split(':');
  return subvendor !== undefined && subdevice !== undefined
    ? { vendor, device, subvendor, subdevice }
    : { vendor, device };
}

/** Prints an id as a platform wants it. `kubevirt`, `nvidia-smi` and `nova-class` cannot carry the subsystem. */
export function printPciId(id: PciId, form: PciIdForm): string {
  const { vendor, device } = pciIdParts(id);
  switch (form) {
    case 'canonical':
      return id;
    case 'kubevirt':
      return `${vendor}:${device}`.toUpperCase();
    case 'nvidia-smi':
      return `0x${device.toUpperCase()}${vendor.toUpperCase()}`;
    case 'nova-class':
      return `CUSTOM_PCI_${vendor}_${device}`.toUpperCase();
  }
}

/** The id without its subsystem. */
export function baseId(id: PciId): PciId {
  return id.split(':').slice(0, 2).join(':') as PciId;
}

/** True when the device's id satisfies the wanted one: a wanted id without subsystem matches any subsystem. */
export function matchesPciId(wanted: PciId, actual: PciId): boolean {
  return actual === wanted || actual.startsWith(`${wanted}:`);
}
