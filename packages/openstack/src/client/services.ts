import { VmgpuError } from '@vmgpu/core';

/** Services of a cloud that vmgpu talks to, by the type that catalogues give them. */
export type ServiceType =
  | 'compute'
  | 'placement'
  | 'image'
  | 'network'
  | 'identity'
  | 'accelerator'
  | 'block-storage';

/** Types under which a catalogue may list a service, best first. Source: service-types-authority of OpenStack. */
const aliases: Readonly<Record<ServiceType, readonly string[]>> = {
  compute: ['compute'],
  placement: ['placement'],
  image: ['image'],
  network: ['network'],
  identity: ['identity'],
  accelerator: ['accelerator'],
  'block-storage': ['block-storage', 'volumev3'],
};

/** Versions that catalogues may or may not write at the end of an address; our paths name them themselves. */
const versionSuffix: Readonly<Partial<Record<ServiceType, RegExp>>> = {
  image: /\/v[12](\.\d+)?$/,
  network: /\/v2\.0$/,
  identity: /\/v(3|2\.0)$/,
  accelerator: /\/v2$/,
};

export type Interface = 'public' | 'internal' | 'admin';

/** One service of the catalogue in Keystone's answer to a login. */
export interface CatalogEntry {
  readonly type: string;
  readonly name?: string;
  readonly endpoints: readonly {
    readonly interface: string;
    readonly region?: string | null;
    readonly region_id?: string | null;
    readonly url: string;
  }[];
}

export interface EndpointChoice {
  /** The only region when not given; another one is never taken silently. */
  readonly region?: string | undefined;
  /** In order of preference; default `public`. */
  readonly interfaces?: readonly Interface[] | undefined;
  /** Addresses that win over the catalogue. */
  readonly endpoints?: Readonly<Partial<Record<ServiceType, string>>> | undefined;
}

/**
 * The address of a service, without a slash at its end and without a version where our paths name it. Rejects with
 * `not-found` that says which regions and interfaces there are.
 */
export function endpointOf(
  catalog: readonly CatalogEntry[],
  service: ServiceType,
  choice: EndpointChoice,
): string {
  const own = choice.endpoints?.[service];
  const url = own ?? fromCatalog(catalog, service, choice);
  const plain = url.replace(/\/+$/, '');
  return plain.replace(versionSuffix[service] ?? /$^/, '');
}

/** Whether the catalogue, or the settings, know the service at all. */
export function hasService(
  catalog: readonly CatalogEntry[],
  service: ServiceType,
  { endpoints }: EndpointChoice,
): boolean {
  return endpoints?.[service] !== undefined || catalog.some(({ type }) => aliases[service].includes(type));
}

function fromCatalog(
  catalog: readonly CatalogEntry[],
  service: ServiceType,
  { region, interfaces = ['public'] }: EndpointChoice,
): string {
  const entries = aliases[service].flatMap((alias) => catalog.filter(({ type }) => type === alias));
  const all = entries.flatMap(({ endpoints }) => endpoints);
  const regionOf = (endpoint: (typeof all)[number]) => endpoint.region_id ?? endpoint.region ?? '';
  const here = all.filter((endpoint) => region === undefined || regionOf(endpoint) === region);
  const regions = [...new Set(here.map(regionOf))];
  if (regions.length > 1) {
    throw new VmgpuError('bad-input', `the cloud has several regions for the service ${service}`, {
      expected: `a region: ${regions.join(', ')}`,
      hint: 'set region (region_name in clouds.yaml, OS_REGION_NAME)',
    });
  }
  for (const wanted of interfaces) {
    // Some catalogues still write publicURL.
    const found = here.find((endpoint) => endpoint.interface.replace(/URL$/, '') === wanted);
    if (found) return found.url;
  }
  throw new VmgpuError('not-found', `the catalogue has no address of the service ${service}`, {
    expected: `${interfaces.join(' or ')}${region === undefined ? '' : ` in region ${region}`}`,
    hint:
      all.length === 0
        ? `it lists ${catalog.map(({ type }) => type).join(', ') || 'nothing: is the login scoped to a project?'}`
        : `it has ${all.map((endpoint) => `${endpoint.interface} in ${regionOf(endpoint)}`).join(', ')}`,
  });
}
