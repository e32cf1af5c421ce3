/** Cinder, as far as volumes must not be left behind. Source: Cinder, Block Storage API v3, "Volumes". */
import type { CallOptions } from '@vmgpu/core';
import { at, type OsPort } from './port.ts';

/** `DELETE /v3/{project}/volumes/{id}`, the project standing in the address; gone is done. 400 while it is attached. */
export async function deleteVolume(os: OsPort, id: string, options: CallOptions): Promise<void> {
  await os.request('block-storage', {
    method: 'DELETE',
    path: at`/volumes/${id}`,
    accept: [404],
    ...options,
  });
}
