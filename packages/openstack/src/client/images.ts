/** Glance's images. Source: Glance 25, Image service API v2, "Images", "Update image". */
import type { CallOptions } from '@vmgpu/core';
import type { GlanceImage } from '../translate/snapshot.ts';
import { listAll } from './pages.ts';
import { askOrNull, at, type OsPort } from './port.ts';

/** `GET /v2/images`, all pages: what the caller may boot from. `name` matches exactly. */
export function listImages(
  os: OsPort,
  query: { readonly name?: string },
  options: CallOptions,
): Promise<readonly GlanceImage[]> {
  return listAll(
    os,
    'image',
    { method: 'GET', path: '/v2/images', query: { ...query, limit: 500 }, ...options },
    'images',
  );
}

/** `GET /v2/images/{id}`; null when there is none that the caller may see. */
export function getImage(os: OsPort, id: string, options: CallOptions): Promise<GlanceImage | null> {
  return askOrNull(os, 'image', { method: 'GET', path: at`/v2/images/${id}`, ...options });
}

/** A property and what it shall be; null takes it away. */
export type PropertyChanges = Readonly<Record<string, string | null>>;

/** `PATCH /v2/images/{id}`: the owner's or an administrator's; protected properties may need more. `add` also replaces. */
export async function patchImage(
  os: OsPort,
  id: string,
  changes: PropertyChanges,
  options: CallOptions,
): Promise<void> {
  const json = Object.entries(changes).map(([key, value]) => {
    const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return value === null ? { op: 'remove', path } : { op: 'add', path, value };
  });
  const headers = { 'content-type': 'application/openstack-images-v2.1-json-patch' };
  await os.request('image', { method: 'PATCH', path: at`/v2/images/${id}`, json, headers, ...options });
}
