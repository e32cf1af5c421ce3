import {
  type Fact,
  type PciAddress,
  type PciBar,
  type PciFunction,
  type PciId,
  tryParsePciAddress,
  unknown,
} from '@vmgpu/core';
import type { IommuGroup, PciDetails } from './host-facts.ts';
import { compact, linesOf, wholeNumber } from './text.ts';

/** Attributes and links of one function below `/sys/bus/pci/devices`; several lines are joined by newlines. */
export type SysfsAttributes = ReadonlyMap<string, string>;
export type SysfsPci = ReadonlyMap<PciAddress, SysfsAttributes>;

/** Lines `ADDRESS/ATTRIBUTE:text`; of a link, the last part of its target. */
export function parseSysfsPci(text: string): SysfsPci {
  const functions = new Map<PciAddress, Map<string, string>>();
  for (const line of linesOf(text)) {
    const [, where = '', key = '', value = ''] =
      /^(?:\/sys\/bus\/pci\/devices\/)?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\/([^:]{1,100}):(.*)$/.exec(
        line,
      ) ?? [];
    const address = tryParsePciAddress(where);
    if (!address) continue;
    const attributes = functions.get(address) ?? new Map<string, string>();
    const known = attributes.get(key);
    attributes.set(key, known === undefined ? value : `${known}\n${value}`);
    functions.set(address, attributes);
  }
  return functions;
}

/** The function as sysfs shows it; undefined when it lacks vendor, device or class. */
export function sysfsFunction(address: PciAddress, attributes: SysfsAttributes): PciFunction | undefined {
  const hex = (key: string) => /^0x([0-9a-f]{2,6})$/i.exec(attributes.get(key) ?? '')?.[1]?.toLowerCase();
  const [vendor, device, pciClass] = [hex('vendor'), hex('device'), hex('class')];
  if (!vendor || !device || !pciClass) return undefined;
  const [subvendor, subdevice] = [hex('subsystem_vendor'), hex('subsystem_device')];
  // Bridges have no subsystem register; the kernel then says 0000 or ffff.
  const subsystem =
    subvendor && subdevice && !/^(0000|ffff)$/.test(subvendor) ? `:${subvendor}:${subdevice}` : '';
  const node = wholeNumber(attributes.get('numa_node'));
  return {
    address,
    id: `${vendor}:${device}${subsystem}` as PciId,
    class: pciClass.padStart(6, '0').slice(0, 4),
    ...compact({ revision: hex('revision') }),
    driver: attributes.get('driver') ?? null,
    iommuGroup: wholeNumber(attributes.get('iommu_group')) ?? null,
    numaNode: node === undefined ? unknown('no numa_node attribute') : node < 0 ? null : node,
  };
}

/** Facts that only host preparation needs. */
export function sysfsDetails(attributes: SysfsAttributes): PciDetails {
  const override = attributes.get('driver_override');
  const speed = pair(attributes, 'link_speed', (text) => text || undefined);
  const width = pair(attributes, 'link_width', wholeNumber);
  return compact({
    driverOverride:
      override === undefined ? undefined : override === '(null)' || override === '' ? null : override,
    powerState: attributes.get('power_state'),
    modalias: attributes.get('modalias'),
    linkSpeed: speed,
    linkWidth: width,
    currentVgpuType: wholeNumber(attributes.get('nvidia/current_vgpu_type')),
  });
}

/**
 * Memory regions 0 to 5 of the `resource` file: `start end flags` a line (Documentation/PCI/sysfs-pci). A region that
 * found no room keeps its size and starts at 0.
 */
export function sysfsBars(attributes: SysfsAttributes): Fact<readonly PciBar[]> {
  const text = attributes.get('resource');
  if (text === undefined) return unknown('no resource attribute in the capture');
  const isMemory = 0x200;
  return text
    .split('\n')
    .slice(0, 6)
    .flatMap((line, index): PciBar[] => {
      const [start = 0, end = 0, flags = 0] = line.split(' ').map((word) => Number.parseInt(word, 16) || 0);
      const memory = (flags % 0x10000) & isMemory;
      return memory && end > start ? [{ index, size: end - start + 1, start }] : [];
    });
}

/** Reset methods; null when the function has none. */
export function sysfsResets(
  attributes: SysfsAttributes,
  kernelSays: boolean,
): Fact<readonly string[] | null> {
  const text = attributes.get('reset_method');
  if (text === undefined)
    return kernelSays ? null : unknown('no reset_method attributes: the kernel is older than 5.15');
  return text.split(/\s+/).filter(Boolean);
}

/** Virtual functions of a physical one, in the order of their links `virtfn0`, `virtfn1`… */
export function virtualFunctionsOf(attributes: SysfsAttributes): readonly PciAddress[] {
  return [...attributes]
    .flatMap(([key, value]) => {
      const index = /^virtfn(\d+)$/.exec(key)?.[1];
      const address = tryParsePciAddress(value);
      return index !== undefined && address ? [{ index: Number(index), address }] : [];
    })
    .sort((a, b) => a.index - b.index)
    .map(({ address }) => address);
}

/** Lines `N/type:DMA` and `N/devices/ADDRESS:`, or paths below `/sys/kernel/iommu_groups` as `find` prints them. */
export function parseIommuGroups(text: string): readonly IommuGroup[] {
  const groups = new Map<number, { type?: string; members: PciAddress[] }>();
  for (const line of linesOf(text)) {
    const [, id, rest = ''] = /^(?:\/sys\/kernel\/iommu_groups\/)?(\d{1,6})\/(.*)$/.exec(line) ?? [];
    if (id === undefined) continue;
    const group = groups.get(Number(id)) ?? { members: [] };
    groups.set(Number(id), group);
    const address = rest.startsWith('devices/')
      ? tryParsePciAddress(rest.slice(8).replace(/:$/, ''))
      : undefined;
    if (address) group.members.push(address);
    else if (rest.startsWith('type:')) group.type = rest.slice(5);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([id, group]) => ({ id, ...group }));
}

function pair<T>(
  attributes: SysfsAttributes,
  name: string,
  read: (text: string | undefined) => T | undefined,
): { current: T; max: T } | undefined {
  const current = read(attributes.get(`current_${name}`));
  const max = read(attributes.get(`max_${name}`));
  return current === undefined || max === undefined ? undefined : { current, max };
}
