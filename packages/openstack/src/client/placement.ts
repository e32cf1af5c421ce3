/**
 * Placement. Everything here is for administrators and services by default, so that a tenant's 403 is no failure. Source:
 * Placement 8, API reference and REST API version history.
 */
import type { CallOptions } from '@vmgpu/core';
import { ask, askOrNull, at, type OsPort } from './port.ts';

export interface ResourceProvider {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
  readonly parent_provider_uuid: string | null;
  readonly root_provider_uuid: string;
}

export interface Inventory {
  readonly total: number;
  readonly reserved: number;
  readonly allocation_ratio: number;
  readonly max_unit: number;
}

/** 1.14 has trees, 1.36 is what Nova's own queries need; every release since Train speaks it. */
const trees = ['1.36', '1.14'];

/** `GET /resource_providers`; there are no pages. */
export async function listProviders(
  os: OsPort,
  query: Readonly<Record<string, string>>,
  options: CallOptions,
): Promise<readonly ResourceProvider[]> {
  const request = { method: 'GET', path: '/resource_providers', query, versions: trees, ...options } as const;
  return (await ask<{ resource_providers: readonly ResourceProvider[] }>(os, 'placement', request))
    .resource_providers;
}

/** `GET /resource_providers/{uuid}`. */
export function getProvider(
  os: OsPort,
  uuid: string,
  options: CallOptions,
): Promise<ResourceProvider | null> {
  return askOrNull(os, 'placement', {
    method: 'GET',
    path: at`/resource_providers/${uuid}`,
    versions: trees,
    ...options,
  });
}

/** What lies below a provider: `GET /resource_providers/{uuid}/{part}`, whose answer has it under the same name. */
async function partOf<T>(os: OsPort, uuid: string, part: string, options: CallOptions): Promise<T> {
  const path = `${at`/resource_providers/${uuid}`}/${part}`;
  const request = { method: 'GET', path, versions: trees, ...options } as const;
  return (await ask<Readonly<Record<string, T>>>(os, 'placement', request))[part] as T;
}

/** `GET /resource_providers/{uuid}/inventories`. */
export function getInventories(
  os: OsPort,
  uuid: string,
  options: CallOptions,
): Promise<Readonly<Record<string, Inventory>>> {
  return partOf(os, uuid, 'inventories', options);
}

/** `GET /resource_providers/{uuid}/usages`. */
export function getUsages(
  os: OsPort,
  uuid: string,
  options: CallOptions,
): Promise<Readonly<Record<string, number>>> {
  return partOf(os, uuid, 'usages', options);
}

/** `GET /resource_providers/{uuid}/traits`. */
export function getProviderTraits(
  os: OsPort,
  uuid: string,
  options: CallOptions,
): Promise<readonly string[]> {
  return partOf(os, uuid, 'traits', options);
}

/** `GET /traits?name=startswith:CUSTOM_` (1.6). */
export async function listCustomTraits(os: OsPort, options: CallOptions): Promise<readonly string[]> {
  const query = { name: 'startswith:CUSTOM_' };
  const request = { method: 'GET', path: '/traits', query, versions: ['1.6'], ...options } as const;
  return (await ask<{ traits: readonly string[] }>(os, 'placement', request)).traits;
}

/** `GET /resource_classes` (1.2): standard and custom ones. */
export async function listResourceClasses(os: OsPort, options: CallOptions): Promise<readonly string[]> {
  const request = { method: 'GET', path: '/resource_classes', versions: ['1.7'], ...options } as const;
  const { resource_classes } = await ask<{ resource_classes: readonly { name: string }[] }>(
    os,
    'placement',
    request,
  );
  return resource_classes.map(({ name }) => name);
}

export type PlacementName = 'resource_classes' | 'traits';

/** Idempotent writes came with 1.7 for classes, 1.6 for traits. */
const nameVersions: Readonly<Record<PlacementName, readonly string[]>> = {
  resource_classes: ['1.7'],
  traits: ['1.6'],
};

/** `GET /resource_classes/{name}`, `GET /traits/{name}`: whether Placement knows the name. */
export async function hasName(
  os: OsPort,
  kind: PlacementName,
  name: string,
  options: CallOptions,
): Promise<boolean> {
  const path = `/${kind}/${encodeURIComponent(name)}`;
  const { status } = await os.request('placement', {
    method: 'GET',
    path,
    versions: nameVersions[kind],
    accept: [404],
    ...options,
  });
  return status !== 404;
}

/** `PUT /resource_classes/{name}`, `PUT /traits/{name}`: 201 made, 204 was there. True when it was made. */
export async function putName(
  os: OsPort,
  kind: PlacementName,
  name: string,
  options: CallOptions,
): Promise<boolean> {
  const path = `/${kind}/${encodeURIComponent(name)}`;
  const { status } = await os.request('placement', {
    method: 'PUT',
    path,
    versions: nameVersions[kind],
    ...options,
  });
  return status === 201;
}

/** `DELETE /resource_classes/{name}`, `DELETE /traits/{name}`: gone is done; 409 when a provider still has it. */
export async function deleteName(
  os: OsPort,
  kind: PlacementName,
  name: string,
  options: CallOptions,
): Promise<void> {
  const path = `/${kind}/${encodeURIComponent(name)}`;
  await os.request('placement', {
    method: 'DELETE',
    path,
    versions: nameVersions[kind],
    accept: [404],
    ...options,
  });
}

export type Allocations = Readonly<Record<string, { readonly resources: Readonly<Record<string, number>> }>>;

/** `GET /allocations/{consumer}`: what a server holds, by provider. */
export async function getAllocations(
  os: OsPort,
  consumer: string,
  options: CallOptions,
): Promise<Allocations> {
  const request = {
    method: 'GET',
    path: at`/allocations/${consumer}`,
    versions: ['1.28', '1.12'],
    ...options,
  } as const;
  return (await ask<{ allocations: Allocations }>(os, 'placement', request)).allocations;
}

/**
 * `GET /allocation_candidates`, at most one: whether some host could take it now. `limit` bounds the answer, not Placement's
 * work, before release 13; ask for few groups.
 */
export async function hasCandidate(
  os: OsPort,
  query: Readonly<Record<string, string>>,
  options: CallOptions,
): Promise<boolean> {
  const request = {
    method: 'GET',
    path: '/allocation_candidates',
    query: { ...query, limit: 1 },
    versions: ['1.36', '1.29'],
    ...options,
  } as const;
  return (
    (await ask<{ allocation_requests: readonly unknown[] }>(os, 'placement', request)).allocation_requests
      .length > 0
  );
}
