import {
  type GpuVm,
  type HostRequirement,
  type HostRequirementDevice,
  parseBytes,
  type VgpuRequest,
} from '@vmgpu/core';
import { entryNames } from './gpus.ts';
import type { ResolvedGpu } from './resolve.ts';

/** What hosts that shall run the VM must offer. */
export function hostRequirements(
  intent: GpuVm,
  resolved: readonly ResolvedGpu[],
): readonly HostRequirement[] {
  const requirements: HostRequirement[] = [];
  for (const { request, path, ids, virtualFunction } of resolved) {
    const mode = request.mode === 'vgpu' ? 'vm-vgpu' : 'vm-passthrough';
    if (!requirements.some((known) => known.kind === 'iommu' && known.mode === mode)) {
      const why = 'the GPU reaches the guest through VFIO, which needs an IOMMU';
      requirements.push({ kind: 'iommu', mode, why, path });
    }
    const [id] = ids;
    if (request.mode === 'passthrough') {
      for (const device of devices(ids, request.device.address, request.companions)) {
        const why = 'KubeVirt hands a GPU to a guest only while vfio-pci holds it';
        requirements.push({ kind: 'driver', mode, driver: 'vfio-pci', device, why, path });
      }
      continue;
    }
    const device = id === undefined ? {} : { device: { id } };
    if (virtualFunction && id !== undefined) {
      const why = 'the vGPU is a virtual function of the card';
      requirements.push({ kind: 'virtual-functions', mode, device: { id }, why, path });
    }
    requirements.push({
      kind: 'vgpu-profile',
      mode,
      profile: (request as VgpuRequest).profile,
      count: entryNames(request).length,
      ...device,
      why: 'the vGPU manager of the host must offer this type',
      path,
    });
  }
  const { memory, hugepages } = intent.spec;
  if (memory !== undefined && hugepages !== undefined) {
    requirements.push({
      kind: 'hugepages',
      mode: resolved.some(({ request }) => request.mode === 'vgpu') ? 'vm-vgpu' : 'vm-passthrough',
      pageSize: parseBytes(hugepages),
      total: parseBytes(memory),
      why: 'the memory of the guest is backed by huge pages of the node',
      path: 'spec.hugepages',
    });
  }
  return requirements;
}

function devices(
  ids: readonly string[],
  address: string | undefined,
  companions: 'include' | 'exclude' | undefined,
): readonly HostRequirementDevice[] {
  const extra = companions === undefined ? {} : { companions };
  if (address !== undefined) return [{ address, ...extra }];
  return ids.map((id) => ({ id, ...extra }));
}
