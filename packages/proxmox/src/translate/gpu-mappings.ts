/** The mapping behind which a wanted GPU stands: one that exists and fits, else one made from the inventory. */
import { type GpuRequest, nearest, tryParsePciAddress, tryParsePciId } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { candidatesOf, devicePath } from './gpu-candidates.ts';
import type { GpuContext } from './gpu-devices.ts';
import type { HostPci } from './hostpci.ts';
import { companionsOf, describeItem, itemId, type PciItem, type ProxmoxNode } from './inventory.ts';
import {
  entriesFor,
  entryOf,
  type MappingEntry,
  type PciMapping,
  printMappingEntry,
  staleReason,
} from './mapping.ts';

export interface ResolvedGpu {
  readonly device: HostPci;
  /** Raw addresses, one for each of `count`. */
  readonly hosts?: readonly string[];
  readonly mapping?: PciMapping;
  readonly candidates: readonly PciItem[];
}

export function reportTooFew(count: number, found: number, path: string, report: Report): void {
  report.add(
    'blocked',
    'too-few-devices',
    path,
    `${count} wanted, ${found} found on the node`,
    'choose another node or selector, or give a snapshot that knows the node’s devices',
  );
}

function reportNoMapping(name: string, mappings: readonly PciMapping[], path: string, report: Report): void {
  const guesses = nearest(
    name,
    mappings.map(({ id }) => id),
  );
  report.add(
    'blocked',
    'mapping-not-found',
    `${path}.device.name`,
    `PCI device mapping not found for '${name}'`,
    guesses.length > 0
      ? `did you mean ${guesses.join(' or ')}?`
      : 'say device.id as well, so that it can be made',
  );
}

/** What the GPU is called among mappings: an existing mapping that fits, else one made from the inventory. */
export function mapped(
  request: GpuRequest,
  path: string,
  candidates: readonly PciItem[],
  device: HostPci,
  context: GpuContext,
): ResolvedGpu {
  const { mappings, node, nodes, report } = context;
  const items = node?.pci ?? [];
  const selector = request.device ?? {};
  const count = request.count ?? 1;
  const named =
    selector.name === undefined ? undefined : mappings?.find((mapping) => mapping.id === selector.name);
  if (named || (selector.name !== undefined && mappings === undefined)) {
    if (named && node?.pci) checkMapping(named, node, request, path, report);
    return { device: { ...device, mapping: selector.name ?? '' }, candidates };
  }
  const wanted = new Set(candidates.map((gpu) => devicePath(request, items, gpu)));
  const fitting = mappings?.find((mapping) => fits(mapping, request, wanted, count, node));
  if (fitting && selector.name === undefined)
    return { device: { ...device, mapping: fitting.id }, candidates };

  const id = selector.name ?? mappingName(request, candidates[0], items);
  if (candidates.length < (request.mode === 'vgpu' ? 1 : count)) {
    const { id: wantedId, board, address } = selector;
    if (selector.name === undefined || wantedId || board || address) {
      reportTooFew(count, candidates.length, path, report);
    } else reportNoMapping(selector.name, mappings ?? [], path, report);
  }
  if (request.mode === 'passthrough') reportWholeCard(request, path, candidates, items, report);
  const onNodes = selector.address === undefined ? nodes : nodes.filter((other) => other.name === node?.name);
  const entries = onNodes.flatMap((other) =>
    candidatesOf(request, path, other, { ...context, report: silent }, device.mdev).map((gpu) =>
      entryOf(other.name, devicePath(request, other.pci ?? [], gpu), gpu),
    ),
  );
  const before = mappings?.find((mapping) => mapping.id === id);
  const mapping = entries.length > 0 ? mergeMapping(id, entries, request.mode === 'vgpu', before) : undefined;
  return { device: { ...device, mapping: id }, candidates, ...(mapping ? { mapping } : {}) };
}

const silent: Report = { diagnostics: [], add: () => undefined };

