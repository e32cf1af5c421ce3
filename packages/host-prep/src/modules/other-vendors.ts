import { isUnknown } from '@vmgpu/core';
import { deviceCheck, fault, pass, seen, skip, some, unclear, vgpu } from './check.ts';
import { driverSource, driverText, isVfioDriver, virtualFunctionsOf } from './drivers-in-use.ts';

const amd = deviceCheck('A01', 'AMD virtual functions', 'blocker', vgpu, (facts, _subject, gpu) => {
  if (gpu.vendor !== 'amd') return skip('This is about AMD GPUs.');
  if (isUnknown(gpu.driver)) return unclear(driverSource(gpu.address), gpu.driver);
  const evidence = seen(driverSource(gpu.address), driverText(gpu));
  if (gpu.driver !== 'gim') {
    return fault(
      `AMD shares a GPU through the host driver gim; ${gpu.driver === null ? 'none holds it' : `${gpu.driver} holds it`}.`,
      [evidence],
      'Keep amdgpu from the GPU (modprobe.blacklist=amdgpu) and install gim from AMD MxGPU-Virtualization, which supports Instinct and a few Pro boards and no Radeon.',
    );
  }
  const functions = virtualFunctionsOf(facts, gpu);
  if (gpu.virtualFunctions.length === 0)
    return fault(
      'gim holds the GPU, but there are no virtual functions.',
      [evidence],
      'Set the number of virtual functions for gim and load it again.',
    );
  const held = functions.filter(({ driver }) => typeof driver === 'string' && !isVfioDriver(driver));
  return held.length === 0
    ? pass(`gim shares the GPU as ${gpu.virtualFunctions.length} virtual functions.`, evidence)
    : fault(
        `Virtual functions are held by a driver of the host: ${some(held.map((item) => `${item.address} (${driverText(item)})`))}.`,
        held.slice(0, 3).map((item) => seen(driverSource(item.address), driverText(item))),
        'Bind the virtual functions to vfio-pci.',
        true,
      );
});

const intel = deviceCheck('I01', 'Intel GPU sharing', 'warning', vgpu, (_facts, _subject, gpu) => {
  if (gpu.vendor !== 'intel') return skip('This is about Intel GPUs.');
  const source = `/sys/bus/pci/devices/${gpu.address}/sriov_totalvfs`;
  if (gpu.virtualFunctions.length > 0)
    return pass(
      `${gpu.virtualFunctions.length} virtual functions exist.`,
      seen(source, `${gpu.virtualFunctions.length} in use`),
    );
  if (gpu.vgpuFramework === 'mdev')
    return pass(
      'GVT-g offers mediated devices.',
      seen(`/sys/bus/pci/devices/${gpu.address}`, 'mdev_supported_types'),
    );
  if (isUnknown(gpu.sriovTotal)) return unclear(source, gpu.sriovTotal);
  const canMake = gpu.sriovTotal !== null && gpu.sriovTotal > 0;
  // Without a driver the kernel refuses sriov_numvfs with EIO ("no driver bound to device; cannot configure SR-IOV").
  if (canMake && gpu.driver === null)
    return fault(
      'The GPU can make virtual functions, but no driver of the host holds it, which would make them.',
      [seen(source, String(gpu.sriovTotal)), seen(driverSource(gpu.address), driverText(gpu))],
      'Load i915 or xe, and look for a blacklist that keeps it away.',
    );
  return canMake
    ? fault(
        'The GPU can make virtual functions, and none exist.',
        [seen(source, String(gpu.sriovTotal))],
        'Set their number with i915.max_vfs= (with i915.enable_guc=3) or xe.max_vfs=, or write it to sriov_numvfs.',
      )
    : fault(
        'The GPU or its driver offers neither SR-IOV nor GVT-g.',
        [seen(source, 'absent or 0')],
        'SR-IOV needs a 12th generation or later integrated GPU, Flex or Pro B-series, and a driver that has it; GVT-g needs Broadwell to Comet Lake, kvmgt and i915.enable_gvt=1.',
      );
});

/** GPUs that are shared without NVIDIA's vGPU. */
export const otherVendorChecks = [amd, intel];
