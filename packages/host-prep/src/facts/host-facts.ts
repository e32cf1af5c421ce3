import type { apiVersion, Fact, GpuDevice, PciAddress, PciFunction } from '@vmgpu/core';

/**
 * What a capture says about a host, as data. Every field that may be unreadable is a `Fact`: the value, or the reason
 * why it is not known. "Not there" is a value (null, an empty list), never `unknown`.
 */
export interface HostFacts {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'HostFacts';
  /** Host name as the host calls itself; the file's name when the capture has none. */
  readonly host: string;
  /** What could not be read, and what would have made it readable (`needs root`). */
  readonly gaps: readonly Gap[];
  readonly system: SystemFacts;
  readonly boot: BootFacts;
  readonly iommu: IommuFacts;
  readonly kernelModules: KernelModuleFacts;
  /** All PCI functions, in address order. */
  readonly pci: Fact<readonly PciFunction[]>;
  /** Where `pci` was read: sysfs, or the form of lspci text. */
  readonly pciSource: string;
  readonly gpus: readonly GpuDevice[];
  /** Per-function facts that only host preparation needs, by address. */
  readonly pciDetails: Readonly<Record<PciAddress, PciDetails>>;
  readonly mdevs: Fact<readonly MdevDevice[]>;
  /** Definitions that outlive a reboot (`/etc/mdevctl.d`). */
  readonly mdevDefinitions: Fact<readonly MdevDefinition[]>;
  readonly nvidia: NvidiaFacts;
  readonly amd: { readonly gimLoaded: Fact<boolean> };
  readonly memory: MemoryFacts;
  readonly containers: ContainerFacts;
  readonly deviceNodes: Fact<readonly string[]>;
  /** systemd units asked about, by name without `.service`. Absent units have loadState `not-found`. */
  readonly services: Fact<Readonly<Record<string, ServiceState>>>;
  /** Kernel log lines about IOMMU, VFIO, NVIDIA and PCI resources, oldest first, time stamps removed. */
  readonly kernelLog: Fact<readonly string[]>;
  /** Proxmox VE, Kubernetes node agents and OpenStack services seen on the host: `pve`, `kubelet`, `nova-compute`. */
  readonly roles: readonly string[];
  /**
   * Texts of the configuration files that preparation writes or may have to edit, by path; a file that is not here is not
   * on the host, or could not be read (`gaps`). Not set when the facts come from something that holds no files.
   */
  readonly files?: Readonly<Record<string, string>>;
}

export interface Gap {
  readonly source: string;
  readonly why: string;
}

export interface SystemFacts {
  readonly root: Fact<boolean>;
  readonly passwordlessSudo: Fact<boolean>;
  readonly os: Fact<OsRelease>;
  /** `none` on bare metal, else what `systemd-detect-virt` says: `kvm`, `vmware`. */
  readonly virtualization: Fact<string>;
  /** `none`, else the kind of container vmgpu was run in. */
  readonly container: Fact<string>;
  readonly kernelRelease: Fact<string>;
  /** Options of the running kernel's configuration that matter here, `CONFIG_` included. */
  readonly kernelConfig: Fact<Readonly<Record<string, string>>>;
  readonly cpu: Fact<CpuFacts>;
  readonly kvmDevice: Fact<boolean>;
  readonly architecture: Fact<string>;
}

export interface OsRelease {
  /** `debian`, `ubuntu`, `rhel`, `talos`. */
  readonly id: string;
  readonly idLike: readonly string[];
  readonly versionId?: string;
  readonly variantId?: string;
  readonly prettyName?: string;
  /** Booted from an ostree deployment (`/run/ostree-booted`). */
  readonly ostree: boolean;
}

export interface CpuFacts {
  /** `GenuineIntel`, `AuthenticAMD`, `ARM`. */
  readonly vendor: string;
  readonly model?: string;
  readonly count: number;
  /** CPUs that have `vmx` or `svm`. */
  readonly withVirtualization: number;
  readonly virtualization: 'vmx' | 'svm' | null;
}

