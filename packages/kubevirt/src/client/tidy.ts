import type { Manifest } from '../translate/manifest.ts';

/** Without the server's bookkeeping, which is often longer than the object. */
export function tidy(object: Manifest): Manifest {
  const { managedFields: _managed, ...metadata } = object.metadata ?? {};
  return { ...object, metadata };
}
