import { type GpuDevice, knownValue } from '@vmgpu/core';

/** Nova's word for what a PCI function is. A function with the SR-IOV capability is `type-PF` even with no VF enabled. */
export type DeviceType = 'type-PCI' | 'type-PF' | 'type-VF';

/**
 * NVIDIA device ids that production clouds see as type-PF and type-PCI. A hint for planning without a host: the host's
 * `sriov_totalvfs` decides. Source: StackHPC's Kayobe configuration (T4, A30, A40, A100, L40, L40S, H100 are type-PF, V100
 * and RTX A6000 type-PCI), and Nova's cases for A10 and A16.
 */
const physical =
  '1eb8 20b0 20b1 20b2 20b3 20b5 20b7 20bd 20f1 20f3 20f5 2235 2236 2237 25b6 26b5 26b9 27b8 2322 2330 2331 2335 2339 233a 233b 2342';
const plain = '1db1 1db4 1db5 1db6 1db7 1db8 1df6 2230';

/** From the host's facts; undefined when sysfs could not be read. */
export function deviceTypeOf(device: GpuDevice): DeviceType | undefined {
  if (device.role === 'virtual') return 'type-VF';
  const total = knownValue(device.sriovTotal);
  if (total === undefined) return undefined;
  return total !== null && total > 0 ? 'type-PF' : 'type-PCI';
}

/** From the table above; undefined for ids that are not in it. */
export function hintedDeviceType(id: string): DeviceType | undefined {
  const [vendor, device = ''] = id.split(':');
  if (vendor !== '10de') return undefined;
  if (physical.split(' ').includes(device)) return 'type-PF';
  return plain.split(' ').includes(device) ? 'type-PCI' : undefined;
}
