import { type PciAddress, type PciFunction, type PciId, pciAddressFromParts, unknown } from '@vmgpu/core';
import { compact, linesOf, wholeNumber } from './text.ts';
import { parseXml, type XmlElement, xmlAll, xmlAt } from './xml.ts';

/** libvirt's `virsh nodedev-dumpxml` of PCI devices, one or many. Class is written since libvirt 6.8. */
export function parseNodedev(text: string): readonly PciFunction[] {
  return xmlAll(parseXml(text), 'device').flatMap((device) => {
    const pci = device.children.find(
      (child) => child.name === 'capability' && child.attributes.type === 'pci',
    );
    const address = pci && addressOf(pci);
    if (!address) return [];
    const id = (name: string) =>
      /^0x([0-9a-f]{4})$/i.exec(xmlAt(pci, name)?.attributes.id ?? '')?.[1]?.toLowerCase();
    const [vendor, product] = [id('vendor'), id('product')];
    const pciClass = /^0x([0-9a-f]{6})$/i.exec(xmlAt(pci, 'class')?.text ?? '')?.[1]?.toLowerCase();
    if (!vendor || !product || !pciClass) return [];
    const group = xmlAt(pci, 'iommuGroup')?.attributes.number;
    const node = xmlAt(pci, 'numa')?.attributes.node;
    return [
      {
        address,
        id: `${vendor}:${product}` as PciId,
        class: pciClass.slice(0, 4),
        ...compact({
          vendorName: xmlAt(pci, 'vendor')?.text || undefined,
          deviceName: xmlAt(pci, 'product')?.text || undefined,
        }),
        driver: xmlAt(device, 'driver', 'name')?.text || null,
        iommuGroup: wholeNumber(group) ?? null,
        numaNode: wholeNumber(node) ?? unknown('libvirt leaves it out without NUMA'),
      },
    ];
  });
}

/** PCI devices of `udevadm info --export-db`. */
export function parseUdevadm(text: string): readonly PciFunction[] {
  const found: PciFunction[] = [];
  let fields: Record<string, string> = {};
  const finish = () => {
    const base = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(fields.PCI_ID ?? '');
    const pciClass = /^[0-9a-f]{1,6}$/i.exec(fields.PCI_CLASS ?? '')?.[0];
    const address = fields.PCI_SLOT_NAME as PciAddress | undefined;
    if (
      fields.SUBSYSTEM === 'pci' &&
      base &&
      pciClass &&
      address &&
      /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(address)
    ) {
      const subsystem = /^(?!0000|ffff)[0-9a-f]{4}:[0-9a-f]{4}$/i.exec(fields.PCI_SUBSYS_ID ?? '')?.[0];
      found.push({
        address,
        id: [base[0], subsystem].filter(Boolean).join(':').toLowerCase() as PciId,
        class: pciClass.padStart(6, '0').slice(0, 4).toLowerCase(),
        ...compact({
          vendorName: fields.ID_VENDOR_FROM_DATABASE,
          deviceName: fields.ID_MODEL_FROM_DATABASE,
        }),
        driver: fields.DRIVER ?? null,
        iommuGroup: unknown('udev does not say'),
        numaNode: unknown('udev does not say'),
      });
    }
    fields = {};
  };
  for (const line of linesOf(text)) {
    if (line.startsWith('P: ')) finish();
    const [, key, value = ''] = /^E: (\w{1,60})=(.*)$/.exec(line) ?? [];
    if (key !== undefined) fields[key] = value;
  }
  finish();
  return found;
}

function addressOf(pci: XmlElement): PciAddress | undefined {
  const part = (name: string) => wholeNumber(xmlAt(pci, name)?.text) ?? Number.NaN;
  const parts = {
    domain: part('domain'),
    bus: part('bus'),
    device: part('slot'),
    function: part('function'),
  };
  const inRange =
    parts.domain >= 0 &&
    parts.domain <= 0xffffffff &&
    parts.bus >= 0 &&
    parts.bus < 256 &&
    parts.device >= 0 &&
    parts.device < 32 &&
    parts.function >= 0 &&
    parts.function < 8;
  return inRange ? pciAddressFromParts(parts) : undefined;
}
