/** What Nova tells of hosts and limits. Source: Nova 26, Compute API reference. */
import type { CallOptions } from '@vmgpu/core';
import type { NovaAggregate, NovaHypervisor } from '../translate/snapshot.ts';
import { listAll } from './pages.ts';
import { ask, type OsPort } from './port.ts';

/** `GET /os-hypervisors/detail`, all pages. Administrator. The id is that of the root provider in Placement from 2.53 on. */
export function listHypervisors(os: OsPort, options: CallOptions): Promise<readonly NovaHypervisor[]> {
  const request = { method: 'GET', path: '/os-hypervisors/detail', versions: ['2.53'], ...options } as const;
  return listAll(os, 'compute', request, 'hypervisors');
}

/** `GET /os-aggregates`. Administrator. */
export async function listAggregates(os: OsPort, options: CallOptions): Promise<readonly NovaAggregate[]> {
  const request = { method: 'GET', path: '/os-aggregates', versions: ['2.1'], ...options } as const;
  return (await ask<{ aggregates: readonly NovaAggregate[] }>(os, 'compute', request)).aggregates;
}

/** `GET /limits`: what the project may have and has; GPUs are not among it. -1 is no limit. */
export async function getLimits(os: OsPort, options: CallOptions): Promise<Readonly<Record<string, number>>> {
  const request = { method: 'GET', path: '/limits', versions: ['2.57'], ...options } as const;
  return (await ask<{ limits: { absolute: Record<string, number> } }>(os, 'compute', request)).limits
    .absolute;
}
