import type { PciAddress, PciId } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../src/facts/host-facts.ts';
import { assessHost } from '../src/modules/index.ts';
import { type HostGoal, planHost, planHostRemoval } from '../src/plan/index.ts';
import {
  containerHost,
  gpu,
  gpuAddress,
  hostFacts,
  managementDisplay,
  vgpuHost,
  virtualFunction,
} from './facts-builder.ts';

const vgpu: HostGoal = { mode: 'vm-vgpu' };
const physical = { driver: 'nvidia', vgpuFramework: 'vendor-vfio' } as const;
const amd = gpu({
  id: '1002:74a1' as PciId,
  vendor: 'amd',
  driver: 'gim',
  companions: [],
  virtualFunctions: [virtualFunction.address],
});

function written(facts: HostFacts, goal: HostGoal, path: string): string | undefined {
  const step = planHost(facts, goal).steps.find((item) => item.kind === 'write-file' && item.path === path);
  return step?.kind === 'write-file' ? step.after : undefined;
}

describe('what a vGPU host lacks and can get by itself', () => {
  const broken: [id: string, step: string, facts: HostFacts][] = [
    [
      'V02',
      'service/nvidia-vgpu-mgr',
      vgpuHost({
        services: { 'nvidia-vgpu-mgr': { loadState: 'loaded', activeState: 'inactive', result: 'success' } },
      }),
    ],
    ['V04', 'service/vmgpu-vgpu.service', vgpuHost({ gpus: [gpu(physical)] })],
    [
      'V11',
      'service/vmgpu-vgpu.service',
      vgpuHost({ pciDetails: { [virtualFunction.address]: { currentVgpuType: 531 } } }),
    ],
    [
      'A01',
      'service/vmgpu-functions.service',
      hostFacts({ gpus: [managementDisplay, amd, { ...virtualFunction, vendor: 'amd', driver: 'amdgpu' }] }),
    ],
  ];
  it.each(broken)('%s by %s', (id, step, facts) => {
    const seen = assessHost(facts, vgpu).findings.filter(
      ({ automatic, status }) => automatic && status !== 'pass',
    );
    expect(seen.map((finding) => finding.id)).toContain(id);
    expect(planHost(facts, vgpu).steps.find((item) => item.id === step)?.turnsGreen).toContain(id);
  });
});

describe('vGPUs that are asked for', () => {
  const wish: HostGoal = {
    ...vgpu,
    mixedSizes: true,
    vgpus: [{ device: gpuAddress, profile: 'NVIDIA RTXA6000-12Q', count: 2 }],
  };

  it('stand in a list by name, each with a UUID that stays', () => {
    const list = written(vgpuHost(), wish, '/etc/vmgpu/vgpus') ?? '';
    expect(list.split('\n').filter((line) => line.startsWith('gpu'))).toEqual([
      `gpu ${gpuAddress} sriov - mixed`,
    ]);
    expect(list.match(/^vgpu 0000:65:00\.0 RTXA6000-12Q [0-9a-f-]{36}$/gm)).toHaveLength(2);
    expect(new Set(list.match(/[0-9a-f-]{36}$/gm)).size).toBe(2);
    expect(written(vgpuHost(), wish, '/etc/vmgpu/vgpus')).toBe(list);
  });

  it('are made once: with list, script and unit in place and enough made, nothing is left to do', () => {
    const first = planHost(vgpuHost({ files: {} }), wish);
    const files = Object.fromEntries(
      first.steps.flatMap((step) => (step.kind === 'write-file' ? [[step.path, step.after]] : [])),
    );
    const uuids = [...(files['/etc/vmgpu/vgpus'] ?? '').matchAll(/[0-9a-f-]{36}$/gm)].map(([uuid]) => uuid);
    const mdevs = uuids.map((uuid) => ({ uuid, parent: gpuAddress, typeId: 'nvidia-531' }));
    const services = {
      ...vgpuHost().services,
      'vmgpu-vgpu': { loadState: 'loaded', activeState: 'active', result: 'success' },
    };
    const settled = vgpuHost({ files, mdevs, services });
    expect(planHost(settled, wish).steps).toEqual([]);
    expect(planHostRemoval(settled).steps.map(({ id }) => id)).toEqual([
      'remove-vmgpu-vgpu.service',
      'service/vmgpu-vgpu.service',
      'remove/etc/systemd/system/vmgpu-vgpu.service',
      'remove/etc/vmgpu/apply-vgpus',
      'remove/etc/vmgpu/vgpus',
    ]);
  });

  it.each([
    [{ ...vgpu, vgpus: [{ device: '0000:01:00.0' as PciAddress, profile: 'A10-24Q' }] }, 'vgpus[0].device'],
    [{ ...vgpu, vgpus: [{ device: gpuAddress, profile: '$(reboot)' }] }, 'vgpus[0].profile'],
    [{ ...vgpu, vgpus: [{ device: gpuAddress, profile: 'A10-24Q', count: 0 }] }, 'vgpus[0].count'],
    [{ ...vgpu, mig: { [gpuAddress]: ['14; reboot'] } }, `mig[${gpuAddress}]`],
    [{ ...vgpu, virtualFunctions: { [gpuAddress]: 99 } }, `virtualFunctions[${gpuAddress}]`],
    [{ ...vgpu, driver: { runFile: 'manager.run' } }, 'driver.runFile'],
    [{ ...vgpu, memlock: ['a/../b'] }, 'memlock'],
  ] as [HostGoal, string][])('%j is refused with its place', (goal, path) => {
    const facts = vgpuHost({
      nvidia: { ...vgpuHost().nvidia, flavour: 'driver' in goal ? null : 'vgpu-host' },
    });
    expect(() => planHost(facts, goal)).toThrow(path);
  });
});

describe('a host for containers', () => {
  it('that is ready needs nothing', () => {
    expect(planHost(containerHost(), { mode: 'container' }).steps).toEqual([]);
    expect(
      planHost(containerHost({ files: {} }), { mode: 'container', runtimes: ['containerd'] }).steps,
    ).toEqual([]);
  });

  it('gets driver, toolkit and runtime', () => {
    const bare = containerHost({
      files: {},
      nvidia: { flavour: null, driverVersion: null },
      containers: { toolkitVersion: null, cdiFiles: [], configuredRuntimes: [] },
    });
    const plan = planHost(bare, {
      mode: 'container',
      driver: { packages: ['nvidia-driver'] },
      runtimes: ['docker'],
    });
    expect(plan.steps.map(({ id }) => id)).toEqual([
      'package/nvidia-driver',
      'package/nvidia-container-toolkit',
      'nvidia-ctk/docker',
      'service/docker',
      'cdi',
      'verify',
    ]);
  });
});
