/** Neutron, as far as a server needs it. Source: Neutron 21, Networking API v2.0. */
import type { CallOptions } from '@vmgpu/core';
import { listAll } from './pages.ts';
import type { OsPort } from './port.ts';

export interface Network {
  readonly id: string;
  readonly name: string;
}

/** `GET /v2.0/networks`: those that the project may use. */
export function listNetworks(
  os: OsPort,
  query: { readonly name?: string },
  options: CallOptions,
): Promise<readonly Network[]> {
  const request = {
    method: 'GET',
    path: '/v2.0/networks',
    query: { ...query, fields: ['id', 'name'] },
    ...options,
  } as const;
  return listAll(os, 'network', request, 'networks');
}
