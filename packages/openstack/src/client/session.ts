import { type CallOptions, type Clock, Secret, VmgpuError } from '@vmgpu/core';
import { sharedWork } from '@vmgpu/core/resilience';
import { createAxiosPort, createHttp, type HttpPort, type HttpResponse, type TlsSettings } from '@vmgpu/http';
import { readOsError } from './errors.ts';
import { checkLogin, loginBody, type OpenStackLogin } from './login.ts';
import { pickVersion, readVersions, type VersionRange, versionHeaders } from './microversion.ts';
import type { Caller, OsPort, ServiceRequest } from './port.ts';
import {
  type CatalogEntry,
  type EndpointChoice,
  endpointOf,
  hasService,
  type ServiceType,
} from './services.ts';

export interface SessionSettings extends EndpointChoice {
  /** Keystone's address, with or without `/v3`. */
  readonly authUrl: string;
  readonly login: OpenStackLogin;
  readonly tls?: TlsSettings | undefined;
  /** Sends single requests, instead of the built-in binding (axios). */
  readonly http?: HttpPort | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** Limit for one try of one request, in milliseconds. */
  readonly requestMs: number;
  readonly connections?: number | undefined;
  readonly proxy?: 'none' | 'env' | undefined;
  /** A new UUID: Nova and the others log it with what our requests cause. */
  readonly newId: () => string;
}

/** Keystone's answer to a login. */
interface Token {
  readonly expires_at?: string;
  readonly user?: { readonly id?: string };
  readonly project?: { readonly id?: string };
  readonly roles?: readonly { readonly name: string }[];
  readonly catalog?: readonly CatalogEntry[];
}

interface Login {
  readonly token: Token;
  readonly id: Secret;
}

interface Opened {
  readonly http: HttpPort;
  readonly token: Token;
  readonly identity: string;
}

/** Connects at the first request. One login serves all services, and is renewed once for all requests that need it. */
export function createSession(settings: SessionSettings): OsPort {
  checkLogin(settings.login);
  const { clock, random, tls, connections, proxy, requestMs } = settings;
  const transport = settings.http ?? createAxiosPort({ tls, connections, proxy });
  const shared = {
    clock,
    random,
    transport,
    tryTimeoutMs: requestMs,
    readError: readOsError,
    headers: { 'x-openstack-request-id': `req-${settings.newId()}` },
    ...(tls ? { tls } : {}),
    ...(proxy ? { proxy } : {}),
  };
  const identityHttp = createHttp({ ...shared, baseUrl: settings.authUrl, retry: { tries: 3 } });
  const identityUntil = (signal: AbortSignal): HttpPort => ({
    request: (request) => identityHttp.request({ ...request, signal }),
  });
  let current: Opened | undefined;
  const ranges = new Map<ServiceType, VersionRange>();
  const discoveries = new Map<ServiceType, ReturnType<typeof sharedWork<VersionRange>>>();

  const open = sharedWork(async (opening) => {
    const base = await identityBase(identityUntil(opening), settings.authUrl);
    let first: Login | undefined = await logIn(identityUntil(opening), base, settings.login);
    const { token } = first;
    const http = createHttp({
      ...shared,
      baseUrl: base,
      trustedOrigins: trusted(token.catalog ?? [], settings),
      // Repeated where it is known what a call means, and where it is told: in the step, or around a read.
      retry: { tries: 1 },
      auth: {
        async authenticate({ signal }) {
          const login = first ?? (await logIn(identityUntil(signal), base, settings.login));
          first = undefined;
          const expiresAt = Date.parse(login.token.expires_at ?? '');
          return {
            headers: { 'x-auth-token': login.id },
            ...(Number.isNaN(expiresAt) ? {} : { expiresAt }),
          };
        },
      },
    });
    current = { http, token, identity: base.replace(/\/v3$/, '') };
    return current;
  });
  const opened = async ({ signal }: CallOptions = {}): Promise<Opened> => current ?? open(signal);

  function addressOf({ token, identity }: Opened, service: ServiceType): string {
    if (service === 'identity') return settings.endpoints?.identity ?? identity;
    return endpointOf(token.catalog ?? [], service, settings);
  }

  async function discover(session: Opened, service: ServiceType, signal: AbortSignal): Promise<VersionRange> {
    const address = addressOf(session, service);
    // Nova's address may end in the project's id, which its version document does not know.
    const root = address.replace(/(\/v2(\.\d+)?)\/.*$/, '$1');
    const response = await session.http.request({ method: 'GET', url: `${root}/`, accept: [300], signal });
    const range = readVersions(response.json());
    if (range) return range;
    throw new VmgpuError('unsupported', `the service ${service} at ${root} has no microversions`, {
      ...(service === 'compute' ? { hint: 'the catalogue should name /v2.1, not /v2' } : {}),
    });
  }

  async function rangeOf(
    session: Opened,
    service: ServiceType,
    signal: AbortSignal | undefined,
  ): Promise<VersionRange> {
    const known = ranges.get(service);
    if (known) return known;
    const discovery =
      discoveries.get(service) ??
      sharedWork(async (until) => {
        const range = await discover(session, service, until);
        ranges.set(service, range);
        return range;
      });
    discoveries.set(service, discovery);
    return discovery(signal);
  }

  async function send(session: Opened, service: ServiceType, request: ServiceRequest): Promise<HttpResponse> {
    const { path, versions, headers, accept = [], ...rest } = request;
    const address = addressOf(session, service);
    const url = `${compute21(service, address)}${path}`;
    if (!versions) {
      return session.http.request({ ...rest, url, accept, ...(headers ? { headers } : {}) });
    }
    for (let attempt = 1; ; attempt += 1) {
      const range = await rangeOf(session, service, request.signal);
      const version = pickVersion(service, versions, range);
      const response = await session.http.request({
        ...rest,
        url,
        headers: { ...headers, ...versionHeaders(service, version) },
        // 406: the service was exchanged for an older one; nothing was done.
        accept: [...accept, 406],
      });
      if (response.status !== 406) return response;
      ranges.delete(service);
      if (attempt > 1) {
        throw new VmgpuError('unsupported', `the service ${service} speaks no version of this call`, {
          found: version,
          hint: 'several services of different releases may stand behind one address',
        });
      }
    }
  }

  return {
    request: async (service, request) => send(await opened(request), service, request),
    has: async (service, options) =>
      hasService((await opened(options)).token.catalog ?? [], service, settings),
    versions: async (service, options) => rangeOf(await opened(options), service, options?.signal),
    async caller(options): Promise<Caller> {
      const { token } = await opened(options);
      return {
        ...(token.user?.id === undefined ? {} : { userId: token.user.id }),
        ...(token.project?.id === undefined ? {} : { projectId: token.project.id }),
        roles: (token.roles ?? []).map(({ name }) => name),
      };
    },
    close: () => transport.close?.(),
  };
}

