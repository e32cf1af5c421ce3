/** Resource classes of os-resource-classes that a GPU may have; every other name of ours is `CUSTOM_`. */
const standardClasses = [
  'VCPU',
  'MEMORY_MB',
  'DISK_GB',
  'PCI_DEVICE',
  'SRIOV_NET_VF',
  'NUMA_SOCKET',
  'NUMA_CORE',
  'NUMA_THREAD',
  'NUMA_MEMORY_MB',
  'IPV4_ADDRESS',
  'VGPU',
  'VGPU_DISPLAY_HEAD',
  'NET_BW_EGR_KILOBIT_PER_SEC',
  'NET_BW_IGR_KILOBIT_PER_SEC',
  'PCPU',
  'MEM_ENCRYPTION_CONTEXT',
  'FPGA',
  'PGPU',
  'NET_PACKET_RATE_KILOPACKET_PER_SEC',
  'NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC',
  'NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC',
];

/** Families of os-traits; a trait of one of them is left as it is. */
const standardTrait = /^(HW|COMPUTE|MISC|STORAGE|OWNER|HASH|SRIOV|SUPPORTS|VIRT)_[A-Z0-9_]+$/;

/**
 * What Nova makes of `resource_class` in device_spec and alias (Nova 27, nova/compute/pci_placement_translator.py):
 * upper case; a name that is neither standard nor `CUSTOM_` gets every run of other characters replaced by `_` and the
 * prefix. `CUSTOM_A-B` passes unchanged, and Placement then refuses it: see `isPlacementName`.
 */
export function normalClass(name: string): string {
  const upper = name.toUpperCase();
  return standardClasses.includes(upper) ? upper : customName(upper);
}

/** What Nova makes of `traits`: split at commas *without trimming*, so `a, b` becomes `CUSTOM_A` and `CUSTOM__B`. Sorted. */
export function normalTraits(list: string): readonly string[] {
  if (list === '') return [];
  const names = list
    .split(',')
    .map((name) => (standardTrait.test(name) ? name : customName(name.toUpperCase())));
  return [...new Set(names)].sort();
}

/** A custom class or trait that Placement accepts: at most 255 of `A-Z`, `0-9` and `_`. */
export function isPlacementName(name: string): boolean {
  return /^[A-Z0-9_]{1,255}$/.test(name);
}

/** `A10-24Q` as a resource class: `CUSTOM_VGPU_A10_24Q`. */
export function classOfProfile(profile: string): string {
  return customName(`VGPU_${profile.toUpperCase()}`);
}

/** A name without characters that `pci_passthrough:alias`, flavor names or ids would choke on. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

function customName(upper: string): string {
  return upper.startsWith('CUSTOM_') ? upper : `CUSTOM_${upper.replace(/[^A-Z0-9]+/g, '_')}`;
}

/** Stands for the id of a thing that was not known when it was planned: `${image:ubuntu-24.04}`. */
export function idOf(kind: 'image' | 'network' | 'server' | 'service', name: string): string {
  return `\${${kind}:${name}}`;
}