export interface BootFacts {
  readonly bootId: Fact<string>;
  readonly cmdline: Fact<KernelCommandLine>;
  readonly firmware: Fact<'efi' | 'bios'>;
  readonly secureBoot: Fact<boolean>;
  /** `none`, `integrity` or `confidentiality`. */
  readonly lockdown: Fact<string>;
  readonly loader: Fact<BootLoader>;
  /** Value of GRUB_CMDLINE_LINUX and _DEFAULT after all defaults files, in reading order. */
  readonly grub: Fact<GrubDefaults>;
  /** Content of `/etc/kernel/cmdline`; null when there is no such file. */
  readonly kernelCmdlineFile: Fact<string | null>;
  /** `linux`/`options` lines of the generated boot entries, with the file they stand in. */
  readonly entries: Fact<readonly BootEntry[]>;
  readonly rebootRequired: Fact<boolean>;
  readonly installedKernels: Fact<readonly string[]>;
  /** The running kernel's initramfs; null when there is none. */
  readonly initramfs: Fact<InitramfsFacts | null>;
  /** ACPI tables of the firmware: DMAR (Intel), IVRS (AMD), IORT (arm64) among them. */
  readonly acpiTables: Fact<readonly string[]>;
  /**
   * Memory that the boot framebuffer holds, from `/proc/iomem` (needs root: others see zeros): lines `BOOTFB`, `efifb`,
   * `simpledrm`, `simplefb`, `vesafb`. Empty when there are none. Used by H28; unknown when absent.
   */
  readonly framebuffers?: Fact<readonly MemoryRange[]>;
}

export interface MemoryRange {
  readonly name: string;
  /** First and last byte. */
  readonly start: number;
  readonly end: number;
}

export interface KernelArgument {
  /** Key with `-` turned to `_`, as the kernel compares. */
  readonly key: string;
  readonly value?: string;
  /** As written. */
  readonly raw: string;
}
export interface KernelCommandLine {
  readonly raw: string;
  readonly args: readonly KernelArgument[];
}

export interface BootLoader {
  readonly kind: 'grub' | 'systemd-boot' | 'other';
  /** Proxmox VE keeps its ESPs with proxmox-boot-tool. */
  readonly proxmoxBootTool: boolean;
  /** What it was told from, for the evidence line. */
  readonly evidence: { readonly source: string; readonly text: string };
}

export interface GrubDefaults {
  readonly files: readonly string[];
  readonly linux: string;
  readonly linuxDefault: string;
  /** Files with something that cannot be read without running it (`$(...)`). */
  readonly dynamic: readonly string[];
}

export interface BootEntry {
  readonly file: string;
  readonly args: string;
}

export interface InitramfsFacts {
  readonly file: string;
  /** Seconds since the epoch. */
  readonly modified: Fact<number>;
  /** Paths inside that concern vfio and modprobe.d. */
  readonly contents: Fact<readonly string[]>;
}

export interface IommuFacts {
  /** Entries of `/sys/class/iommu`: `dmar0`, `ivhd0`, `smmu3.…`. Empty: no IOMMU is active. */
  readonly units: Fact<readonly string[]>;
  readonly groups: Fact<readonly IommuGroup[]>;
  /** Interrupt remapping. */
  readonly interruptRemapping: Fact<boolean>;
  readonly unsafeInterruptsAllowed: Fact<boolean>;
}

export interface IommuGroup {
  readonly id: number;
  /** `DMA`, `DMA-FQ`, `identity`. */
  readonly type?: string;
  readonly members: readonly PciAddress[];
}

export interface KernelModuleFacts {
  readonly loaded: Fact<readonly string[]>;
  /** How vfio-pci comes: a loadable module, compiled in, or not at all. */
  readonly vfioPci: Fact<'module' | 'builtin' | 'absent'>;
  /** `ids` parameter of the loaded vfio-pci. */
  readonly vfioPciIds: Fact<string>;
  readonly modprobe: Fact<ModprobeConfig>;
  /** Modules to load at boot, with their files (`/etc/modules`, modules-load.d, initramfs-tools/modules). */
  readonly loadAtBoot: Fact<readonly ModuleListEntry[]>;
  /** Parameters the installed vfio-pci knows. */
  readonly vfioPciParameters: Fact<readonly string[]>;
  readonly ignoreMsrs: Fact<boolean>;
  /** `dkms status`, one entry a module and kernel; empty when dkms is absent. Used by H35; unknown when absent. */
  readonly dkms?: Fact<readonly DkmsModule[]>;
  /** Headers of the running kernel (`/lib/modules/$(uname -r)/build`). Used by H35; unknown when absent. */
  readonly kernelHeaders?: Fact<boolean>;
}

export interface DkmsModule {
  readonly module: string;
  readonly version: string;
  /** Absent while the module is only `added`. */
  readonly kernel?: string;
  /** `installed`, `built`, `added`. */
  readonly state: string;
}