/** An address without version is one of newer catalogues. */
function compute21(service: ServiceType, address: string): string {
  return service !== 'compute' || /\/v2(\.\d+)?(\/|$)/.test(address) ? address : `${address}/v2.1`;
}

/** Origins of the services that will be called. The catalogue came from Keystone, which has our credentials anyway. */
function trusted(
  catalog: readonly CatalogEntry[],
  { endpoints = {}, ...choice }: EndpointChoice,
): readonly string[] {
  const urls = [
    ...Object.values(endpoints),
    ...catalog
      .flatMap((entry) => entry.endpoints)
      .filter(({ region, region_id }) => !choice.region || choice.region === (region_id ?? region))
      .map(({ url }) => url),
  ];
  return [...new Set(urls.flatMap((url) => (URL.canParse(url) ? [new URL(url).origin] : [])))].filter(
    (origin) => /^https?:/.test(origin),
  );
}

/** `…/v3`: as given, else what Keystone says about itself, else by convention. Links may name another host: only their path counts. */
async function identityBase(http: HttpPort, authUrl: string): Promise<string> {
  const url = authUrl.replace(/\/+$/, '');
  if (/\/v3$/.test(url)) return url;
  const response = await http.request({ method: 'GET', url: `${url}/`, accept: [300, 404] });
  const { versions } = (response.status === 404 ? {} : response.json()) as {
    versions?: { values?: readonly { id: string; links?: readonly { rel: string; href: string }[] }[] };
  };
  const href = versions?.values
    ?.find(({ id }) => id.startsWith('v3'))
    ?.links?.find(({ rel }) => rel === 'self')?.href;
  return href && URL.canParse(href)
    ? new URL(url).origin + new URL(href).pathname.replace(/\/+$/, '')
    : `${url}/v3`;
}

/** `POST /v3/auth/tokens`; the token comes in a header. Source: Keystone 22, Identity API v3. */
async function logIn(http: HttpPort, base: string, login: OpenStackLogin): Promise<Login> {
  const response = await http.request({
    method: 'POST',
    url: `${base}/auth/tokens`,
    json: await loginBody(login),
    // Logging in twice does no harm.
    repeat: 'always',
  });
  const id = response.headers['x-subject-token'];
  const { token } = response.json<{ readonly token?: Token }>();
  if (id !== undefined && token) return { id: new Secret(id), token };
  throw new VmgpuError('auth-failed', 'the answer to the login has no token', {
    expected: 'Keystone v3, with the header X-Subject-Token',
    hint: 'check that authUrl is the address of Keystone',
  });
}
