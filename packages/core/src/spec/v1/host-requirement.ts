import type { HostMode } from '../../model/platform.ts';

/** What a platform's plan needs of hosts: the only thing that passes between platform adapters and host-prep. */
export type HostRequirement =
  | HostRequirementOf<'iommu'>
  /** A GPU (and its companions) bound to this driver before the VM starts. */
  | (HostRequirementOf<'driver'> & { readonly driver: string; readonly device: HostRequirementDevice })
  /** A vGPU type that can be created. */
  | (HostRequirementOf<'vgpu-profile'> & {
      readonly profile: string;
      readonly count: number;
      readonly device?: HostRequirementDevice;
    })
  /** Virtual functions that exist. */
  | (HostRequirementOf<'virtual-functions'> & {
      readonly device: HostRequirementDevice;
      readonly count?: number;
    })
  /** Huge pages of a size, in bytes, set aside at boot. */
  | (HostRequirementOf<'hugepages'> & { readonly pageSize: number; readonly total: number })
  /** A configuration file that an administrator of the platform's services must put in place. */
  | (HostRequirementOf<'config-file'> & { readonly file: string; readonly restart: readonly string[] });

interface HostRequirementOf<K extends string> {
  readonly kind: K;
  /** Host it is about; absent when it holds for every host that may run the VM. */
  readonly host?: string;
  readonly mode: HostMode;
  /** Why, in one sentence. */
  readonly why: string;
  /** Path into the intent that asks for it. */
  readonly path: string;
}

/** By address on a known host, else by id. */
export interface HostRequirementDevice {
  readonly id?: string;
  readonly address?: string;
  readonly companions?: 'include' | 'exclude';
}
