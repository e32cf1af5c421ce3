/** PCI functions of a node, as `GET /nodes/{node}/hardware/pci` lists them (pve-manager 9.2.11, pve-common 9.2.1). */
import {
  companionKind,
  type GpuDevice,
  type HostInventory,
  isBridgeClass,
  isGpuClass,
  knownValue,
  type OfferedVgpuType,
  type PciFunction,
  pciIdParts,
} from '@vmgpu/core';

/** One item of the list. Ids and class are prefixed with `0x`; `iommugroup` -1 means none. */
export interface PciItem {
  readonly id: string;
  readonly class: string;
  readonly vendor: string;
  readonly device: string;
  readonly iommugroup: number;
  readonly vendor_name?: string;
  readonly device_name?: string;
  readonly subsystem_vendor?: string;
  readonly subsystem_device?: string;
  /** 1 when it can make mediated devices or NVIDIA vGPUs. */
  readonly mdev?: number | boolean;
  /** 1 on virtual functions with NVIDIA's VFIO interface. */
  readonly nvidia?: number | boolean;
  /** Physical function of a virtual one (pve-common 9.1.12). */
  readonly physfn?: string;
  readonly virtfns?: Readonly<Record<string, string>>;
}

/** One item of `GET /nodes/{node}/hardware/pci/{address or mapping}/mdev`. */
export interface MdevType {
  readonly type: string;
  readonly name?: string;
  readonly available: number;
  readonly description?: string;
}

/** A node and what it has. */
export interface ProxmoxNode {
  readonly name: string;
  /** undefined when it was not read. */
  readonly pci?: readonly PciItem[];
  /** Mediated types by address. */
  readonly mdevTypes?: Readonly<Record<string, readonly MdevType[]>>;
  /** NUMA node by address, from a capture; the API does not tell. */
  readonly numaNodes?: Readonly<Record<string, number>>;
}

/** `10de:1d01` */
export function itemId(item: PciItem): string {
  return `${bare(item.vendor)}:${bare(item.device)}`;
}

/** `1462:8c98`; undefined when the function has none. */
export function itemSubsystem(item: PciItem): string | undefined {
  const { subsystem_vendor: vendor, subsystem_device: device } = item;
  return vendor === undefined || device === undefined ? undefined : `${bare(vendor)}:${bare(device)}`;
}

/** Four digits: `0300`. */
export function itemClass(item: PciItem): string {
  return bare(item.class).slice(0, 4);
}

export function isGpuItem(item: PciItem): boolean {
  return isGpuClass(itemClass(item));
}

/** Adds the domain 0000 where none is written: `26:00` is `0000:26:00`. */
export function withDomain(path: string): string {
  return path.split(':').length < 3 ? `0000:${path}` : path;
}

/** The functions a path means. Proxmox VE matches by prefix: a path without function is every function of the slot. */
export function functionsAt(items: readonly PciItem[], path: string): readonly PciItem[] {
  const prefix = withDomain(path);
  return items.filter((item) => item.id.startsWith(prefix)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** `0000:26:00` of `0000:26:00.1`. */
export function slotOfItem(item: PciItem): string {
  return item.id.slice(0, item.id.lastIndexOf('.'));
}

/** The other functions of the card that are neither GPU nor virtual functions: audio, USB-C. */
export function companionsOf(items: readonly PciItem[], gpu: PciItem): readonly PciItem[] {
  return functionsAt(items, slotOfItem(gpu)).filter(
    (item) => item.id !== gpu.id && item.physfn === undefined && !isGpuItem(item),
  );
}

/** Functions that share the GPU's IOMMU group although they are not on its card: the node loses them when the VM starts. */
export function groupNeighbours(items: readonly PciItem[], gpu: PciItem): readonly PciItem[] {
  if (gpu.iommugroup < 0) return [];
  const slot = slotOfItem(gpu);
  return items.filter(
    (item) =>
      item.iommugroup === gpu.iommugroup && slotOfItem(item) !== slot && !isBridgeClass(itemClass(item)),
  );
}

/** A few words for people: `NVIDIA Corporation GP108 [GeForce GT 1030] (0000:26:00.0)`. */
export function describeItem(item: PciItem): string {
  const name = [item.vendor_name, item.device_name].filter(Boolean).join(' ');
  return `${name || `${companionKind(itemClass(item))} ${itemId(item)}`} (${item.id})`;
}

/** The node as a capture of the host shows it. */
export function nodeFromInventory(inventory: HostInventory): ProxmoxNode {
  const functions = new Map<string, PciItem>();
  for (const gpu of inventory.gpus) {
    for (const item of [...gpu.companions, ...gpu.groupNeighbours]) {
      if (!functions.has(item.address)) functions.set(item.address, itemOfFunction(item));
    }
  }
  for (const gpu of inventory.gpus) functions.set(gpu.address, itemOfGpu(gpu));
  const offered = inventory.gpus.filter((gpu) => gpu.vgpuTypes.length > 0);
  const numa = inventory.gpus.flatMap((gpu) => {
    const node = knownValue(gpu.numaNode);
    return typeof node === 'number' ? [[gpu.address, node] as const] : [];
  });
  return {
    name: inventory.host,
    pci: [...functions.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    mdevTypes: Object.fromEntries(offered.map((gpu) => [gpu.address, gpu.vgpuTypes.map(mdevTypeOf)])),
    numaNodes: Object.fromEntries(numa),
  };
}

function itemOfFunction(fn: PciFunction): PciItem {
  const { vendor, device, subvendor, subdevice } = pciIdParts(fn.id);
  return {
    id: fn.address,
    class: `0x${fn.class.padEnd(6, '0')}`,
    vendor: `0x${vendor}`,
    device: `0x${device}`,
    iommugroup: knownValue(fn.iommuGroup) ?? -1,
    ...(fn.vendorName === undefined ? {} : { vendor_name: fn.vendorName }),
    ...(fn.deviceName === undefined ? {} : { device_name: fn.deviceName }),
    ...(subvendor === undefined || subdevice === undefined
      ? {}
      : { subsystem_vendor: `0x${subvendor}`, subsystem_device: `0x${subdevice}` }),
  };
}

function itemOfGpu(gpu: GpuDevice): PciItem {
  const framework = knownValue(gpu.vgpuFramework);
  const vendorVfio = framework === 'vendor-vfio' && gpu.role === 'virtual';
  return {
    ...itemOfFunction(gpu),
    // A physical function whose virtual functions make the vGPUs offers none itself.
    ...(framework === 'mdev' || vendorVfio || (framework === 'mdev-on-vf' && gpu.role === 'virtual')
      ? { mdev: 1 }
      : {}),
    ...(vendorVfio ? { nvidia: 1 } : {}),
    ...(gpu.physicalFunction === undefined ? {} : { physfn: gpu.physicalFunction }),
    ...(gpu.virtualFunctions.length === 0
      ? {}
      : { virtfns: Object.fromEntries(gpu.virtualFunctions.map((address, n) => [`virtfn${n}`, address])) }),
  };
}

function mdevTypeOf(offered: OfferedVgpuType): MdevType {
  return {
    // The kernel's new interface lists bare numbers; Proxmox VE names both the old way.
    type: /^\d+$/.test(offered.typeId) ? `nvidia-${offered.typeId}` : offered.typeId,
    ...(offered.name === undefined ? {} : { name: offered.name }),
    available: knownValue(offered.available) ?? 1,
  };
}

function bare(hex: string): string {
  return hex.replace(/^0x/, '');
}
