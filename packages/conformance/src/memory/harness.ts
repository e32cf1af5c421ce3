import type { Provider } from '@vmgpu/core';
import { apiVersion, type GpuVm, Secret } from '@vmgpu/core';
import type { Fixture, Harness } from '../harness.ts';
import { idleClock } from '../idle-clock.ts';

import { createMemoryClient } from './client.ts';
import { createMemoryCloud } from './cloud.ts';
import { createMemoryProvider, type MemoryParts } from './provider.ts';
import type { MemorySnapshot, MemoryVm } from './translate.ts';

const token = 'canary-7f3a9c51d2';
const secondToken = new Secret(token);

function vm(spec: GpuVm['spec']): GpuVm {
  return { apiVersion, kind: 'GpuVm', metadata: { name: 'train-1' }, spec };
}
const gpu = (name: string, id: string) => ({ name, mode: 'passthrough' as const, device: { id } });

/**
 * The memory provider with its platform. `change` gets its parts and returns the provider to test: the one of the parts, or
 * one that is broken in some way.
 */
export function memoryHarness(
  change: (parts: MemoryParts) => Provider<MemorySnapshot, MemoryVm> = createMemoryProvider,
): Harness<MemorySnapshot, MemoryVm> {
  return {
    intent: vm({
      cpu: { cores: 8 },
      memory: '32GiB',
      gpus: [gpu('gpu0', '10de:2236'), gpu('gpu1', '10de:20b7')],
    }),
    changed: vm({ cpu: { cores: 16 }, memory: '32GiB', gpus: [gpu('gpu0', '10de:2236')] }),
    impossible: vm({ machine: 'q35', gpus: [gpu('gpu0', '10de:2236')] }),
    create: async () => createFixture(change),
  };
}

function createFixture(
  change: (parts: MemoryParts) => Provider<MemorySnapshot, MemoryVm>,
): Fixture<MemorySnapshot, MemoryVm> {
  const clock = idleClock();
  const cloud = createMemoryCloud(clock, token);
  const connect = () =>
    change({
      client: createMemoryClient(cloud, secondToken),
      clock,
      names: () => [...cloud.objects.keys()].sort(),
    });
  const key = 'vms/train-1';
  return {
    provider: connect(),
    clock,
    secrets: [token],
    requests: () => cloud.requests.length,
    writes: () => cloud.requests.filter(({ method }) => method !== 'GET').length,
    orders: () => [...cloud.orders],
    state: async () => JSON.parse(JSON.stringify(Object.fromEntries([...cloud.objects].sort()))),
    inject: (fault) => cloud.inject(fault),
    async restart() {
      cloud.heal();
      return connect();
    },
    async addForeign() {
      cloud.objects.set('pools/1002-74b5', { id: '1002:74b5', owner: 'somebody' });
      cloud.objects.set(key, { name: 'train-1', notes: 'of somebody', ...cloud.objects.get(key) });
    },
    async disturb() {
      cloud.objects.set(key, { ...cloud.objects.get(key), name: 'train-1', cores: 3 });
    },
  };
}
