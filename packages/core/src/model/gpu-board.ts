import type { VgpuFramework } from './gpu-device.ts';
import type { PciId } from './pci-id.ts';

/** Catalogue entry: which product a PCI id is, and what it can do. */
export interface GpuBoard {
  /** `NVIDIA A10`, `Tesla T4`. */
  readonly name: string;
  /** Other names it is found by: product names, the text of pci.ids. */
  readonly aliases: readonly string[];
  readonly ids: readonly PciId[];
  /** Text of pci.ids for the device, from which NVIDIA's KubeVirt plugin makes the resource name. */
  readonly pciIdsName?: string;
  readonly architecture?: string;
  /** Marketed size of one GPU's memory, in GiB. */
  readonly memoryGiB?: number;
  readonly gpusPerBoard: number;
  /** vGPUs need SR-IOV virtual functions (Ampere and later). Passthrough never does. */
  readonly sriovForVgpu: boolean;
  readonly mig: boolean;
  /** The board must be switched to a mode without display output before it makes vGPUs (`displaymodeselector`). */
  readonly displayModeToggle?: string;
  /** First part of its vGPU type names: `A10`. Absent when it makes no vGPUs. */
  readonly vgpuBoard?: string;
  /** Where each fact comes from: repository or document, version, file. */
  readonly sources: readonly string[];
}

/** Catalogue entry: what one vGPU type is on one board. Short names are unique only per board. */
export interface VgpuProfile {
  /** `A10-24Q` */
  readonly name: string;
  /** `NVIDIA A10-24Q`, `GRID P4-1Q`: as the driver prints it. */
  readonly fullName: string;
  /** Device ids of the boards that make it, without subsystem. */
  readonly ids: readonly PciId[];
  readonly board: string;
  readonly series: 'A' | 'B' | 'C' | 'Q';
  /** Nominal framebuffer, in MiB. */
  readonly framebufferMiB: number;
  /** Most of them on one GPU, when all are of one size. */
  readonly maxPerGpu: number;
  /** Most of them on one GPU in mixed-size mode; absent where the mode does not exist. */
  readonly maxPerGpuMixed?: number;
  /** Licence edition: `vWS`, `vPC`, `vApps`, or NVIDIA AI Enterprise. */
  readonly license: string;
  readonly framework: Exclude<VgpuFramework, 'none' | 'sriov-vf'> | 'sriov';
  readonly displayHeads?: number;
  readonly maxResolution?: string;
  /** Slices of the GPU instance behind a MIG-backed type. */
  readonly migSlices?: number;
  /** Number of the type in the driver data that was read; resolve by name on the host before relying on it. */
  readonly typeId?: number;
  readonly sources: readonly string[];
}

/** Look-ups that planning needs. `@vmgpu/core/catalog` is one; a portal may bring its own. */
export interface Catalog {
  /** Boards with this id. With a subsystem only the boards of that subsystem; several products may share an id. */
  boardsById(id: PciId): readonly GpuBoard[];
  /** Boards with this name: exact, alias, or unambiguous without vendor word, in any case. */
  boardsByName(name: string): readonly GpuBoard[];
  /** Profiles by short or full name; several when boards share a short name. */
  profilesByName(name: string): readonly VgpuProfile[];
  /** All profiles that a board with this id can make. */
  profilesById(id: PciId): readonly VgpuProfile[];
  /** All boards, for listings and for "did you mean". */
  readonly boards: readonly GpuBoard[];
}
