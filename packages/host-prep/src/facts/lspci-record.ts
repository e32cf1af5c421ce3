import {
  comparePciAddresses,
  type Fact,
  type PciAddress,
  type PciBar,
  type PciFunction,
  type PciId,
  unknown,
} from '@vmgpu/core';
import { compact } from './text.ts';

/** One function as a form of lspci text shows it. What the form does not carry is undefined. */
export interface LspciRecord {
  address: PciAddress;
  /** Four hexadecimal digits each. */
  class?: string | undefined;
  vendor?: string | undefined;
  device?: string | undefined;
  subvendor?: string | undefined;
  subdevice?: string | undefined;
  className?: string | undefined;
  vendorName?: string | undefined;
  deviceName?: string | undefined;
  subsystemName?: string | undefined;
  revision?: string | undefined;
  driver?: string | undefined;
  modules?: string[] | undefined;
  numaNode?: number | undefined;
  iommuGroup?: number | undefined;
  /** What shows that the device does not answer. */
  dead?: string | undefined;
  /** Regions of `lspci -v`. */
  bars?: PciBar[] | undefined;
  sriovTotal?: number | undefined;
}

/** What a whole listing says, because its form carries it for some function. */
export interface LspciListing {
  readonly form: LspciForm;
  /** In address order. */
  readonly records: readonly LspciRecord[];
}

/** `names` forms carry no ids: nothing can be planned from them. */
export type LspciForm =
  | 'lspci -vmm'
  | 'lspci -mm'
  | 'lspci -nn'
  | 'lspci -n'
  | 'lspci (names only)'
  | 'lspci -x';

export function makeListing(form: LspciForm, records: readonly LspciRecord[]): LspciListing {
  const byAddress = new Map<PciAddress, LspciRecord>();
  for (const record of records) {
    const known = byAddress.get(record.address);
    // The same function printed twice (several listings in one file): the later text only adds.
    byAddress.set(record.address, known ? { ...compact(record), ...compact(known) } : record);
  }
  return { form, records: [...byAddress.values()].sort((a, b) => comparePciAddresses(a.address, b.address)) };
}

/** Functions with ids; those without are left out, `lacksIds` tells. */
export function functionsOf(listing: LspciListing): readonly PciFunction[] {
  const carries = (key: keyof LspciRecord) => listing.records.some((record) => record[key] !== undefined);
  const drivers = carries('driver') || carries('modules');
  const groups = carries('iommuGroup');
  const nodes = carries('numaNode');
  return listing.records.flatMap((record): PciFunction[] => {
    const { address, vendor, device, class: pciClass } = record;
    if (vendor === undefined || device === undefined || pciClass === undefined) return [];
    const subsystem = record.subvendor && record.subdevice ? `:${record.subvendor}:${record.subdevice}` : '';
    const missing = (what: string) => unknown(`${listing.form} without ${what}`);
    const driver: Fact<string | null> = record.driver ?? (drivers ? null : missing('-k'));
    const iommuGroup: Fact<number | null> = record.iommuGroup ?? (groups ? null : missing('IOMMU groups'));
    const numaNode: Fact<number | null> = record.numaNode ?? (nodes ? null : missing('NUMA nodes'));
    return [
      {
        address,
        id: `${vendor}:${device}${subsystem}` as PciId,
        class: pciClass,
        ...compact({
          revision: record.revision,
          vendorName: record.vendorName,
          deviceName: record.deviceName,
          subsystemName: record.subsystemName,
          modules: record.modules,
        }),
        driver,
        iommuGroup,
        numaNode,
      },
    ];
  });
}
