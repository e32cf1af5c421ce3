/**
 * Where a server goes: Placement, then the filters, then the claim on the host. Each says no in its own words. Source: nova 26,
 * nova/scheduler/utils.py and manager.py, nova/conductor/manager.py, nova/compute/claims.py.
 */
import { type Allocation, candidatesFor, type Group } from './candidates.ts';
import { confOf, listOf, truthOf } from './nova-conf.ts';
import {
  customName,
  type Offered,
  offeredDevices,
  type PciRequest,
  pciRequests,
  serves,
  traitNames,
} from './pci.ts';
import { isUp, providersOf } from './providers.ts';
import type { FlavorRecord, HostScenario, ImageRecord } from './scenario.ts';
import type { CloudState } from './state.ts';

export interface Placed {
  readonly host: string;
  readonly allocation: Allocation;
  /** PCI addresses. */
  readonly devices: readonly string[];
}

export interface Failed {
  /** The fault's text. */
  readonly message: string;
  /** What the event of the action says to administrators. */
  readonly details: string;
}

export interface Wanted {
  readonly id: string;
  readonly flavor: FlavorRecord;
  readonly image: ImageRecord | undefined;
  /** Hosts that are left out. */
  readonly without: readonly string[];
}

const defaultFilters = [
  'ComputeFilter',
  'ComputeCapabilitiesFilter',
  'ImagePropertiesFilter',
  'ServerGroupAntiAffinityFilter',
  'ServerGroupAffinityFilter',
];

export function schedule(state: CloudState, wanted: Wanted): Placed | Failed {
  const requests = pciRequests(state, wanted.flavor.extraSpecs);
  const scheduler = confOf(state, 'nova-scheduler');
  const inPlacement = truthOf(scheduler, 'filter_scheduler', 'pci_in_placement');
  const groups = [...flavorGroups(wanted), ...(inPlacement ? pciGroups(requests) : [])];
  const candidates = candidatesFor(state, {
    groups,
    isolate: wanted.flavor.extraSpecs.group_policy === 'isolate',
    rootForbidden: ['COMPUTE_STATUS_DISABLED'],
    limit: 1000,
  });
  if (candidates.length === 0)
    return { message: 'No valid host was found. ', details: 'No valid host was found. ' };

  const named = listOf(scheduler, 'filter_scheduler', 'enabled_filters');
  const filters = named.length > 0 ? named : defaultFilters;
  const hosts = state.hosts.filter(({ name }) => candidates.some(({ root }) => root.name === name));
  const passed = hosts.filter(
    (host) =>
      !wanted.without.includes(host.name) &&
      (!filters.includes('ComputeFilter') || (isUp(state, host) && host.status !== 'disabled')) &&
      (!filters.includes('PciPassthroughFilter') || claim(state, host, requests, undefined) !== undefined),
  );
  if (passed.length === 0) {
    const message = 'No valid host was found. There are not enough hosts available.';
    return { message, details: message };
  }
  for (const host of passed) {
    for (const { root, allocation, mappings } of candidates) {
      if (root.name !== host.name || !isUp(state, host)) continue;
      const on = inPlacement ? mappedAddresses(state, mappings) : undefined;
      const devices = claim(state, host, requests, on);
      if (!devices) continue;
      return {
        host: host.name,
        allocation: withHealed(state, host, allocation, devices, inPlacement),
        devices,
      };
    }
  }
  return {
    message: `Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance ${wanted.id}.`,
    details: 'Insufficient compute resources: Claim pci failed.',
  };
}

const sizes = ['VCPU', 'MEMORY_MB', 'DISK_GB'] as const;

/** The groups that flavor and image make. */
function flavorGroups({ flavor, image }: Wanted): readonly Group[] {
  const specs = flavor.extraSpecs;
  const cpus = specs['hw:cpu_policy'] === 'dedicated' ? 'PCPU' : 'VCPU';
  const amounts: Record<(typeof sizes)[number], number> = {
    VCPU: flavor.vcpus,
    MEMORY_MB: flavor.ram,
    DISK_GB: flavor.disk + flavor.ephemeral + Math.ceil(flavor.swap / 1024),
  };
  const bySuffix = new Map<
    string,
    { resources: Record<string, number>; required: string[]; forbidden: string[] }
  >();
  const of = (suffix: string) => {
    const group = bySuffix.get(suffix) ?? { resources: {}, required: [], forbidden: [] };
    bySuffix.set(suffix, group);
    return group;
  };
  for (const size of sizes) of('').resources[size === 'VCPU' ? cpus : size] = amounts[size];
  for (const [key, value] of Object.entries(specs)) {
    const [, kind, suffix = '', name = ''] = /^(resources|trait)([\w-]*):([A-Z0-9_]+)$/.exec(key) ?? [];
    if (kind === 'resources') of(suffix).resources[name] = Number(value);
    if (kind === 'trait') of(suffix)[value === 'forbidden' ? 'forbidden' : 'required'].push(name);
  }
  for (const [key, value] of Object.entries(image?.properties ?? {})) {
    const name = /^trait:(\w+)$/.exec(key)?.[1];
    if (name && value === 'required') of('').required.push(name);
  }
  return [...bySuffix].map(([suffix, { resources, required, forbidden }]) => ({
    suffix,
    resources: Object.fromEntries(Object.entries(resources).filter(([, amount]) => amount > 0)),
    required,
    forbidden,
  }));
}

