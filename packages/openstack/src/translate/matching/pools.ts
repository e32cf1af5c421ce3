import { type NovaRelease, since } from '../releases.ts';
import type { PciRequest } from './alias.ts';
import { type DeviceSpec, decidingSpec, type NovaPciDevice } from './device-spec.ts';
import { str } from './python.ts';

/** Devices of one host that Nova counts together. */
export interface PciPool {
  readonly vendor_id: string;
  readonly product_id: string;
  readonly dev_type: string;
  readonly numa_node: number | null;
  readonly count: number;
  readonly [tag: string]: unknown;
}

/** The stages in which Nova drops pools, in its order. */
export type PoolStage = 'ids and type' | 'NUMA' | 'physical function' | 'remote managed' | 'live migratable';

export interface PoolVerdict {
  readonly supported: boolean;
  /** For a request that fails: the stage after which too few devices were left. */
  readonly failed?: { readonly request: PciRequest; readonly stage: PoolStage; readonly left: number };
}

export interface GuestNuma {
  /** Host NUMA nodes the guest's cells are on; null for a guest without NUMA topology. */
  readonly cells: readonly number[] | null;
  /** Socket of each host node, for the policy `socket`. */
  readonly sockets?: Readonly<Record<number, number>>;
}

/** The pools a host reports (nova/pci/stats.py). From 27.0.0 a pool is one card: its key has the address of the PF. */
export function poolsOf(
  devices: readonly NovaPciDevice[],
  specs: readonly DeviceSpec[],
  release: NovaRelease,
): readonly PciPool[] {
  const pools = new Map<string, PciPool>();
  for (const device of devices) {
    const spec = decidingSpec(specs, device);
    if (spec === undefined) continue;
    const { managed: _managed, one_time_use: _once, ...tags } = spec.tags;
    const remote = String(tags.remote_managed ?? 'false').toLowerCase();
    const knowsRemote = since(release, 'jointRequests') && device.dev_type !== 'type-PCI';
    // A remote-managed function without the serial number of its card is not offered at all.
    if (knowsRemote && remote === 'true') continue;
    const key = {
      vendor_id: device.vendor_id,
      product_id: device.product_id,
      dev_type: device.dev_type,
      numa_node: device.numa_node ?? null,
      ...(since(release, 'pciInPlacement') ? { address: device.parent_addr || device.address } : {}),
      ...tags,
      ...(knowsRemote ? { remote_managed: remote } : {}),
    };
    const id = JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));
    const known = pools.get(id);
    pools.set(id, { ...key, count: (known?.count ?? 0) + 1 });
  }
  return [...pools.values()];
}

/** Whether a host's pools satisfy all requests; from 26.0.0 together, before that each for itself. */
export function supportRequests(
  pools: readonly PciPool[],
  requests: readonly PciRequest[],
  numa: GuestNuma,
  release: NovaRelease,
): PoolVerdict {
  let left = pools.map((pool) => ({ pool, count: pool.count }));
  for (const request of requests) {
    const result = filterPools(left, request, numa, since(release, 'jointRequests'));
    if (result.failed !== undefined) return { supported: false, failed: { request, ...result.failed } };
    if (!since(release, 'jointRequests')) continue;
    let wanted = request.count;
    left = left.map((entry) => {
      const taken = result.kept.includes(entry) ? Math.min(Math.max(wanted, 0), entry.count) : 0;
      wanted -= taken;
      return { ...entry, count: entry.count - taken };
    });
  }
  return { supported: true };
}

interface Free {
  readonly pool: PciPool;
  readonly count: number;
}

function filterPools(
  pools: readonly Free[],
  request: PciRequest,
  numa: GuestNuma,
  joint: boolean,
): {
  readonly kept: readonly Free[];
  readonly failed?: { readonly stage: PoolStage; readonly left: number };
} {
  const live = request.specs.map((spec) => spec.live_migratable).find((value) => value !== undefined);
  const stages: readonly (readonly [PoolStage, (kept: readonly Free[]) => readonly Free[]])[] = [
    ['ids and type', (kept) => kept.filter(({ pool }) => request.specs.some((spec) => fits(pool, spec)))],
    ['NUMA', (kept) => byNuma(kept, request, numa)],
    [
      'physical function',
      (kept) =>
        request.specs.some((spec) => spec.dev_type === 'type-PF')
          ? kept
          : kept.filter(({ pool }) => pool.dev_type !== 'type-PF'),
    ],
    ['remote managed', (kept) => kept.filter(({ pool }) => pool.remote_managed !== 'true' || !joint)],
    [
      'live migratable',
      (kept) => (live === undefined ? kept : kept.filter(({ pool }) => pool.live_migratable === live)),
    ],
  ];
  let kept = pools;
  for (const [stage, keep] of stages) {
    kept = keep(kept);
    const count = total(kept);
    if (count < request.count) return { kept, failed: { stage, left: count } };
  }
  return { kept };
}

/** Every key of the spec must be in the pool; classes, traits and live migration are judged elsewhere. */
function fits(pool: PciPool, spec: Readonly<Record<string, string>>): boolean {
  const elsewhere = ['resource_class', 'traits', 'live_migratable'];
  return Object.entries(spec).every(
    ([key, value]) =>
      elsewhere.includes(key) ||
      (pool[key] !== undefined && str(pool[key]).toLowerCase() === value.toLowerCase()),
  );
}

function byNuma(
  pools: readonly Free[],
  { numaPolicy, count }: PciRequest,
  { cells, sockets }: GuestNuma,
): readonly Free[] {
  if (cells === null) return pools;
  const near = pools.filter(({ pool }) => pool.numa_node !== null && cells.includes(pool.numa_node));
  if (numaPolicy === 'required') return near;
  if (numaPolicy === 'socket') {
    const wanted = cells.map((cell) => sockets?.[cell]);
    return pools.filter(
      ({ pool }) =>
        near.some((free) => free.pool === pool) ||
        (pool.numa_node !== null && sockets !== undefined && wanted.includes(sockets[pool.numa_node])),
    );
  }
  const legacy = pools.filter(({ pool }) => pool.numa_node === null || cells.includes(pool.numa_node));
  return numaPolicy === 'preferred' && total(legacy) < count ? pools : legacy;
}

function total(pools: readonly Free[]): number {
  return pools.reduce((sum, { count }) => sum + count, 0);
}
