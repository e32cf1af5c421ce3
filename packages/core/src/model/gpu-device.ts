import type { Fact } from './fact.ts';
import type { PciAddress } from './pci-address.ts';
import type { PciId } from './pci-id.ts';

/** One PCI function of a host, GPU or not, as sysfs or lspci shows it. */
export interface PciFunction {
  readonly address: PciAddress;
  /** `vendor:device`, with the subsystem when it is known. */
  readonly id: PciId;
  /** Base class and subclass, four hexadecimal digits: `0300` VGA, `0302` 3D, `0380` display, `1200` accelerator. */
  readonly class: string;
  readonly revision?: string;
  /** Texts of pci.ids as the host printed them. */
  readonly vendorName?: string;
  readonly deviceName?: string;
  readonly subsystemName?: string;
  /** Driver bound now; null when none is. */
  readonly driver: Fact<string | null>;
  /** Modules that could drive it (`Kernel modules:` of lspci). */
  readonly modules?: readonly string[];
  /** null when the function is in no group: no IOMMU translates for it. */
  readonly iommuGroup: Fact<number | null>;
  /** null on hosts without NUMA (sysfs says -1). */
  readonly numaNode: Fact<number | null>;
}

/** One base address register. Sizes in bytes. */
export interface PciBar {
  readonly index: number;
  readonly size: number;
  /** 0 when the firmware or kernel found no room for it. */
  readonly start: number;
}

/** How the host's driver offers vGPUs on this function. */
export type VgpuFramework =
  /** Mediated devices on the physical function (up to Turing, Intel GVT-g). */
  | 'mdev'
  /** Mediated devices on SR-IOV virtual functions (Ampere and later on older kernels). */
  | 'mdev-on-vf'
  /** NVIDIA's VFIO interface on virtual functions, `nvidia/current_vgpu_type` (kernel 6.8 class and later). */
  | 'vendor-vfio'
  /** Plain SR-IOV virtual functions are the share (AMD, Intel). */
  | 'sriov-vf'
  | 'none';

/** One vGPU type that a function offers now. */
export interface OfferedVgpuType {
  /** The host's identifier: directory name of the mdev type, or the type number: `nvidia-592`. */
  readonly typeId: string;
  /** `NVIDIA A10-24Q`; absent when the driver gives none. */
  readonly name?: string;
  /** Instances that can still be created; unknown for vendor VFIO, which lists only what is creatable. */
  readonly available: Fact<number>;
  readonly framebufferMiB?: number;
  /** Most instances of this type on one GPU. */
  readonly maxInstances?: number;
}

/** One GPU function (physical or virtual) with everything planning needs to know of it. */
export interface GpuDevice extends PciFunction {
  readonly vendor: 'nvidia' | 'amd' | 'intel' | 'other';
  readonly role: 'physical' | 'virtual';
  /** Physical function of a virtual one. */
  readonly physicalFunction?: PciAddress;
  /** Virtual functions that exist now. */
  readonly virtualFunctions: readonly PciAddress[];
  /** Most virtual functions (`sriov_totalvfs`); null without the SR-IOV capability. */
  readonly sriovTotal: Fact<number | null>;
  /** Other functions of the same slot: audio, USB-C, UCSI. */
  readonly companions: readonly PciFunction[];
  /** Everything else in the GPU's IOMMU group that is neither in its slot nor a bridge. */
  readonly groupNeighbours: readonly PciFunction[];
  /** The console of the host (`boot_vga`). */
  readonly bootVga: Fact<boolean>;
  /** Reset methods the kernel knows, e.g. `flr`, `bus`; null when it cannot be reset. */
  readonly resetMethods: Fact<readonly string[] | null>;
  readonly bars: Fact<readonly PciBar[]>;
  readonly vgpuFramework: Fact<VgpuFramework>;
  readonly vgpuTypes: readonly OfferedVgpuType[];
}

/** The GPUs of one host, as an adapter's snapshot carries them. Made by host-prep from a capture, or from a platform. */
export interface HostInventory {
  /** The platform's name of the host: node, compute host. */
  readonly host: string;
  readonly gpus: readonly GpuDevice[];
}

/** True for PCI classes that are a GPU: display controllers, and AMD's and NVIDIA's accelerators. */
export function isGpuClass(pciClass: string): boolean {
  return pciClass.startsWith('03') || pciClass.startsWith('1200');
}

/** A bridge (`0604` PCI, `0600` host): it may stay with its driver in a group that is given away. */
export function isBridgeClass(pciClass: string): boolean {
  return pciClass.startsWith('0604') || pciClass.startsWith('0600');
}

/** `audio`, `usb`, `ucsi`: what a companion is, in a word. */
export function companionKind(pciClass: string): string {
  if (pciClass.startsWith('0403')) return 'audio';
  if (pciClass.startsWith('0c03')) return 'USB';
  if (pciClass.startsWith('0c80')) return 'USB-C (UCSI)';
  if (pciClass.startsWith('0280') || pciClass.startsWith('02')) return 'network';
  if (pciClass.startsWith('01')) return 'storage';
  if (pciClass.startsWith('0680')) return 'bridge device';
  return `class ${pciClass}`;
}
