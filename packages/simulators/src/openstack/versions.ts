import { Refusal, refuse } from './failure.ts';

/** Services of the cloud, by the first part of their address. */
export type ServiceName = 'identity' | 'compute' | 'placement' | 'image' | 'network' | 'volume';
export const serviceNames: readonly ServiceName[] = [
  'identity',
  'compute',
  'placement',
  'image',
  'network',
  'volume',
];

/** Newest microversions of Nova and Placement by major version of Nova. Source: release notes of both. */
const newest: Readonly<Record<number, readonly [compute: string, placement: string]>> = {
  24: ['2.90', '1.38'],
  25: ['2.90', '1.39'],
  26: ['2.93', '1.39'],
  27: ['2.95', '1.39'],
  28: ['2.95', '1.39'],
  29: ['2.96', '1.39'],
  30: ['2.96', '1.39'],
  31: ['2.100', '1.39'],
  32: ['2.100', '1.39'],
  33: ['2.103', '1.39'],
  34: ['2.104', '1.39'],
};

export function newestVersion(service: 'compute' | 'placement', release: number): string {
  const found = newest[release];
  if (!found) throw new Error(`the simulator has no Nova ${release}`);
  return found[service === 'compute' ? 0 : 1];
}

/** Major and minor as numbers: 2.100 is above 2.96. */
export function versionNumber(text: string): number {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return major * 10_000 + minor;
}

/**
 * The microversion that a request asks for: the oldest when it asks for none. Throws 406 for one that the service does not speak.
 * Source: microversion-parse 1.0; nova 26, api_version_request.py; placement 8, microversion.py.
 */
export function askedVersion(
  service: ServiceName,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  release: number,
): string | undefined {
  if (service !== 'compute' && service !== 'placement') return undefined;
  const min = service === 'compute' ? '2.1' : '1.0';
  const max = newestVersion(service, release);
  const said = String(headers['openstack-api-version'] ?? '');
  const named = said
    .split(',')
    .map((part) => part.trim().split(/\s+/))
    .find(([name]) => name === service)?.[1];
  const asked = named ?? (service === 'compute' ? headers['x-openstack-nova-api-version'] : undefined) ?? min;
  if (asked === 'latest') return max;
  if (!/^\d+\.\d+$/.test(String(asked))) {
    throw refuse(
      400,
      `API Version String ${String(asked)} is of invalid format. Must be of format MajorNum.MinorNum.`,
    );
  }
  const text = String(asked);
  if (versionNumber(text) >= versionNumber(min) && versionNumber(text) <= versionNumber(max)) return text;
  throw new Refusal(
    406,
    service === 'compute'
      ? `Version ${text} is not supported by the API. Minimum is ${min} and maximum is ${max}.`
      : `Invalid microversion: Unacceptable version header: ${text}`,
    undefined,
    { min, max },
  );
}

/** What a service answers at its root, without a login. */
export function versionDocument(service: ServiceName, url: string, release: number, whole: boolean) {
  const link = (href: string) => [{ rel: 'self', href }];
  switch (service) {
    case 'identity': {
      const version = {
        id: 'v3.14',
        status: 'stable',
        updated: '2020-04-07T00:00:00Z',
        links: link(`${url}/v3/`),
        'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
      };
      return whole
        ? { status: 300, body: { versions: { values: [version] } } }
        : { status: 200, body: { version } };
    }
    case 'compute': {
      const v21 = {
        id: 'v2.1',
        status: 'CURRENT',
        version: newestVersion('compute', release),
        min_version: '2.1',
        updated: '2013-07-23T11:33:21Z',
        links: link(`${url}/v2.1/`),
      };
      const v2 = {
        id: 'v2.0',
        status: 'SUPPORTED',
        version: '',
        min_version: '',
        updated: '2011-01-21T11:33:21Z',
        links: link(`${url}/v2/`),
      };
      return whole ? { status: 200, body: { versions: [v2, v21] } } : { status: 200, body: { version: v21 } };
    }
    case 'placement':
      return {
        status: 200,
        body: {
          versions: [
            {
              id: 'v1.0',
              max_version: newestVersion('placement', release),
              min_version: '1.0',
              status: 'CURRENT',
              links: link(''),
            },
          ],
        },
      };
    case 'image':
      return {
        status: 300,
        body: { versions: [{ id: 'v2.15', status: 'CURRENT', links: link(`${url}/v2/`) }] },
      };
    case 'network':
      return {
        status: 200,
        body: { versions: [{ id: 'v2.0', status: 'CURRENT', links: link(`${url}/v2.0/`) }] },
      };
    case 'volume':
      return {
        status: 300,
        body: {
          versions: [
            { id: 'v3.0', status: 'CURRENT', version: '3.70', min_version: '3.0', links: link(`${url}/v3/`) },
          ],
        },
      };
  }
}
