/** Storages. Source: pve-storage, `PVE::API2::Storage::Config` and `::Content`. */
import type { CallOptions } from '@vmgpu/core';
import { at, type PvePort } from './port.ts';

export interface StorageItem {
  readonly storage: string;
  readonly content?: string;
  /** Names with commas between; absent for all nodes. */
  readonly nodes?: string;
  readonly disable?: number | boolean;
}

/** `GET /storage`; lists those on which the caller has Datastore.Audit or Datastore.AllocateSpace. */
export function listStorages(pve: PvePort, options: CallOptions = {}): Promise<readonly StorageItem[]> {
  return pve.get(at`/storage`, options);
}

/** Ids of snippets. `GET /nodes/{node}/storage/{storage}/content`; Datastore.Audit or .AllocateSpace on the storage. */
export async function listSnippets(
  pve: PvePort,
  node: string,
  storage: string,
  options: CallOptions = {},
): Promise<readonly string[]> {
  const parameters = { content: 'snippets' };
  const items = await pve.get<readonly { readonly volid: string }[]>(
    at`/nodes/${node}/storage/${storage}/content`,
    { ...options, parameters },
  );
  return items.map(({ volid }) => volid);
}
