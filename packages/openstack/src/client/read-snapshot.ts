/** What the cloud has and allows now, with no call that the scope does not need. */
import {
  apiVersion,
  type CallOptions,
  type HostInventory,
  isVmgpuError,
  type Scope,
  type VmRef,
} from '@vmgpu/core';
import { isUuid } from '../translate/image.ts';
import { compareMicroversions, novaReleases } from '../translate/releases.ts';
import type {
  Deployment,
  GlanceImage,
  GpuProvider,
  NovaConfigText,
  NovaFlavor,
  NovaServer,
  OpenStackSnapshot,
  SnapshotGap,
} from '../translate/snapshot.ts';
import { listFlavors } from './flavors.ts';
import { getLimits, listAggregates, listHypervisors } from './hosts.ts';
import { listImages } from './images.ts';
import { listNetworks, type Network } from './networks.ts';
import {
  getInventories,
  getProviderTraits,
  getUsages,
  listCustomTraits,
  listProviders,
  listResourceClasses,
  type ResourceProvider,
} from './placement.ts';
import type { OsPort } from './port.ts';
import { findServers, getServer, type ServerAnswer } from './servers.ts';

/** Reads with retries, each call by itself. */
export type Reader = <T>(call: (os: OsPort, options: CallOptions) => Promise<T>) => Promise<T>;

/** What no API tells: the caller knows it, or nobody. */
export interface KnownFacts {
  /** Nova's version, when the caller knows it better than microversions tell: `29.2.0`. */
  readonly release?: string | undefined;
  readonly deployment?: Deployment | undefined;
  readonly hosts?: readonly HostInventory[] | undefined;
  readonly config?: readonly NovaConfigText[] | undefined;
}

/**
 * Nova's version from its newest microversion. Several releases may have the same: the oldest of them is taken, whose
 * configuration the newer ones understand, too.
 */
export async function readRelease(
  read: Reader,
  { release }: KnownFacts,
): Promise<{ readonly version: string; readonly gap?: SnapshotGap }> {
  if (release !== undefined) return { version: release };
  const { max } = await read((os, options) => os.versions('compute', options));
  const known = novaReleases.filter(({ maxMicroversion }) => compareMicroversions(maxMicroversion, max) <= 0);
  const best = known.at(-1) ?? novaReleases[0];
  const same = novaReleases.filter(({ maxMicroversion }) => maxMicroversion === best?.maxMicroversion);
  const version = `${same[0]?.nova}.0.0`;
  if (same.length === 1 && best?.maxMicroversion === max) return { version };
  const names = same.map(({ nova, name }) => `${nova} (${name})`).join(' or ');
  const why =
    best?.maxMicroversion === max
      ? `microversion ${max} is Nova ${names}`
      : `microversion ${max} is not known; taken as Nova ${names}`;
  return { version, gap: { path: 'version', why, needs: 'the setting release' } };
}

