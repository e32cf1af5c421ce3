import { blacklistChecks } from './blacklist.ts';
import type { Check } from './check.ts';
import { consoleChecks } from './console.ts';
import { containerToolkitChecks } from './container-toolkit.ts';
import { cpuChecks } from './cpu.ts';
import { driverChecks } from './drivers.ts';
import { systemChecks } from './host-system.ts';
import { initramfsChecks } from './initramfs.ts';
import { iommuChecks } from './iommu.ts';
import { iommuGroupChecks } from './iommu-group.ts';
import { kubernetesChecks } from './kubernetes.ts';
import { memoryChecks } from './memory.ts';
import { nvidiaChecks } from './nvidia.ts';
import { otherVendorChecks } from './other-vendors.ts';
import { pciHealthChecks } from './pci-health.ts';
import { vfioChecks } from './vfio.ts';
import { vgpuManagerChecks } from './vgpu-manager.ts';
import { vgpuTypeChecks } from './vgpu-types.ts';

const families = ['H', 'V', 'K', 'A', 'I'];

/** All checks, in the order of their ids: H host, V vGPU, K Kubernetes, A AMD, I Intel. */
export const allChecks: readonly Check[] = [
  ...systemChecks,
  ...cpuChecks,
  ...iommuChecks,
  ...iommuGroupChecks,
  ...vfioChecks,
  ...driverChecks,
  ...blacklistChecks,
  ...initramfsChecks,
  ...consoleChecks,
  ...pciHealthChecks,
  ...memoryChecks,
  ...nvidiaChecks,
  ...containerToolkitChecks,
  ...vgpuManagerChecks,
  ...vgpuTypeChecks,
  ...kubernetesChecks,
  ...otherVendorChecks,
].sort((a, b) => families.indexOf(a.id[0] ?? '') - families.indexOf(b.id[0] ?? '') || (a.id < b.id ? -1 : 1));
