/** Cluster-wide PCI mappings. Source: pve-guest-common 6.0.2, `PVE::Mapping::PCI`. */
import { functionsAt, itemId, itemSubsystem, type PciItem } from './inventory.ts';
import {
  type PropertyFormat,
  type PropertyResult,
  parseProperties,
  printProperties,
  tryParseProperties,
} from './property-string.ts';

/** One node's device: `node=pve1,path=0000:26:00,id=10de:1d01,subsystem-id=1462:8c98,iommugroup=15`. */
export interface MappingEntry {
  readonly node: string;
  readonly path: string;
  /** `vendor:device`, lower case. */
  readonly id: string;
  readonly 'subsystem-id'?: string;
  readonly iommugroup?: string;
  readonly description?: string;
}

/** A mapping as the API answers it. `map` holds one text for each alternative. */
export interface PciMapping {
  readonly id: string;
  readonly map: readonly string[];
  readonly mdev?: boolean;
  readonly 'live-migration-capable'?: boolean;
  readonly description?: string;
  readonly digest?: string;
}

// The dot before the function is not escaped in Proxmox VE's pattern either: `0000:26:00x0` passes there.
const path = '[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:.[a-f0-9])?';
const idPattern = /^[0-9a-f]{4}:[0-9a-f]{4}$/i;

export const mappingFormat: PropertyFormat = {
  keys: {
    node: /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i,
    path: new RegExp(`^(?:${path};)*${path}$`),
    id: idPattern,
    'subsystem-id': idPattern,
    iommugroup: /^-?\d+$/,
    description: /^.+$/,
  },
  required: ['node', 'path', 'id'],
};

export function tryParseMappingEntry(text: string): PropertyResult<MappingEntry> {
  return tryParseProperties(mappingFormat, text) as unknown as PropertyResult<MappingEntry>;
}

/** Reads one `map` entry. Throws `bad-input` with Proxmox VE's own words. */
export function parseMappingEntry(text: string): MappingEntry {
  return parseProperties(mappingFormat, text) as unknown as MappingEntry;
}

export function printMappingEntry(entry: MappingEntry): string {
  return printProperties(mappingFormat, entry as unknown as Record<string, string>);
}

/** The mapping's entries for a node; entries that cannot be read are left out (lint names them). */
export function entriesFor(mapping: PciMapping, node?: string): readonly MappingEntry[] {
  return mapping.map.flatMap((text) => {
    const result = tryParseMappingEntry(text);
    return result.ok && (node === undefined || result.value.node === node) ? [result.value] : [];
  });
}

/** The entry that Proxmox VE accepts at start for this path: everything that the device has, textually equal. */
export function entryOf(node: string, devicePath: string, first: PciItem): MappingEntry {
  const subsystem = itemSubsystem(first);
  return {
    node,
    path: devicePath,
    id: itemId(first),
    ...(subsystem === undefined ? {} : { 'subsystem-id': subsystem }),
    ...(first.iommugroup < 0 ? {} : { iommugroup: String(first.iommugroup) }),
  };
}

/**
 * Why Proxmox VE refuses this entry when a VM starts, in its own words; undefined when it does not. A whole slot is
 * judged by its function 0, a `;` list by each of its members (`assert_valid`).
 */
export function staleReason(
  mapping: PciMapping,
  entry: MappingEntry,
  items: readonly PciItem[],
): string | undefined {
  for (const part of entry.path.split(';')) {
    const address = /\.[a-f0-9]/i.test(part) ? part : `${part}.0`;
    const item = functionsAt(items, address)[0];
    if (item === undefined) return `pci device '${address}' not found`;
    const expected: Record<string, string | undefined> = {
      id: itemId(item),
      iommugroup: item.iommugroup < 0 ? undefined : String(item.iommugroup),
      mdev: item.mdev ? '1' : '0',
      'subsystem-id': itemSubsystem(item),
    };
    const configured: Record<string, string | undefined> = { ...entry, mdev: mapping.mdev ? '1' : '0' };
    for (const [key, wanted] of Object.entries(expected)) {
      const found = configured[key];
      if (wanted === found) continue;
      if (found === undefined) return `missing expected property '${key}' for device '${address}'`;
      if (wanted === undefined) return `unexpected property '${key}' configured for device '${address}'`;
      return `'${key}' does not match for '${mapping.id}' (${wanted} != ${found})`;
    }
  }
  return undefined;
}