export async function readSnapshot(
  read: Reader,
  facts: KnownFacts,
  scope: Scope,
  ref: VmRef | undefined,
): Promise<OpenStackSnapshot> {
  const gaps: SnapshotGap[] = [];
  const { version, gap } = await readRelease(read, facts);
  if (gap) gaps.push(gap);
  const see = <T>(path: string, needs: string, call: Parameters<Reader>[0]) =>
    visible<T>(gaps, path, needs, () => read(call as (os: OsPort, options: CallOptions) => Promise<T>));

  const [flavors, images, networks, servers, limits] = await Promise.all([
    see<readonly NovaFlavor[]>('flavors', 'reader in the project', listFlavors),
    see<readonly GlanceImage[]>('images', 'reader in the project', (os, options) =>
      listImages(os, {}, options),
    ),
    see<readonly Network[]>('networks', 'reader in the project', async (os, options) =>
      (await os.has('network', options)) ? listNetworks(os, {}, options) : [],
    ),
    ref &&
      see<readonly ServerAnswer[]>('servers', 'reader in the project', (os, options) =>
        matches(os, ref, options),
      ),
    see<Readonly<Record<string, number>>>('limits', 'reader in the project', getLimits),
  ]);
  if (flavors?.some(({ extra_specs }) => extra_specs === undefined)) {
    gaps.push({
      path: 'flavors',
      why: 'the role of the login does not show their extra specs',
      needs: 'os_compute_api:os-flavor-extra-specs:index',
    });
  }
  if (facts.hosts === undefined) {
    gaps.push({
      path: 'hosts',
      why: 'no API tells the GPUs of hosts',
      needs: 'captures of the GPU hosts (vmgpu collect)',
    });
  }
  if (facts.config === undefined) {
    gaps.push({ path: 'config', why: 'no API tells nova.conf', needs: 'the configuration texts' });
  }
  const platform = scope === 'platform' ? await readPlatform(read, see, gaps) : {};
  gaps.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    apiVersion,
    kind: 'OpenStackSnapshot',
    version,
    deployment: facts.deployment ?? 'packages',
    hosts: facts.hosts ?? [],
    ...(facts.config ? { config: facts.config } : {}),
    ...(flavors ? { flavors: byName(flavors.map(plainFlavor)) } : {}),
    ...(images ? { images: byName(images.map(plainImage)) } : {}),
    ...(networks ? { networks: networkIds(networks, gaps) } : {}),
    ...(servers ? { servers: servers.map(plainServer) } : {}),
    ...(limits ? { limits } : {}),
    ...platform,
    ...(gaps.length > 0 ? { gaps } : {}),
  };
}

type See = <T>(path: string, needs: string, call: Parameters<Reader>[0]) => Promise<T | undefined>;

async function readPlatform(
  read: Reader,
  see: See,
  gaps: SnapshotGap[],
): Promise<Partial<OpenStackSnapshot>> {
  const [resourceClasses, traits, providers, hypervisors, aggregates] = await Promise.all([
    see<readonly string[]>('resourceClasses', 'placement:resource_classes:list', listResourceClasses),
    see<readonly string[]>('traits', 'placement:traits:list', listCustomTraits),
    see<readonly ResourceProvider[]>('providers', 'placement:resource_providers:list', (os, options) =>
      listProviders(os, {}, options),
    ),
    see<readonly NonNullable<OpenStackSnapshot['hypervisors']>[number][]>(
      'hypervisors',
      'os_compute_api:os-hypervisors:list-detail',
      listHypervisors,
    ),
    see<readonly NonNullable<OpenStackSnapshot['aggregates']>[number][]>(
      'aggregates',
      'os_compute_api:os-aggregates:index',
      listAggregates,
    ),
  ]);
  for (const { hypervisor_hostname, state, status } of hypervisors ?? []) {
    if (state === 'up' && status === 'enabled') continue;
    gaps.push({ path: `hypervisors.${hypervisor_hostname}`, why: `the host is ${state} and ${status}` });
  }
  const gpuProviders =
    providers &&
    (await visible(gaps, 'providers', 'placement:resource_providers:inventories:list', () =>
      readGpuProviders(read, providers),
    ));
  return {
    ...(resourceClasses ? { resourceClasses: [...resourceClasses].sort() } : {}),
    ...(traits ? { traits: [...traits].sort() } : {}),
    ...(gpuProviders ? { providers: gpuProviders } : {}),
    ...(hypervisors
      ? {
          hypervisors: hypervisors.map(({ id, hypervisor_hostname, state, status }) => ({
            id,
            hypervisor_hostname,
            state,
            status,
          })),
        }
      : {}),
    ...(aggregates
      ? { aggregates: aggregates.map(({ name, hosts, metadata }) => ({ name, hosts, metadata })) }
      : {}),
  };
}

/** How many providers are read at once. */
const readsAtOnce = 8;

