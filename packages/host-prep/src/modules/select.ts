import {
  baseId,
  type Catalog,
  type GpuDevice,
  type HostMode,
  isUnknown,
  type PciAddress,
  VmgpuError,
} from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';

/** Which GPUs are judged, and why others are not. */
export interface Selection {
  readonly devices: readonly GpuDevice[];
  readonly leftOut: readonly { readonly gpu: GpuDevice; readonly why: string }[];
}

/**
 * The GPUs of these addresses; without addresses all physical GPUs that make sense for the mode. A virtual function asked
 * for in mode `vm-vgpu` stands for its GPU. Throws `not-found` for an address that is no GPU of the host.
 */
export function selectGpus(
  facts: HostFacts,
  mode: HostMode,
  addresses?: readonly PciAddress[],
  catalog?: Catalog,
): Selection {
  if (addresses === undefined || addresses.length === 0) {
    const physical = facts.gpus.filter(({ role }) => role === 'physical');
    const judged = physical.map((gpu) => ({ gpu, why: whyNot(gpu, physical, mode, catalog) }));
    return {
      devices: judged.filter(({ why }) => why === undefined).map(({ gpu }) => gpu),
      leftOut: judged.flatMap(({ gpu, why }) => (why === undefined ? [] : [{ gpu, why }])),
    };
  }
  const found = addresses.map((address) => {
    const gpu = findGpu(facts, address);
    return mode === 'vm-vgpu' && gpu.physicalFunction !== undefined
      ? findGpu(facts, gpu.physicalFunction)
      : gpu;
  });
  return { devices: [...new Set(found)], leftOut: [] };
}

/** The GPU at an address. Throws `not-found`, saying what is there instead. */
export function findGpu(facts: HostFacts, address: PciAddress): GpuDevice {
  const gpu = facts.gpus.find((candidate) => candidate.address === address);
  if (gpu) return gpu;
  const owner = facts.gpus.find(({ companions }) => companions.some((item) => item.address === address));
  const known = facts.gpus.filter(({ role }) => role === 'physical').map((item) => item.address);
  throw new VmgpuError('not-found', `${facts.host} has no GPU at ${address}`, {
    found: address,
    expected: known.length === 0 ? 'a host with a GPU' : `one of ${known.join(', ')}`,
    ...(owner === undefined
      ? {}
      : { hint: `It is another function of the GPU ${owner.address}; ask for that one.` }),
    details: { host: facts.host },
  });
}

/** Display chips of servers' management controllers and of virtual machines. */
const displayOnly: Readonly<Record<string, string>> = {
  '1a03': "the display chip of the server's management controller (ASPEED)",
  '102b': "the display chip of the server's management controller (Matrox)",
  '1234': 'an emulated display adapter',
  '1b36': 'an emulated display adapter',
  '1af4': 'an emulated display adapter',
  '1013': 'an emulated display adapter',
  '15ad': 'an emulated display adapter',
};

function whyNot(
  gpu: GpuDevice,
  all: readonly GpuDevice[],
  mode: HostMode,
  catalog: Catalog | undefined,
): string | undefined {
  if (gpu.vendor === 'other') {
    return (
      displayOnly[gpu.id.slice(0, 4)] ??
      'not a GPU of NVIDIA, AMD or Intel; name it with its address to judge it'
    );
  }
  if (
    gpu.vendor === 'intel' &&
    gpu.address === '0000:00:02.0' &&
    all.some(({ vendor }) => vendor === 'nvidia' || vendor === 'amd')
  )
    return "the processor's integrated GPU; the host has others";
  if (mode !== 'vm-vgpu') return undefined;
  const offers = gpu.vgpuTypes.length > 0 || gpu.virtualFunctions.length > 0;
  if (gpu.vendor === 'nvidia' && !offers && catalog !== undefined) {
    const known = catalog.boardsById(gpu.id);
    if (known.length > 0 && catalog.profilesById(baseId(gpu.id)).length === 0)
      return `${known[0]?.name} makes no vGPUs`;
  }
  if (gpu.vendor === 'intel' && !offers && !isUnknown(gpu.sriovTotal) && gpu.sriovTotal === null)
    return 'it cannot be shared';
  return undefined;
}
