/**
 * The least rights of each scope. Source: pve-access-control 9.1.1, `PVE::AccessControl`; what each call needs stands with the
 * call, and in docs/providers/proxmox-endpoints.md.
 */

/** Privileges on one path of the access list, propagated to what is below. */
export interface ProxmoxGrant {
  readonly path: string;
  readonly privileges: readonly string[];
  readonly why: string;
}

/** For steps of scope `platform`: reading the nodes' hardware, making and changing PCI mappings. */
export const platformRole: readonly ProxmoxGrant[] = [
  { path: '/', privileges: ['Sys.Audit'], why: 'the nodes’ PCI devices, status and report' },
  { path: '/mapping/pci', privileges: ['Mapping.Modify'], why: 'making, changing and deleting mappings' },
];

/**
 * For steps of scope `vm`: making, changing, starting and destroying VMs. `/vms` may be a pool, `/storage` the storages in
 * use, `/sdn` the zones. It does not show the nodes' hardware, so GPUs are named by their mapping.
 */
export const vmRole: readonly ProxmoxGrant[] = [
  {
    path: '/vms',
    privileges: [
      'VM.Allocate',
      'VM.Audit',
      'VM.Config.CDROM',
      'VM.Config.CPU',
      'VM.Config.Cloudinit',
      'VM.Config.Disk',
      'VM.Config.HWType',
      'VM.Config.Memory',
      'VM.Config.Network',
      'VM.Config.Options',
      'VM.PowerMgmt',
    ],
    why: 'the VM, its options, starting and stopping it',
  },
  {
    path: '/mapping/pci',
    privileges: ['Mapping.Use'],
    why: 'seeing mappings, and giving their devices to a VM',
  },
  { path: '/storage', privileges: ['Datastore.AllocateSpace'], why: 'the VM’s disks' },
  { path: '/sdn', privileges: ['SDN.Use'], why: 'the VM’s networks' },
];
