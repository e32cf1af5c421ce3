/**
 * Cluster-wide PCI mappings. Source: pve-manager 9.2.11, `PVE::API2::Cluster::Mapping::PCI`; pve-guest-common 6.0.2,
 * `PVE::Mapping::PCI`.
 */
import { type CallOptions, isVmgpuError } from '@vmgpu/core';
import type { PciMapping } from '../translate/mapping.ts';
import { readMapping } from '../translate/snapshot.ts';
import { at, type PvePort } from './port.ts';

/** What a node's hardware says of a mapping's entries there. */
export interface MappingCheck {
  readonly severity: 'warning' | 'error';
  readonly message: string;
}
export type CheckedMapping = PciMapping & { readonly checks?: readonly MappingCheck[] };

/**
 * `GET /cluster/mapping/pci`; lists those on which the caller has Mapping.Use, .Modify or .Audit. With `node` each says
 * whether its entries there are still right.
 */
export async function listMappings(
  pve: PvePort,
  node: string | undefined,
  options: CallOptions = {},
): Promise<readonly CheckedMapping[]> {
  const parameters = { 'check-node': node };
  const found = await pve.get<readonly CheckedMapping[]>(at`/cluster/mapping/pci`, {
    ...options,
    parameters,
  });
  return found.map((mapping) => ({
    ...plainMapping(mapping),
    ...(node === undefined ? {} : { checks: mapping.checks ?? [] }),
  }));
}

/** Its own fields alone, flags as booleans: what the API answers besides (`type`) it refuses when it is sent back. */
function plainMapping(mapping: PciMapping): PciMapping {
  const { id, map, mdev, description, digest } = mapping;
  const live = mapping['live-migration-capable'];
  return readMapping({
    id,
    map,
    ...(mdev === undefined ? {} : { mdev }),
    ...(live === undefined ? {} : { 'live-migration-capable': live }),
    ...(description === undefined ? {} : { description }),
    ...(digest === undefined ? {} : { digest }),
  });
}

/** null when there is none. `GET /cluster/mapping/pci/{id}`; Mapping.Use, .Modify or .Audit on /mapping/pci/{id}. */
export async function getMapping(
  pve: PvePort,
  id: string,
  options: CallOptions = {},
): Promise<PciMapping | null> {
  try {
    const found = await pve.get<Omit<PciMapping, 'id'>>(at`/cluster/mapping/pci/${id}`, options);
    return plainMapping({ ...found, id });
  } catch (error) {
    if (isVmgpuError(error) && error.code === 'not-found') return null;
    throw error;
  }
}

/** `POST /cluster/mapping/pci`; Mapping.Modify on /mapping/pci. */
export async function createMapping(
  pve: PvePort,
  mapping: PciMapping,
  options: CallOptions = {},
): Promise<void> {
  const { digest: _, ...parameters } = mapping;
  await pve.post(at`/cluster/mapping/pci`, { ...options, parameters });
}

/**
 * `PUT /cluster/mapping/pci/{id}`; Mapping.Modify on /mapping/pci/{id}. `map` replaces the list. With `digest`, refused when
 * anything in the file has changed since.
 */
export async function updateMapping(
  pve: PvePort,
  mapping: PciMapping,
  remove: readonly string[],
  options: CallOptions = {},
): Promise<void> {
  const { id, ...rest } = mapping;
  const parameters = { ...rest, ...(remove.length > 0 ? { delete: remove.join(',') } : {}) };
  await pve.put(at`/cluster/mapping/pci/${id}`, { ...options, parameters });
}

/** Gone is done. `DELETE /cluster/mapping/pci/{id}`; Mapping.Modify on /mapping/pci. */
export async function deleteMapping(pve: PvePort, id: string, options: CallOptions = {}): Promise<void> {
  await pve.delete(at`/cluster/mapping/pci/${id}`, options);
}
