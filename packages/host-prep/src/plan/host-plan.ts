import type { apiVersion, Diagnostic, HostMode, PciAddress, Step } from '@vmgpu/core';

/**
 * How GPUs come to vfio-pci:
 * - `initramfs` (default): by address, from a script in the initramfs, before any other driver loads
 * - `ids`: `options vfio-pci ids=` with softdeps; cannot tell equal cards apart
 * - `kernel-argument`: `vfio-pci.ids=`; also for a vfio-pci that is part of the kernel
 * - `driverctl`: by address, late in the boot; for systems that have driverctl
 * - `runtime`: by address, now, gone at the next boot
 */
export type BindingStrategy = 'initramfs' | 'ids' | 'kernel-argument' | 'driverctl' | 'runtime';

/** Risks that are taken only when they are named: options of a goal. */
export type Consent =
  /** Give away the GPU that shows the host's console, while another display is there. */
  | 'console-gpu'
  /** Give away the only display of the host. */
  | 'single-gpu-console'
  /** Take other devices of the GPU's IOMMU group from the host as well. */
  | 'group-neighbours'
  /** The same, when storage, network or USB of the host is among them. */
  | 'host-devices-in-group'
  /** Let guests send interrupts to the host: no interrupt remapping. */
  | 'unsafe-interrupts'
  /** Install a driver whose modules Secure Boot will refuse until a key is enrolled at the console. */
  | 'unsigned-modules'
  /** Take equal cards, which were not asked for, off an id list that also names them. */
  | 'release-twins'
  /** Reboot although the boot entry that was made could not be read, and so not be compared with the plan. */
  | 'unread-boot-entry';

/** vGPUs wanted of one GPU. */
export interface VgpuWish {
  readonly device: PciAddress;
  /** Name (`A10-24Q`), or a host's own type id (`nvidia-592`). Names are resolved on the host at every boot. */
  readonly profile: string;
  /** 1 when not given. */
  readonly count?: number;
}

/** What the host is to become. */
export interface HostGoal {
  readonly mode: HostMode;
  /** Default: all physical GPUs that make sense for the mode. */
  readonly devices?: readonly PciAddress[];
  readonly strategy?: BindingStrategy;
  /** The card's other functions: bound with the GPU (default), or left to the host. */
  readonly companions?: 'include' | 'exclude';
  readonly vgpus?: readonly VgpuWish[];
  /** Allow vGPUs of different sizes on one GPU (`nvidia-smi vgpu -shm 1`). */
  readonly mixedSizes?: boolean;
  /** GPU instances to make before the vGPUs: profile ids or names of `nvidia-smi mig -lgip`, by GPU. */
  readonly mig?: Readonly<Record<PciAddress, readonly string[]>>;
  /** Plain virtual functions (AMD, Intel) to make at boot, by GPU. */
  readonly virtualFunctions?: Readonly<Record<PciAddress, number>>;
  /** Huge pages set aside at boot; `size` in bytes: 2 MiB, 1 GiB. */
  readonly hugepages?: { readonly size: number; readonly count: number };
  /** systemd services that may lock any amount of memory; libvirt and Proxmox VE need none. */
  readonly memlock?: readonly string[];
  /** NVIDIA driver to install: the vGPU manager's .run file on the host, or names of distribution packages. */
  readonly driver?: { readonly runFile: string } | { readonly packages: readonly string[] };
  /** Container runtimes to configure in mode `container`: `containerd`, `docker`, `crio`. */
  readonly runtimes?: readonly string[];
  readonly consent?: readonly Consent[];
}

export interface HostPlanOptions {
  /** Judge as this platform needs it: `kubevirt`, `openstack`, `proxmox`. */
  readonly platform?: string;
}

/** What stands in the way, or needs care. `blocked` ones must be settled before the plan is applied. */
export interface HostDiagnostic extends Diagnostic {
  /** The option that takes the risk; absent where there is none to take. */
  readonly consent?: Consent;
  readonly device?: PciAddress;
  /** The readiness check it comes from. */
  readonly check?: string;
}

/** Program and arguments; never a shell line. */
export type Command = readonly string[];

interface StepBase extends Pick<Step, 'id' | 'risk' | 'reversible' | 'summary'> {
  /** Ids of steps that must be done before this one. */
  readonly needs: readonly string[];
  /** Readiness checks it should turn green, at the latest after the reboot. */
  readonly turnsGreen: readonly string[];
}