export interface ModprobeConfig {
  readonly options: readonly ModprobeLine<{ readonly module: string; readonly parameters: string }>[];
  readonly blacklist: readonly ModprobeLine<{ readonly module: string }>[];
  readonly install: readonly ModprobeLine<{ readonly module: string; readonly command: string }>[];
  readonly softdep: readonly ModprobeLine<{
    readonly module: string;
    readonly pre: readonly string[];
    readonly post: readonly string[];
  }>[];
  readonly alias: readonly ModprobeLine<{ readonly alias: string; readonly module: string }>[];
}
/** A line of modprobe.d with its place. `file` is `modprobe -c` when the host resolved the files itself. */
export type ModprobeLine<T> = T & { readonly file: string; readonly line: number };

export interface ModuleListEntry {
  readonly file: string;
  readonly line: number;
  readonly module: string;
  /** The whole line, when it holds more than a name. */
  readonly text: string;
}

export interface PciDetails {
  readonly driverOverride?: string | null;
  readonly powerState?: string;
  readonly modalias?: string;
  readonly linkSpeed?: { readonly current: string; readonly max: string };
  readonly linkWidth?: { readonly current: number; readonly max: number };
  /** `nvidia/current_vgpu_type` of a virtual function; 0 means none. */
  readonly currentVgpuType?: number;
  /** header type 7f, revision ff, and the like: the device does not answer. */
  readonly dead?: string;
}

export interface MdevDevice {
  readonly uuid: string;
  /** PCI address, or another parent's name (`mtty`). */
  readonly parent: string;
  readonly typeId: string;
  readonly typeName?: string;
  readonly iommuGroup?: number;
}
export interface MdevDefinition {
  readonly uuid: string;
  readonly parent: string;
  readonly typeId: string;
  readonly autoStart: boolean;
}

export interface NvidiaFacts {
  /** `/proc/driver/nvidia/version`; null when the driver is not loaded. */
  readonly driverVersion: Fact<string | null>;
  /** `vgpu-host` is the vGPU manager (`-vgpu-kvm`), `vgpu-guest` a GRID guest driver. */
  readonly flavour: Fact<'data-centre' | 'vgpu-host' | 'vgpu-guest' | 'open' | null>;
  readonly moduleLicense: Fact<string | null>;
  readonly moduleSigner: Fact<string | null>;
  readonly smiPresent: Fact<boolean>;
  readonly gpus: Fact<readonly NvidiaSmiGpu[]>;
}

/** One GPU of `nvidia-smi -q -x`. `null` where it printed N/A. */
export interface NvidiaSmiGpu {
  readonly address: PciAddress;
  readonly productName?: string;
  readonly uuid?: string;
  readonly fbTotalMiB?: number | null;
  readonly bar1TotalMiB?: number | null;
  readonly migMode?: { readonly current: string | null; readonly pending: string | null };
  readonly eccMode?: { readonly current: string | null; readonly pending: string | null };
  readonly persistenceMode?: string | null;
  /** `None`, `Host VGPU`, `VGPU`, `Pass-Through`. */
  readonly virtualizationMode?: string | null;
  /** `SR-IOV`, `Non SR-IOV`. */
  readonly hostVgpuMode?: string | null;
  readonly heterogeneousTimeSliceSizes?: string | null;
  readonly vgpuHeterogeneousMode?: string | null;
  /** Text of a fault: `GPU is lost`. */
  readonly fault?: string;
}

export interface MemoryFacts {
  readonly totalKiB: Fact<number>;
  readonly availableKiB: Fact<number>;
  /** Pools by page size in KiB. */
  readonly hugepages: Fact<
    readonly { readonly sizeKiB: number; readonly total: number; readonly free: number }[]
  >;
  /** Locked-memory limit of services (KiB), `unlimited` as such. */
  readonly memlock: Fact<number | 'unlimited'>;
}

export interface ContainerFacts {
  /** `nvidia-ctk --version`; null when absent. */
  readonly toolkitVersion: Fact<string | null>;
  readonly cdiFiles: Fact<readonly string[]>;
  /** Runtimes whose configuration names the nvidia runtime: `containerd`, `docker`, `crio`. */
  readonly configuredRuntimes: Fact<readonly string[]>;
}

export interface ServiceState {
  readonly loadState: string;
  readonly activeState: string;
  readonly result: string;
}
