/** The platforms vmgpu ships an adapter for. Third-party adapters bring names of their own. */
export type PlatformName = 'kubevirt' | 'openstack' | 'proxmox';
export const platformNames: readonly PlatformName[] = ['kubevirt', 'openstack', 'proxmox'];

/**
 * What a whole host, or one of its GPUs, is prepared for; the NVIDIA GPU Operator's words for the node label
 * `nvidia.com/gpu.workload.config`.
 */
export type HostMode = 'container' | 'vm-passthrough' | 'vm-vgpu';
export const hostModes: readonly HostMode[] = ['container', 'vm-passthrough', 'vm-vgpu'];

/** Who may do a step: the platform's administrator, the VM's owner, or host preparation. */
export type Scope = 'platform' | 'vm' | 'host';

/** Version of every document vmgpu reads or writes. */
export const apiVersion = 'vmgpu/v1';