/**
 * One change of the host. The executor does them in order, each as check → do → verify:
 * - files are replaced atomically; a file that is not as `before` says stops the plan; `before` is null when there is no
 *   file and not set when it is not known. Texts are compared without the empty lines at their ends, which a capture does
 *   not keep.
 * - `edit-file` copies the original, byte for byte, to `backup` unless that is there; `restore-file` moves it back
 * - a command with `check` is skipped when `check` ends with status 0; `undo` takes it back
 * - `service`: after `systemctl daemon-reload`, `enable` is `enable --now`, `restart` enables and restarts, `disable` is
 *   `disable --now`
 * - `initramfs` and `boot-loader` are cheap to repeat and must be, when a run was stopped between a file and them
 * - everything after `reboot` waits for a new `boot_id`
 */
export type HostStep =
  | (StepBase & {
      readonly kind: 'write-file';
      readonly path: string;
      readonly mode: number;
      readonly before?: string | null;
      readonly after: string;
    })
  | (StepBase & { readonly kind: 'remove-file'; readonly path: string; readonly before: string })
  /** A foreign file, edited for a conflict or where its loader reads no file of ours. */
  | (StepBase & {
      readonly kind: 'edit-file';
      readonly path: string;
      readonly before: string;
      readonly after: string;
      readonly backup: string;
    })
  | (StepBase & {
      readonly kind: 'restore-file';
      readonly path: string;
      readonly before: string;
      readonly after: string;
      readonly backup: string;
    })
  | (StepBase & {
      readonly kind: 'run';
      readonly argv: Command;
      readonly check?: Command;
      readonly undo?: Command;
      /** Exit statuses that count as done; [0] when not given. */
      readonly accepts?: readonly number[];
    })
  | (StepBase & {
      readonly kind: 'write-sysfs';
      readonly path: string;
      readonly value: string;
      /** Written to take it back. */
      readonly undo?: { readonly path: string; readonly value: string };
      /** Already done when this link or file reads so. */
      readonly done?: { readonly path: string; readonly value: string };
    })
  | (StepBase & {
      readonly kind: 'service';
      readonly unit: string;
      readonly action: 'enable' | 'disable' | 'restart';
    })
  | (StepBase & {
      readonly kind: 'package';
      readonly manager: 'apt' | 'dnf' | 'zypper' | 'pacman';
      readonly names: readonly string[];
    })
  /** A person must do it: firmware settings, a boot menu. */
  | (StepBase & { readonly kind: 'manual'; readonly instructions: string })
  /** Of all installed kernels. */
  | (StepBase & { readonly kind: 'initramfs'; readonly argv: Command })
  | (StepBase & {
      readonly kind: 'boot-loader';
      readonly argv: Command;
      /** The file it makes. Made beside it, with a further `-o`, and then put in its place at once. */
      readonly output?: string;
    })
  /**
   * The generated entry of the kernel that boots next must have all of `present` and none of `absent`, before the reboot.
   * `read` prints entries (`args="…"`, as grubby does); else the `linux` and `options` lines of `files` (globs) are compared.
   * Where none can be read the work stops, unless `unread` says otherwise.
   */
  | (StepBase & {
      readonly kind: 'verify-boot-entry';
      readonly present: readonly string[];
      readonly absent: readonly string[];
      readonly read?: Command;
      readonly files?: readonly string[];
      readonly unread?: 'go-on';
    })
  | (StepBase & { readonly kind: 'reboot' })
  /** Read the host again and judge it: these checks must not fail. */
  | (StepBase & {
      readonly kind: 'verify';
      readonly mode: HostMode;
      readonly devices: readonly PciAddress[];
      readonly checks: readonly string[];
    });

/** Who writes boot configuration on this host, and how. */
export interface BootFamily {
  readonly name: FamilyName;
  /** False where only the system's own mechanism may write; the plan is then rendered, never applied. */
  readonly writable: boolean;
  readonly initramfs: 'initramfs-tools' | 'dracut' | 'mkinitcpio' | 'none';
}
export type FamilyName =
  | 'grub-drop-in'
  | 'proxmox-systemd-boot'
  | 'grubby'
  | 'grub-defaults'
  | 'loader-entries'
  | 'kernel-cmdline'
  | 'rpm-ostree'
  | 'transactional'
  | 'machine-config'
  | 'talos'
  | 'nixos'
  | 'foreign';

/** Frozen JSON, the same bytes for the same input. */
export interface HostPlan {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'HostPlan';
  readonly host: string;
  readonly family: BootFamily;
  /** null for a plan that takes everything back. */
  readonly goal: HostGoal | null;
  readonly steps: readonly HostStep[];
  readonly diagnostics: readonly HostDiagnostic[];
  /** Kernel arguments as the plan changes them: for renderers whose system keeps its own list. */
  readonly kernelArguments: { readonly add: readonly string[]; readonly remove: readonly string[] };
  /** True when a step needs a reboot to count. */
  readonly reboot: boolean;
}

/** True when something must be settled before the plan may be applied. */
export function isBlocked(plan: HostPlan): boolean {
  return plan.diagnostics.some(({ kind }) => kind === 'blocked');
}