/** A group of its own for each device, from 27.0.0 on. */
function pciGroups(requests: readonly PciRequest[]): readonly Group[] {
  return requests.flatMap(({ count, specs: [alias] }, index) => {
    const { vendor, product, resourceClass, traits } = alias ?? {};
    const name = resourceClass ? customName(resourceClass) : `CUSTOM_PCI_${vendor}_${product}`.toUpperCase();
    return Array.from({ length: count }, (_, number) => ({
      suffix: `_pci-${index}-${number}`,
      resources: { [name]: 1 },
      required: traitNames(traits),
      forbidden: [],
    }));
  });
}

/** Addresses behind the providers that Placement chose for PCI groups. */
function mappedAddresses(
  state: CloudState,
  mappings: Readonly<Record<string, readonly string[]>>,
): ReadonlyMap<string, readonly string[]> {
  const providers = providersOf(state);
  return new Map(
    Object.entries(mappings)
      .filter(([suffix]) => suffix.startsWith('_pci-'))
      .map(([suffix, names]) => [
        suffix,
        names.flatMap((name) => providers.find((one) => one.name === name)?.addresses ?? []),
      ]),
  );
}

/** Free devices that serve all requests together, or undefined. */
function claim(
  state: CloudState,
  host: HostScenario,
  requests: readonly PciRequest[],
  mapped: ReadonlyMap<string, readonly string[]> | undefined,
): readonly string[] | undefined {
  if (requests.length === 0) return [];
  if (!isUp(state, host)) return undefined;
  const free = offeredDevices(state, host).filter((offered) => isFree(state, host, offered));
  const taken: string[] = [];
  for (const [index, { count, specs }] of requests.entries()) {
    for (let number = 0; number < count; number += 1) {
      const behind = mapped?.get(`_pci-${index}-${number}`);
      const found = free.find(
        (offered) =>
          !taken.includes(offered.device.address) &&
          !relatives(offered, taken, host) &&
          serves(offered, specs) &&
          (behind === undefined || behind.includes(offered.device.address)),
      );
      if (!found) return undefined;
      taken.push(found.device.address);
    }
  }
  return taken;
}

function isFree({ claims }: CloudState, host: HostScenario, offered: Offered): boolean {
  const held = host.devices.filter(({ address }) => claims[`${host.name} ${address}`] !== undefined);
  const addresses = held.map(({ address }) => address);
  return !addresses.includes(offered.device.address) && !relatives(offered, addresses, host);
}

/** A physical function that is taken takes its virtual ones with it, and the other way round. */
function relatives({ device }: Offered, taken: readonly string[], { devices }: HostScenario): boolean {
  if (device.parent !== undefined && taken.includes(device.parent)) return true;
  return devices.some(({ address, parent }) => parent === device.address && taken.includes(address));
}

/** Nova writes claims of devices that it reports into Placement also when it does not schedule by them. */
function withHealed(
  state: CloudState,
  host: HostScenario,
  allocation: Allocation,
  devices: readonly string[],
  inPlacement: boolean,
): Allocation {
  if (inPlacement || devices.length === 0) return allocation;
  const healed: Record<string, Record<string, number>> = {};
  for (const provider of providersOf(state)) {
    const [name] = Object.keys(provider.inventories);
    const count = provider.addresses.filter((address) => devices.includes(address)).length;
    const reported = provider.traits.includes('COMPUTE_MANAGED_PCI_DEVICE');
    if (!reported || count === 0 || name === undefined || !provider.name.startsWith(host.name)) continue;
    healed[provider.name] = { [name]: count };
  }
  return { ...allocation, ...healed };
}
