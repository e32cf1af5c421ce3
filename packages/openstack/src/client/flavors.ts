/** Nova's flavors. Source: Nova 26, Compute API reference, "Flavors" and "Flavors extra-specs". */
import type { CallOptions } from '@vmgpu/core';
import type { FlavorState } from '../translate/flavor.ts';
import type { NovaFlavor } from '../translate/snapshot.ts';
import { listAll } from './pages.ts';
import { ask, askOrNull, at, type OsPort } from './port.ts';

/** From 2.61 the extra specs stand in the flavor, for those who may see them. */
const withSpecs = ['2.61'];

/** `GET /flavors/detail`, all pages; `is_public=None` shows an administrator the private ones, too. */
export function listFlavors(os: OsPort, options: CallOptions): Promise<readonly NovaFlavor[]> {
  const query = { is_public: 'None', limit: 1000 };
  return listAll(
    os,
    'compute',
    { method: 'GET', path: '/flavors/detail', query, versions: withSpecs, ...options },
    'flavors',
  );
}

/** `GET /flavors/{id}`; null when there is none that the caller may see. */
export async function getFlavor(os: OsPort, id: string, options: CallOptions): Promise<NovaFlavor | null> {
  const path = at`/flavors/${id}`;
  const answer = await askOrNull<{ flavor: NovaFlavor }>(os, 'compute', {
    method: 'GET',
    path,
    versions: withSpecs,
    ...options,
  });
  return answer?.flavor ?? null;
}

/**
 * The flavor with its extra specs. Where Nova leaves them out, they are asked for, so that the refusal names the rule: a
 * flavor whose extra specs one may not see is not one that has none.
 */
export async function getWholeFlavor(
  os: OsPort,
  id: string,
  options: CallOptions,
): Promise<NovaFlavor | null> {
  const flavor = await getFlavor(os, id, options);
  if (!flavor || flavor.extra_specs) return flavor;
  const path = at`/flavors/${id}/os-extra_specs`;
  const request = { method: 'GET', path, versions: ['2.1'], ...options } as const;
  return { ...flavor, ...(await ask<Pick<NovaFlavor, 'extra_specs'>>(os, 'compute', request)) };
}

/** `POST /flavors`. Administrator. Descriptions came with 2.55. */
export async function createFlavor(
  os: OsPort,
  flavor: FlavorState['flavor'],
  options: CallOptions,
): Promise<void> {
  const versions = [flavor.description === undefined ? '2.1' : '2.55'];
  await os.request('compute', { method: 'POST', path: '/flavors', json: { flavor }, versions, ...options });
}

/** `DELETE /flavors/{id}`; gone is done. Administrator. */
export async function deleteFlavor(os: OsPort, id: string, options: CallOptions): Promise<void> {
  await os.request('compute', {
    method: 'DELETE',
    path: at`/flavors/${id}`,
    versions: ['2.1'],
    accept: [404],
    ...options,
  });
}

/**
 * `POST /flavors/{id}/os-extra_specs`: adds and replaces. Administrator. From 2.86 Nova checks them; `unchecked` writes
 * at 2.85, for keys that its checker never learned.
 */
export async function setExtraSpecs(
  os: OsPort,
  id: string,
  extraSpecs: Readonly<Record<string, string>>,
  { unchecked = false, ...options }: CallOptions & { readonly unchecked?: boolean },
): Promise<void> {
  const versions = unchecked ? ['2.85', '2.1'] : ['2.86', '2.1'];
  const path = at`/flavors/${id}/os-extra_specs`;
  await os.request('compute', {
    method: 'POST',
    path,
    json: { extra_specs: extraSpecs },
    versions,
    ...options,
  });
}

/** `DELETE /flavors/{id}/os-extra_specs/{key}`; gone is done. Administrator. */
export async function deleteExtraSpec(
  os: OsPort,
  id: string,
  key: string,
  options: CallOptions,
): Promise<void> {
  const path = at`/flavors/${id}/os-extra_specs/${key}`;
  await os.request('compute', { method: 'DELETE', path, versions: ['2.1'], accept: [404], ...options });
}
