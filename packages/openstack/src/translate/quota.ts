import type { Step } from '@vmgpu/core';
import { note, type PlanContext } from './context.ts';
import type { FlavorState } from './flavor.ts';

/** Names in `GET /limits` (`absolute`) of what a new server takes. Source: Nova 26, Compute API reference, "Limits". */
const counted = [
  { most: 'maxTotalInstances', used: 'totalInstancesUsed', path: 'metadata.name', unit: 'servers' },
  { most: 'maxTotalCores', used: 'totalCoresUsed', path: 'spec.cpu', unit: 'CPUs' },
  { most: 'maxTotalRAMSize', used: 'totalRAMUsed', path: 'spec.memory', unit: 'MiB of memory' },
] as const;

/** A server that the project's quota has no room for: Nova would refuse it. -1 is no limit; GPUs are not counted there. */
export function noteQuota(context: PlanContext, steps: readonly Step[]): void {
  const { limits } = context.snapshot;
  const server = steps.find(({ kind }) => kind === 'openstack.server');
  const made = steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState | undefined;
  if (limits === undefined || made === undefined || server === undefined || server.before) return;
  const asked = [1, made.flavor.vcpus, made.flavor.ram];
  for (const [index, { most, used, path, unit }] of counted.entries()) {
    const [max = -1, taken = 0, wanted = 0] = [limits[most], limits[used], asked[index]];
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