function reportWholeCard(
  request: GpuRequest,
  path: string,
  candidates: readonly PciItem[],
  items: readonly PciItem[],
  report: Report,
): void {
  const first = candidates[0];
  if (request.mode === 'vgpu' || first === undefined) return;
  const companions = companionsOf(items, first);
  if (request.companions === undefined && companions.length > 0) {
    report.add(
      'approximated',
      'whole-card',
      `${path}.companions`,
      `the whole card is given to the VM, with ${companions.map(describeItem).join(', ')}`,
      'say companions: include or exclude',
    );
  }
}

function checkMapping(
  mapping: PciMapping,
  node: ProxmoxNode,
  request: GpuRequest,
  path: string,
  report: Report,
): void {
  const entries = entriesFor(mapping, node.name);
  const remedy = `correct it from the node’s inventory: pvesh set /cluster/mapping/pci/${mapping.id}`;
  if (entries.length === 0) {
    report.add(
      'blocked',
      'mapping-not-on-node',
      `${path}.device.name`,
      `PCI device mapping not found for '${mapping.id}' on ${node.name}`,
      remedy,
    );
  }
  for (const entry of entries) {
    const reason = staleReason(mapping, entry, node.pci ?? []);
    if (reason === undefined) continue;
    report.add(
      'blocked',
      'mapping-stale',
      `${path}.device.name`,
      `PCI device mapping invalid (hardware probably changed): ${reason}`,
      remedy,
    );
  }
  if (request.mode === 'vgpu' && !mapping.mdev) {
    report.add(
      'blocked',
      'mapping-without-mdev',
      `${path}.device.name`,
      `mapping ${mapping.id} is not marked for mediated devices`,
      `set mdev on it: pvesh set /cluster/mapping/pci/${mapping.id} --mdev 1 (with its whole map list)`,
    );
  }
}

function fits(
  mapping: PciMapping,
  request: GpuRequest,
  wanted: ReadonlySet<string>,
  count: number,
  node: ProxmoxNode | undefined,
): boolean {
  const entries = entriesFor(mapping, node?.name);
  return (
    Boolean(mapping.mdev) === (request.mode === 'vgpu') &&
    entries.length >= (request.mode === 'vgpu' ? 1 : count) &&
    entries.every(
      (entry) => wanted.has(entry.path) && staleReason(mapping, entry, node?.pci ?? []) === undefined,
    )
  );
}

function mappingName(request: GpuRequest, first: PciItem | undefined, items: readonly PciItem[]): string {
  const { id, address, board } = request.device ?? {};
  const prefix = request.mode === 'vgpu' ? 'vgpu' : 'gpu';
  const key =
    (address === undefined ? undefined : tryParsePciAddress(address)) ??
    (id === undefined ? undefined : tryParsePciId(id)) ??
    (first ? itemId(first) : (board ?? (request.mode === 'vgpu' ? request.profile : '')));
  const without =
    request.mode === 'passthrough' &&
    request.companions === 'exclude' &&
    first &&
    companionsOf(items, first).length > 0;
  return `${prefix}-${key.toLowerCase().replace(/[^a-z0-9]+/g, '-')}${without ? '-only' : ''}`;
}

/** Entries of other nodes and devices stay; an entry for the same node and path is brought up to date. */
function mergeMapping(
  id: string,
  entries: readonly MappingEntry[],
  mdev: boolean,
  before: PciMapping | undefined,
): PciMapping | undefined {
  const key = (entry: MappingEntry) => `${entry.node} ${entry.path}`;
  const wanted = new Map(entries.map((entry) => [key(entry), printMappingEntry(entry)]));
  const kept = (before?.map ?? []).flatMap((text) => {
    const [entry] = entriesFor({ id, map: [text] });
    const fresh = entry && wanted.get(key(entry));
    if (entry && fresh !== undefined) wanted.delete(key(entry));
    const same = entry && fresh === printMappingEntry({ ...entry });
    return [fresh === undefined || same ? text : fresh];
  });
  const map = [...kept, ...wanted.values()];
  if (before && map.join('\n') === before.map.join('\n') && Boolean(before.mdev) === mdev) return undefined;
  const { digest: _, ...rest } = before ?? { id, map };
  return { ...rest, id, map, ...(mdev ? { mdev } : {}) };
}
