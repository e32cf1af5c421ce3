import {
  type Fact,
  type GpuDevice,
  isBridgeClass,
  isGpuClass,
  isUnknown,
  type OfferedVgpuType,
  type PciAddress,
  type PciFunction,
  slotOf,
  unknown,
  type VgpuFramework,
} from '@vmgpu/core';
import type { NvidiaSmiGpu } from './host-facts.ts';
import { type MdevTypes, parseCreatableVgpuTypes } from './mdev.ts';
import type { NvidiaVgpuType } from './nvidia-smi.ts';
import type { PciExtra, PciReading } from './read-pci.ts';
import { compact, wholeNumber } from './text.ts';

/** What tells about vGPUs, besides PCI. */
export interface VgpuSources {
  readonly mdevTypes: Fact<MdevTypes>;
  readonly smi: Fact<readonly NvidiaSmiGpu[]>;
  /** Types the driver supports, by GPU; limits are taken from here where the offer has none. */
  readonly supported: ReadonlyMap<PciAddress, readonly NvidiaVgpuType[]>;
}

/** The GPUs among the functions: display controllers and accelerators, physical and virtual ones. */
export function selectGpus(pci: PciReading, sources: VgpuSources): readonly GpuDevice[] {
  const functions = isUnknown(pci.functions) ? [] : pci.functions;
  const group = (each: PciFunction) => (typeof each.iommuGroup === 'number' ? each.iommuGroup : undefined);
  return functions
    .filter((each) => isGpuClass(each.class))
    .map((each): GpuDevice => {
      const { attributes: _, ...extra } = pci.extra(each.address);
      const slot = slotOf(each.address);
      const own = group(each);
      const sameSlot = functions.filter(
        ({ address }) => address !== each.address && slotOf(address) === slot,
      );
      return {
        ...each,
        ...extra,
        vendor: vendorOf(each),
        role: extra.physicalFunction === undefined ? 'physical' : 'virtual',
        companions:
          extra.physicalFunction === undefined
            ? sameSlot.filter(({ address }) => pci.extra(address).physicalFunction === undefined)
            : [],
        groupNeighbours:
          own === undefined
            ? []
            : functions.filter(
                (other) =>
                  group(other) === own && slotOf(other.address) !== slot && !isBridgeClass(other.class),
              ),
        vgpuFramework: frameworkOf(each, pci, sources),
        vgpuTypes: typesOf(each, pci, sources),
      };
    });
}

function vendorOf({ id }: PciFunction): GpuDevice['vendor'] {
  const vendors = { '10de': 'nvidia', '1002': 'amd', '8086': 'intel' } as const;
  return vendors[id.slice(0, 4) as keyof typeof vendors] ?? 'other';
}

/**
 * Which framework a function offers vGPUs by, judged from what exists, never from the model or distribution: sources
 * disagree on who has which (NVIDIA vGPU guide, KubeVirt, Proxmox VE's SysFSTools).
 */
function frameworkOf(gpu: PciFunction, pci: PciReading, sources: VgpuSources): Fact<VgpuFramework> {
  const extra = pci.extra(gpu.address);
  if (!extra.attributes) return unknown(`${pci.source} does not say`);
  const related = [gpu.address, ...extra.virtualFunctions];
  const attributesOf = (address: PciAddress) => pci.extra(address).attributes;
  if (related.some((address) => attributesOf(address)?.has('nvidia/current_vgpu_type'))) return 'vendor-vfio';
  const mdev = isUnknown(sources.mdevTypes) ? undefined : sources.mdevTypes;
  const offers = (address: PciAddress) => (mdev?.get(address)?.length ?? 0) > 0;
  if (offers(gpu.address)) return extra.physicalFunction === undefined ? 'mdev' : 'mdev-on-vf';
  if (extra.virtualFunctions.some(offers)) return 'mdev-on-vf';
  const hasVirtual = extra.virtualFunctions.length > 0 || extra.physicalFunction !== undefined;
  const vendor = vendorOf(gpu);
  if (vendor === 'amd' || vendor === 'intel') return hasVirtual ? 'sriov-vf' : 'none';
  if (vendor !== 'nvidia' || gpu.driver !== 'nvidia') return 'none';
  return withoutTypes(gpu.address, hasVirtual, sources);
}

/** The driver is NVIDIA's and no type is to be seen: not a vGPU host, or one that is not set up yet. */
function withoutTypes(address: PciAddress, hasVirtual: boolean, sources: VgpuSources): Fact<VgpuFramework> {
  const smi = isUnknown(sources.smi) ? undefined : sources.smi.find((each) => each.address === address);
  const mode = smi?.hostVgpuMode;
  if (smi?.virtualizationMode !== 'Host VGPU' && !hasVirtual) return 'none';
  if (mode === 'SR-IOV' && !hasVirtual) return unknown('no virtual functions yet: run sriov-manage -e');
  return unknown('the vGPU manager offers no types: it has not initialised this GPU');
}

function typesOf(gpu: PciFunction, pci: PciReading, sources: VgpuSources): readonly OfferedVgpuType[] {
  const extra = pci.extra(gpu.address);
  const mdev = isUnknown(sources.mdevTypes) ? undefined : sources.mdevTypes;
  const card = extra.physicalFunction ?? gpu.address;
  const own = mdev?.get(gpu.address) ?? [];
  const onVirtual = extra.virtualFunctions.flatMap((address) => mdev?.get(address) ?? []);
  const offered = own.length > 0 ? own : onVirtual.length > 0 ? addUp(onVirtual) : creatable(gpu, extra, pci);
  const limits = new Map(sources.supported.get(card)?.map((type) => [type.typeId, type]));
  return offered.map((type) => {
    const { name, framebufferMiB, maxInstances } = limits.get(type.typeId) ?? {};
    return { ...compact({ name, framebufferMiB, maxInstances }), ...type };
  });
}

/** Each virtual function offers a type once; the card offers it as often as they do together. */
function addUp(types: readonly OfferedVgpuType[]): readonly OfferedVgpuType[] {
  const sums = new Map<string, OfferedVgpuType>();
  for (const type of types) {
    const before = sums.get(type.typeId);
    const known = before && !isUnknown(before.available) && !isUnknown(type.available);
    const sum = known ? Number(before.available) + Number(type.available) : type.available;
    sums.set(type.typeId, { ...type, available: sum });
  }
  return [...sums.values()];
}

/** The vendor-VFIO list: read at one free virtual function, valid for all of the card's free ones. */
function creatable(gpu: PciFunction, extra: PciExtra, pci: PciReading): readonly OfferedVgpuType[] {
  const list = (attributes: PciExtra['attributes']) =>
    [...(attributes ?? [])].find(([key]) => key.endsWith('nvidia/creatable_vgpu_types'))?.[1];
  const taken = (wholeNumber(extra.attributes?.get('nvidia/current_vgpu_type')) ?? 0) !== 0;
  if (extra.physicalFunction === undefined) return parseCreatableVgpuTypes(list(extra.attributes) ?? '');
  const shared = list(extra.attributes) ?? list(pci.extra(extra.physicalFunction).attributes);
  return taken || gpu.driver === 'vfio-pci' ? [] : parseCreatableVgpuTypes(shared ?? '');
}