/** Names that Nova gives: `HOST_0000:41:00.0` a PCI device, `HOST_pci_0000_41_00_0` a card that makes vGPUs. */
const gpuName =
  /_(pci_[0-9a-f]{4,}_[0-9a-f]{2}_[0-9a-f]{2}_[0-7]|[0-9A-F]{4,}:[0-9A-F]{2}:[0-9A-F]{2}\.[0-7])$/;

async function readGpuProviders(
  read: Reader,
  all: readonly ResourceProvider[],
): Promise<readonly GpuProvider[]> {
  const names = new Map(all.map(({ uuid, name }) => [uuid, name]));
  const queue = all.filter(
    ({ name, parent_provider_uuid }) => parent_provider_uuid !== null && gpuName.test(name),
  );
  const found: GpuProvider[] = [];
  const work = async () => {
    for (let provider = queue.shift(); provider; provider = queue.shift()) {
      const { uuid, name, root_provider_uuid } = provider;
      const [inventories, usages, traits] = await Promise.all([
        read((os, options) => getInventories(os, uuid, options)),
        read((os, options) => getUsages(os, uuid, options)),
        read((os, options) => getProviderTraits(os, uuid, options)),
      ]);
      found.push({
        uuid,
        name,
        host: names.get(root_provider_uuid) ?? root_provider_uuid,
        inventories: Object.fromEntries(
          Object.entries(inventories).map(([key, { total, reserved }]) => [key, { total, reserved }]),
        ),
        usages,
        traits: [...traits].sort(),
      });
    }
  };
  await Promise.all(Array.from({ length: readsAtOnce }, work));
  return byName(found);
}

/** What the work gives, or undefined and a gap when the role may not see it. */
async function visible<T>(
  gaps: SnapshotGap[],
  path: string,
  needs: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isVmgpuError(error) || error.code !== 'permission-denied') throw error;
    const right = error.details?.right;
    gaps.push({
      path,
      why: 'the role of the login does not show it',
      needs: typeof right === 'string' ? right : needs,
    });
    return undefined;
  }
}

async function matches(os: OsPort, { name }: VmRef, options: CallOptions): Promise<readonly ServerAnswer[]> {
  const byId = isUuid(name) ? await getServer(os, name, options) : null;
  return byId ? [byId] : findServers(os, name, options);
}

/** What plans read of a server; times, addresses and user data change or do not belong into a plan. */
function plainServer({ id, name, status, flavor, image, metadata }: ServerAnswer): NovaServer {
  const imageId = typeof image === 'object' ? image.id : undefined;
  return {
    id,
    name,
    status,
    flavor: plainFlavor(flavor),
    metadata: metadata ?? {},
    ...(imageId === undefined ? {} : { image: { id: imageId } }),
  };
}

function plainFlavor(flavor: NovaFlavor): NovaFlavor {
  const { links: _links, ...plain } = flavor as NovaFlavor & { links?: unknown };
  return plain;
}

/** Without what is about storage and time. */
function plainImage(image: GlanceImage): GlanceImage {
  const dropped =
    /^(checksum|os_hash_.*|stores|locations|direct_url|self|file|schema|created_at|updated_at|owner_specified\..*)$/;
  return Object.fromEntries(Object.entries(image).filter(([key]) => !dropped.test(key))) as GlanceImage;
}

/** Ids by name. Of networks with the same name none can be meant by it. */
function networkIds(networks: readonly Network[], gaps: SnapshotGap[]): Readonly<Record<string, string>> {
  const names = networks.map(({ name }) => name);
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  for (const name of twice) gaps.push({ path: `networks.${name}`, why: 'several networks have this name' });
  return Object.fromEntries(
    networks.filter(({ name }) => !twice.includes(name)).map(({ name, id }) => [name, id]),
  );
}

function byName<T extends { readonly name?: string; readonly id?: string }>(
  items: readonly T[],
): readonly T[] {
  const key = ({ name = '', id = '' }: T) => `${name} ${id}`;
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}
