import { badInput } from '../errors/vmgpu-error.ts';

declare const pciAddressBrand: unique symbol;
declare const pciSlotBrand: unique symbol;

/**
 * One PCI function, canonical spelling as in sysfs: `0000:65:00.0`, lower-case hexadecimal, domain of at least four
 * digits (32-bit domains exist: Intel VMD exposes `10000:e1:00.0`).
 */
export type PciAddress = string & { readonly [pciAddressBrand]: true };

/** A whole PCI slot, all functions of one card: `0000:65:00`. */
export type PciSlot = string & { readonly [pciSlotBrand]: true };

/** The numbers an address is made of. Ranges: domain 0-0xffffffff, bus 0-0xff, device 0-0x1f, function 0-7. */
export interface PciAddressParts {
  readonly domain: number;
  readonly bus: number;
  readonly device: number;
  readonly function: number;
}

/**
 * The spellings in use:
 * - `sysfs`: `0000:65:00.0` (Linux `/sys/bus/pci/devices`, Nova, Proxmox VE, KubeVirt)
 * - `lspci`: the same, but without the domain when it is 0, as `lspci` prints without `-D`: `65:00.0`
 * - `libvirt`: node-device name `pci_0000_65_00_0`
 * - `nvidia`: eight-digit upper-case domain, as nvidia-smi prints: `00000000:65:00.0`
 * - `nova-provider`: upper case, as in the names of Placement's PCI resource providers: `0000:5E:00.0`
 */
export type PciAddressForm = 'sysfs' | 'lspci' | 'libvirt' | 'nvidia' | 'nova-provider';

const colonForm = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i;
const libvirtForm = /^pci_([0-9a-f]{4,8})_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])$/i;
const slotForm = /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})$/i;
const libvirtSlotForm = /^pci_([0-9a-f]{4,8})_([0-9a-f]{2})_([0-9a-f]{2})$/i;
const expected = 'an address such as 0000:65:00.0, 65:00.0, pci_0000_65_00_0 or 00000000:65:00.0';

/** Reads any spelling of one function; undefined when the text is none. */
export function tryParsePciAddress(text: string): PciAddress | undefined {
  const match = colonForm.exec(text.trim()) ?? libvirtForm.exec(text.trim());
  if (!match) return undefined;
  const [, domain = '0', bus = '', device = '', fn = ''] = match;
  if (Number.parseInt(device, 16) > 0x1f) return undefined;
  return `${printSlot(domain, bus, device)}.${fn}` as PciAddress;
}

/** Reads any spelling of one function. Throws `bad-input` when the text is none. */
export function parsePciAddress(text: string): PciAddress {
  const address = tryParsePciAddress(text);
  if (address === undefined) throw badInput('not a PCI address', { found: text, expected });
  return address;
}

/** Reads a whole slot (`65:00`, `0000:65:00`, `pci_0000_65_00`); undefined when the text is none. */
export function tryParsePciSlot(text: string): PciSlot | undefined {
  const match = slotForm.exec(text.trim()) ?? libvirtSlotForm.exec(text.trim());
  if (!match) return undefined;
  const [, domain = '0', bus = '', device = ''] = match;
  if (Number.parseInt(device, 16) > 0x1f) return undefined;
  return printSlot(domain, bus, device) as PciSlot;
}

/** Reads a whole slot. Throws `bad-input` when the text is none. */
export function parsePciSlot(text: string): PciSlot {
  const slot = tryParsePciSlot(text);
  if (slot === undefined)
    throw badInput('not a PCI slot', { found: text, expected: 'a slot such as 0000:65:00' });
  return slot;
}

/** The numbers of a canonical address. */
export function pciAddressParts(address: PciAddress): PciAddressParts {
  const [domain = '', bus = '', rest = ''] = address.split(':');
  const [device = '', fn = ''] = rest.split('.');
  const hex = (digits: string) => Number.parseInt(digits, 16);
  return { domain: hex(domain), bus: hex(bus), device: hex(device), function: hex(fn) };
}

/** The canonical address of these numbers. Throws `bad-input` when one is out of range. */
export function pciAddressFromParts(parts: PciAddressParts): PciAddress {
  const limits: readonly [keyof PciAddressParts, number][] = [
    ['domain', 0xffffffff],
    ['bus', 0xff],
    ['device', 0x1f],
    ['function', 7],
  ];
  for (const [name, most] of limits) {
    const value = parts[name];
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw badInput(`PCI ${name} out of range`, {
        found: String(value),
        expected: `an integer from 0 to ${most}`,
      });
    }
  }
  const hex = (value: number) => value.toString(16);
  return `${printSlot(hex(parts.domain), hex(parts.bus), hex(parts.device))}.${hex(parts.function)}` as PciAddress;
}

/** Prints a canonical address in another spelling; `parsePciAddress` reads every one of them back. */
export function printPciAddress(address: PciAddress, form: PciAddressForm): string {
  switch (form) {
    case 'sysfs':
      return address;
    case 'lspci':
      return address.startsWith('0000:') ? address.slice('0000:'.length) : address;
    case 'libvirt':
      return `pci_${address.replace(/[:.]/g, '_')}`;
    case 'nvidia': {
      const [domain = '', ...rest] = address.split(':');
      return `${domain.padStart(8, '0')}:${rest.join(':')}`.toUpperCase();
    }
    case 'nova-provider':
      return address.toUpperCase();
  }
}

/** The slot an address lies in: what Proxmox VE passes on when no function is given. */
export function slotOf(address: PciAddress): PciSlot {
  return address.slice(0, address.lastIndexOf('.')) as PciSlot;
}

/** Orders addresses by their numbers (a textual sort would put domain 10000 before 2000). */
export function comparePciAddresses(left: PciAddress, right: PciAddress): number {
  const a = pciAddressParts(left);
  const b = pciAddressParts(right);
  return a.domain - b.domain || a.bus - b.bus || a.device - b.device || a.function - b.function;
}

function printSlot(domain: string, bus: string, device: string): string {
  // "00000000" (NVIDIA) and "0" both mean the four-digit domain 0000; a 32-bit domain keeps its five to eight digits.
  const shortDomain = domain.replace(/^0+(?=.)/, '').padStart(4, '0');
  return `${shortDomain}:${bus.padStart(2, '0')}:${device.padStart(2, '0')}`.toLowerCase();
}
