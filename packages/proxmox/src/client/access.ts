/** Who the caller is. Source: pve-access-control 9.1.1, `PVE::API2::AccessControl`. */
import type { CallOptions } from '@vmgpu/core';
import { at, type PvePort } from './port.ts';

/** Privileges by path of the access list. `GET /access/permissions`; any user, about himself. */
export async function getPermissions(
  pve: PvePort,
  options: CallOptions = {},
): Promise<Readonly<Record<string, readonly string[]>>> {
  const paths = await pve.get<Readonly<Record<string, Readonly<Record<string, number>>>>>(
    at`/access/permissions`,
    options,
  );
  // A value of 0 says that the privilege holds here but not below; it still holds.
  return Object.fromEntries(
    Object.entries(paths ?? {})
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, privileges]) => [path, Object.keys(privileges).sort()]),
  );
}

/** Version of Proxmox VE. `GET /version`; any user. */
export function getVersion(
  pve: PvePort,
  options: CallOptions = {},
): Promise<{ readonly version: string; readonly release: string }> {
  return pve.get(at`/version`, options);
}
