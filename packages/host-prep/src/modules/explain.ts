import { type GpuDevice, isUnknown, type PciAddress } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { some } from './check.ts';
import { isReleased } from './drivers-in-use.ts';
import { describe, groupMembers } from './iommu-group.ts';
import { findGpu } from './select.ts';

export interface Explanation {
  readonly topic: 'driver' | 'companions' | 'group' | 'reset' | 'console' | 'numa' | 'vgpu';
  /** One or two plain sentences. */
  readonly text: string;
}

/** What a person should know of one GPU before giving it away. Throws `not-found` when there is none at the address. */
export function explainGpu(facts: HostFacts, address: PciAddress): readonly Explanation[] {
  const gpu = findGpu(facts, address);
  return [
    { topic: 'driver', text: driver(gpu) },
    { topic: 'companions', text: companions(gpu) },
    { topic: 'group', text: group(gpu) },
    { topic: 'reset', text: reset(gpu) },
    ...(gpu.bootVga === true
      ? [
          {
            topic: 'console' as const,
            text: 'The host uses it as its console, which ends when it is given away.',
          },
        ]
      : []),
    ...(isUnknown(gpu.numaNode) || gpu.numaNode === null
      ? []
      : [{ topic: 'numa' as const, text: `It is near memory node ${gpu.numaNode}.` }]),
    { topic: 'vgpu', text: vgpu(facts, gpu) },
  ];
}

function driver(gpu: GpuDevice): string {
  if (isUnknown(gpu.driver)) return `Which driver holds it is not known (${gpu.driver.unknown}).`;
  if (gpu.driver === null) return 'No driver holds it; it is free for a virtual machine.';
  return isReleased(gpu.driver)
    ? `It is on ${gpu.driver}, ready for a virtual machine.`
    : `The host uses it through ${gpu.driver}.`;
}

function companions(gpu: GpuDevice): string {
  if (gpu.role === 'virtual') return `It is a virtual function of ${gpu.physicalFunction ?? 'another GPU'}.`;
  return gpu.companions.length === 0
    ? 'The card has no other functions.'
    : `The same card also has ${some(gpu.companions.map(describe))}; they belong into the same virtual machine.`;
}

function group(gpu: GpuDevice): string {
  if (isUnknown(gpu.iommuGroup)) return `Its IOMMU group is not known (${gpu.iommuGroup.unknown}).`;
  if (gpu.iommuGroup === null)
    return 'It is in no IOMMU group: no IOMMU is active, so it cannot be given away.';
  const name = `IOMMU group ${gpu.iommuGroup}`;
  const foreign = groupMembers(gpu).filter((member) => gpu.groupNeighbours.includes(member));
  if (foreign.length > 0) {
    return `It shares ${name} with ${some(foreign.map(describe))}. A group is given away as a whole: all of it goes to one virtual machine, or stays unused.`;
  }
  return `${name} holds nothing but this card, so it can be given away by itself.`;
}

function reset({ resetMethods }: GpuDevice): string {
  if (isUnknown(resetMethods)) return `Whether it can be reset is not known (${resetMethods.unknown}).`;
  return resetMethods === null || resetMethods.length === 0
    ? 'The kernel cannot reset it: it may start only once per boot of the host.'
    : `The kernel can reset it (${resetMethods.join(', ')}).`;
}

function vgpu(facts: HostFacts, gpu: GpuDevice): string {
  const way = gpu.vgpuFramework;
  if (isUnknown(way)) return `Whether its driver offers vGPUs is not known (${way.unknown}).`;
  const types = [gpu, ...facts.gpus.filter((other) => other.physicalFunction === gpu.address)].flatMap(
    (item) => item.vgpuTypes.map(({ name, typeId }) => name ?? typeId),
  );
  const offer = types.length === 0 ? '' : ` It offers ${some([...new Set(types)], 8)}.`;
  const functions = gpu.virtualFunctions.length;
  switch (way) {
    case 'mdev':
      return `Its driver makes vGPUs as mediated devices on the GPU itself.${offer}`;
    case 'mdev-on-vf':
      return `Its driver makes vGPUs as mediated devices, one on each of ${functions} virtual functions.${offer}`;
    case 'vendor-vfio':
      return `Its driver makes vGPUs through NVIDIA's own VFIO interface, one on each of ${functions} virtual functions; they are given away as PCI devices.${offer}`;
    case 'sriov-vf':
      return `It is shared as ${functions} plain virtual functions.`;
    case 'none':
      return gpu.role === 'physical' && typeof gpu.sriovTotal === 'number' && gpu.sriovTotal > 0
        ? `It offers no vGPUs now. It could have ${gpu.sriovTotal} virtual functions, which alone does not mean that its driver makes vGPUs on them.`
        : 'It offers no vGPUs now.';
  }
}
