/** Keystone's unified limits. Source: Keystone 22, Identity API v3, "Unified Limits". */
import type { CallOptions } from '@vmgpu/core';
import { listAll } from './pages.ts';
import { at, type OsPort } from './port.ts';

export interface RegisteredLimit {
  readonly id: string;
  readonly service_id: string;
  readonly region_id?: string | null;
  readonly resource_name: string;
  readonly default_limit: number;
}

const path = '/v3/registered_limits';

/** `GET /v3/services?type=compute`. Administrator. */
export function listComputeServices(
  os: OsPort,
  options: CallOptions,
): Promise<readonly { readonly id: string; readonly name?: string }[]> {
  return listAll(
    os,
    'identity',
    { method: 'GET', path: '/v3/services', query: { type: 'compute' }, ...options },
    'services',
  );
}

/** `GET /v3/registered_limits`. */
export function listRegisteredLimits(
  os: OsPort,
  resource: string,
  options: CallOptions,
): Promise<readonly RegisteredLimit[]> {
  const query = { resource_name: resource };
  return listAll(os, 'identity', { method: 'GET', path, query, ...options }, 'registered_limits');
}

/** `POST /v3/registered_limits`. System administrator. */
export async function createRegisteredLimit(
  os: OsPort,
  limit: Omit<RegisteredLimit, 'id'>,
  options: CallOptions,
): Promise<void> {
  await os.request('identity', { method: 'POST', path, json: { registered_limits: [limit] }, ...options });
}

/** `PATCH /v3/registered_limits/{id}`. System administrator. */
export async function updateRegisteredLimit(
  os: OsPort,
  id: string,
  value: number,
  options: CallOptions,
): Promise<void> {
  const json = { registered_limit: { default_limit: value } };
  await os.request('identity', { method: 'PATCH', path: at`/v3/registered_limits/${id}`, json, ...options });
}

/** `DELETE /v3/registered_limits/{id}`; gone is done. System administrator. 403 while a project has a limit of its own. */
export async function deleteRegisteredLimit(os: OsPort, id: string, options: CallOptions): Promise<void> {
  await os.request('identity', {
    method: 'DELETE',
    path: at`/v3/registered_limits/${id}`,
    accept: [404],
    ...options,
  });
}
