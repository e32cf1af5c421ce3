import type { Step } from '@vmgpu/core';
import { note, type PlanContext } from './context.ts';
import type { FlavorState } from './flavor.ts';

interface Counted {
  /** Names in `GET /limits` (`absolute`). Source: Nova 26, Compute API reference, "Limits". */
  readonly most: string;
  readonly used: string;
  readonly path: string;
  readonly unit: string;
  /** What one server of the flavor takes. */
  readonly takes: (flavor: FlavorState['flavor']) => number;
}

const counted: readonly Counted[] = [
  {
    most: 'maxTotalInstances',
    used: 'totalInstancesUsed',
    path: 'metadata.name',
    unit: 'servers',
    takes: () => 1,
  },
  {
    most: 'maxTotalCores',
    used: 'totalCoresUsed',
    path: 'spec.cpu',
    unit: 'CPUs',
    takes: ({ vcpus }) => vcpus,
  },
  {
    most: 'maxTotalRAMSize',
    used: 'totalRAMUsed',
    path: 'spec.memory',
    unit: 'MiB of memory',
    takes: ({ ram }) => ram,
  },
];

/** A server that the project's quota has no room for: Nova would refuse it. -1 is no limit; GPUs are not counted there. */
export function noteQuota(context: PlanContext, steps: readonly Step[]): void {
  const { limits } = context.snapshot;
  const server = steps.find(({ kind }) => kind === 'openstack.server');
  const made = steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState | undefined;
  if (limits === undefined || made === undefined || server === undefined || server.before) return;
  for (const { most, used, path, unit, takes } of counted) {
    const { [most]: max = -1, [used]: taken = 0 } = limits;
    const wanted = takes(made.flavor);
    if (max < 0 || taken + wanted <= max) continue;
    note(
      context,
      'blocked',
      'quota',
      path,
      `the project may have ${max} ${unit} and has ${taken}; this server takes ${wanted} more`,
      'Free something of the project, or have its quota raised (openstack quota set).',
    );
  }
}
