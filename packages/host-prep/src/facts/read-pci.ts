import {
  comparePciAddresses,
  type Fact,
  type PciAddress,
  type PciBar,
  type PciFunction,
  unknown,
} from '@vmgpu/core';
import type { CaptureReader } from './capture-reader.ts';
import type { Gap, PciDetails } from './host-facts.ts';
import { functionsOf, type LspciListing, parseLspci } from './lspci.ts';
import { functionsIn } from './recognise.ts';
import {
  parseSysfsPci,
  type SysfsAttributes,
  sysfsBars,
  sysfsDetails,
  sysfsFunction,
  sysfsResets,
  virtualFunctionsOf,
} from './sysfs-pci.ts';
import { compact, wholeNumber } from './text.ts';

/** Everything that can be said of the host's PCI functions, from the best source the capture has. */
export interface PciReading {
  readonly functions: Fact<readonly PciFunction[]>;
  readonly source: string;
  readonly details: Readonly<Record<PciAddress, PciDetails>>;
  readonly gaps: readonly Gap[];
  /** What only some sources tell about a function. */
  extra(address: PciAddress): PciExtra;
}

export interface PciExtra {
  readonly physicalFunction?: PciAddress;
  readonly virtualFunctions: readonly PciAddress[];
  readonly sriovTotal: Fact<number | null>;
  readonly bootVga: Fact<boolean>;
  readonly resetMethods: Fact<readonly string[] | null>;
  readonly bars: Fact<readonly PciBar[]>;
  readonly attributes?: SysfsAttributes;
}

const sysfs = '/sys/bus/pci/devices';

export function readPci(reader: CaptureReader): PciReading {
  const listing = bestListing(reader);
  const table = parseSysfsPci(reader.section(sysfs)?.text ?? '');
  if (table.size > 0)
    return fromSysfs(table, listing, reader.section('/sys/kernel/iommu_groups') !== undefined);
  if (listing && listing.records.length > 0) return fromListing(listing);
  const other = reader.matching(/./).flatMap(({ name, text }) => {
    const functions = functionsIn(text);
    return functions && functions.length > 0 ? [{ name, functions }] : [];
  })[0];
  const why = unknown('not in the capture');
  return {
    functions: other?.functions ?? why,
    source: other?.name ?? 'nothing',
    details: {},
    gaps: [],
    extra: () => extraWithout(other?.name ?? 'nothing'),
  };
}

function bestListing(reader: CaptureReader): LspciListing | undefined {
  return reader
    .matching(/^lspci\b/)
    .map(({ text }) => parseLspci(text))
    .sort((a, b) => b.records.length - a.records.length)[0];
}

function fromSysfs(
  table: ReadonlyMap<PciAddress, SysfsAttributes>,
  listing: LspciListing | undefined,
  askedForGroups: boolean,
): PciReading {
  const named = new Map(listing?.records.map((record) => [record.address, record]));
  const functions: PciFunction[] = [];
  const details: Record<PciAddress, PciDetails> = {};
  const gaps: Gap[] = [];
  const has = (key: string) => [...table.values()].some((attributes) => attributes.has(key));
  const groupsAreKnown = askedForGroups || has('iommu_group');
  const kernelSaysResets = has('reset_method');
  for (const [address, attributes] of table) {
    const own = sysfsFunction(address, attributes);
    if (!own) {
      gaps.push({ source: `${sysfs}/${address}`, why: 'vendor, device or class is missing' });
      continue;
    }
    const record = named.get(address);
    const { vendorName, deviceName, subsystemName, modules, dead } = record ?? {};
    const iommuGroup = groupsAreKnown ? own.iommuGroup : unknown('IOMMU groups are not in the capture');
    functions.push({ ...own, iommuGroup, ...compact({ vendorName, deviceName, subsystemName, modules }) });
    details[address] = { ...sysfsDetails(attributes), ...compact({ dead: dead ?? deadBy(own) }) };
  }
  return {
    functions: functions.sort((a, b) => comparePciAddresses(a.address, b.address)),
    source: sysfs,
    details,
    gaps,
    extra: (address) => {
      const attributes = table.get(address) ?? new Map<string, string>();
      return {
        ...compact({ physicalFunction: attributes.get('physfn') as PciAddress | undefined }),
        virtualFunctions: virtualFunctionsOf(attributes),
        sriovTotal: wholeNumber(attributes.get('sriov_totalvfs')) ?? null,
        bootVga: bootVga(attributes),
        resetMethods: sysfsResets(attributes, kernelSaysResets),
        bars: sysfsBars(attributes),
        attributes,
      };
    },
  };
}

/** Only VGA controllers (class 0300) have the attribute. */
function bootVga(attributes: SysfsAttributes): Fact<boolean> {
  const value = attributes.get('boot_vga');
  if (value === undefined && attributes.get('class')?.startsWith('0x0300'))
    return unknown('no boot_vga attribute');
  return value === '1';
}

function deadBy(pci: PciFunction): string | undefined {
  return pci.revision === 'ff' ? 'revision reads ff' : undefined;
}

function fromListing(listing: LspciListing): PciReading {
  const functions = functionsOf(listing);
  const known = new Set(functions.map(({ address }) => address));
  const virtual = guessVirtualFunctions(functions);
  const byAddress = new Map(listing.records.map((record) => [record.address, record]));
  const entries = listing.records.map(({ address, dead }): [PciAddress, PciDetails] => [
    address,
    compact({ dead }),
  ]);
  return {
    functions:
      functions.length > 0
        ? functions
        : unknown('lspci printed names only: its ids are needed, run lspci -nnk or vmgpu collect'),
    source: listing.form,
    details: Object.fromEntries(entries),
    gaps: listing.records
      .filter(({ address }) => functions.length > 0 && !known.has(address))
      .map(({ address }) => ({ source: listing.form, why: `no id for ${address}: its line was cut off` })),
    extra: (address) => {
      const record = byAddress.get(address);
      const physicalFunction = virtual.get(address);
      return {
        ...extraWithout(listing.form),
        ...compact({ physicalFunction, bars: record?.bars, sriovTotal: record?.sriovTotal }),
        virtualFunctions: [...virtual].flatMap(([vf, pf]) => (pf === address ? [vf] : [])),
      };
    },
  };
}

function extraWithout(source: string): PciExtra {
  const why = unknown(`${source} does not say`);
  return { virtualFunctions: [], sriovTotal: why, bootVga: why, resetMethods: why, bars: why };
}

/**
 * lspci does not tell virtual functions apart. NVIDIA's carry their physical function's id and subsystem `10de:0000`
 * (seen on A2 with driver 535), so they are counted to the function with that id before them.
 */
function guessVirtualFunctions(functions: readonly PciFunction[]): ReadonlyMap<PciAddress, PciAddress> {
  const virtual = new Map<PciAddress, PciAddress>();
  let physical: PciFunction | undefined;
  for (const each of functions) {
    const [vendor, device, subvendor, subdevice] = each.id.split(':');
    if (vendor !== '10de' || !each.class.startsWith('03')) continue;
    const looksVirtual = subvendor === '10de' && subdevice === '0000';
    if (!looksVirtual) physical = each;
    else if (physical?.id.startsWith(`10de:${device}:`)) virtual.set(each.address, physical.address);
  }
  return virtual;
}
