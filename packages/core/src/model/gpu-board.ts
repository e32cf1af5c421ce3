import type { VgpuFramework } from './gpu-device.ts';
import type { PciId } from './pci-id.ts';

/** Catalogue entry: which product a PCI id is, and what it can do. */
export interface GpuBoard {
  /** `NVIDIA A10`, `Tesla T4`. */
  readonly name: string;
  /** Other names it is found by: product names, the text of pci.ids. */
  readonly aliases: readonly string[];
  /** With subsystem where several products share an id: `10de:25b6:10de:14a9` is the A16, `10de:25b6:10de:157e` the A2. */
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
  /**
   * NVIDIA vGPU releases that are known to list the board, oldest first: `16.1`, `17.x` (some 17), `20.0`. Not every
   * release was read, so a release that is not here is no proof against the board.
   */
  readonly branches?: readonly string[];
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
  /** Product name of the first board that makes it: `NVIDIA A10`. */
  readonly board: string;
  readonly series: 'A' | 'B' | 'C' | 'Q';
  /** Nominal framebuffer, in MiB. */
  readonly framebufferMiB: number;
  /** Most of them on one GPU, when all are of one size; absent where no source says it. */
  readonly maxPerGpu?: number;
  /** Most of them on one GPU in mixed-size mode; absent where the mode does not exist. */
  readonly maxPerGpuMixed?: number;
  /** Licence edition: `vWS`, `vPC`, `vApps`, or NVIDIA AI Enterprise. */
  readonly license: string;
  readonly framework: Exclude<VgpuFramework, 'none' | 'sriov-vf'> | 'sriov';
  readonly displayHeads?: number;
  readonly maxResolution?: string;
  /** Slices of the GPU instance behind a MIG-backed type. */
  readonly migSlices?: number;
  /** The GPU-instance profile it needs, where its name does not tell: `1g.24gb+gfx`. */
  readonly migProfile?: string;
  /** Most of them in one GPU instance, where several fit. */
  readonly maxPerGpuInstance?: number;
  /** Number of the type in the driver data that was read; resolve by name on the host before relying on it. */
  readonly typeId?: number;
  /** Which of these facts no source states, and how each was concluded, by field name. */
  readonly inferred?: Readonly<Record<string, string>>;
  readonly sources: readonly string[];
}

/** Look-ups that planning needs. `@vmgpu/core/catalog` is one; a portal may bring its own. */
export interface Catalog {
  /** Boards with this id. With a subsystem only the boards of that subsystem; several products may share an id. */
  boardsById(id: PciId): readonly GpuBoard[];
  /**
   * Boards with this name or alias, in any case and without the vendor's word as well. Several when the name is not
   * unique, or is only the beginning of names (`A100`).
   */
  boardsByName(name: string): readonly GpuBoard[];
  /** Profiles by short or full name; several when boards share a short name. */
  profilesByName(name: string): readonly VgpuProfile[];
  /** All profiles that a board with this id can make. */
  profilesById(id: PciId): readonly VgpuProfile[];
  /** All boards, for listings and for "did you mean". */
  readonly boards: readonly GpuBoard[];
}
