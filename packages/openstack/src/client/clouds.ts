/** `clouds.yaml` and the OS_* variables, from texts: whoever reads files and the environment hands them in. */
import { badInput, Secret, VmgpuError } from '@vmgpu/core';
import type { LoginScope, NamedOrId, OpenStackLogin } from './login.ts';
import type { Interface, ServiceType } from './services.ts';

export interface CloudSources {
  /** Which cloud; else `OS_CLOUD`, else the only one. Not needed with OS_* variables alone. */
  readonly cloud?: string;
  /** Text of `clouds.yaml`: from `OS_CLIENT_CONFIG_FILE`, `.`, `~/.config/openstack` or `/etc/openstack`, the first there is. */
  readonly clouds?: string;
  /** Text of `secure.yaml`, found the same way (`OS_CLIENT_SECURE_FILE`); its values win. */
  readonly secure?: string;
  /** Text of `clouds-public.yaml`, which `profile` refers to. */
  readonly publicClouds?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Reads YAML. */
  readonly parseYaml: (text: string) => unknown;
}

/** What `createOpenStack` needs, but for files of certificates, which are named only. */
export interface CloudConnection {
  readonly authUrl: string;
  readonly login: OpenStackLogin;
  readonly region?: string;
  readonly interfaces?: readonly Interface[];
  readonly endpoints?: Readonly<Partial<Record<ServiceType, string>>>;
  readonly tls: {
    readonly caFile?: string;
    readonly certificateFile?: string;
    readonly keyFile?: string;
    readonly insecureSkipTlsVerify?: true;
  };
}

type Settings = Readonly<Record<string, unknown>>;

/** Throws `bad-input` that names what is missing and where it may be said. Source: openstacksdk, "Configuring OpenStack SDK Applications". */
export function readCloud(sources: CloudSources): CloudConnection {
  const { env = {} } = sources;
  const name = sources.cloud ?? env.OS_CLOUD;
  const file = sources.clouds === undefined ? undefined : document(sources, 'clouds', 'clouds.yaml');
  const useEnv = name === 'envvars' || (name === undefined && env.OS_AUTH_URL !== undefined);
  const cloud = useEnv || file === undefined ? fromEnv(env, name, file) : fromFile(sources, file, name);
  return connectionOf(cloud, useEnv || file === undefined ? 'OS_*' : 'clouds.yaml');
}

function document(
  { parseYaml, ...sources }: CloudSources,
  key: 'clouds' | 'secure' | 'publicClouds',
  file: string,
): Settings {
  const parsed = parseYaml(sources[key] ?? '');
  if (parsed === null || parsed === undefined) return {};
  if (typeof parsed === 'object' && !Array.isArray(parsed)) return parsed as Settings;
  throw badInput('not a clouds file', { where: { file }, expected: 'a mapping with the key clouds' });
}

function fromFile(sources: CloudSources, file: Settings, name: string | undefined): Settings {
  const clouds = settings(file.clouds);
  const names = Object.keys(clouds);
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined || !(chosen in clouds)) {
    throw new VmgpuError(
      chosen === undefined ? 'bad-input' : 'unknown-name',
      'which cloud is meant is not clear',
      {
        where: { file: 'clouds.yaml' },
        ...(chosen === undefined ? {} : { found: chosen }),
        expected: names.join(', ') || 'a cloud below the key clouds',
        hint: 'name it (cloud), or set OS_CLOUD',
      },
    );
  }
  const own = settings(clouds[chosen]);
  const profile = typeof own.profile === 'string' ? own.profile : undefined;
  const base =
    profile === undefined || sources.publicClouds === undefined
      ? {}
      : settings(settings(document(sources, 'publicClouds', 'clouds-public.yaml')['public-clouds'])[profile]);
  const secure =
    sources.secure === undefined
      ? {}
      : settings(settings(document(sources, 'secure', 'secure.yaml').clouds)[chosen]);
  return merged(merged(base, own), secure);
}

function merged(below: Settings, above: Settings): Settings {
  const entries = Object.entries(above).map(([key, value]) => {
    const old = below[key];
    return [key, isPlain(value) && isPlain(old) ? merged(old, value) : value] as const;
  });
  return { ...below, ...Object.fromEntries(entries) };
}

function isPlain(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function settings(value: unknown): Settings {
  return isPlain(value) ? value : {};
}

/** Variables that are not part of `auth`. */
const outside =
  /^(region_name|interface|endpoint_type|cacert|cert|key|insecure|verify|auth_type|identity_api_version|.*_endpoint_override)$/;

function fromEnv(
  env: NonNullable<CloudSources['env']>,
  name: string | undefined,
  file: Settings | undefined,
): Settings {
  if (env.OS_AUTH_URL === undefined) {
    throw badInput('no cloud is named', {
      expected: 'a clouds.yaml, or the variables OS_AUTH_URL, OS_USERNAME ... (openrc)',
      ...(name === undefined ? {} : { found: name }),
      ...(file ? { hint: `clouds.yaml has ${Object.keys(settings(file.clouds)).join(', ')}` } : {}),
    });
  }
  const auth: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(env)) {
    const key = /^OS_([A-Z0-9_]+)$/.exec(variable)?.[1]?.toLowerCase();
    if (key === undefined || value === undefined || value === '') continue;
    if (outside.test(key)) rest[key] = value;
    else auth[key] = value;
  }
  return { ...rest, auth };
}

const interfaces = ['public', 'internal', 'admin'] as const;
const services: readonly ServiceType[] = [
  'compute',
  'placement',
  'image',
  'network',
  'identity',
  'accelerator',
  'block-storage',
];

function connectionOf(cloud: Settings, place: string): CloudConnection {
  const auth = settings(cloud.auth);
  const authUrl = textOf(auth.auth_url);
  if (authUrl === undefined) {
    throw badInput('the cloud has no auth_url', {
      where: { path: `${place}: auth.auth_url` },
      expected: 'the address of Keystone',
    });
  }
  const wanted = textOf(cloud.interface) ?? textOf(cloud.endpoint_type);
  const chosen = interfaces.find((one) => wanted?.replace(/URL$/, '') === one);
  if (wanted !== undefined && !chosen) {
    throw badInput('no such interface', {
      where: { path: `${place}: interface` },
      found: wanted,
      expected: interfaces.join(', '),
    });
  }
  const endpoints = Object.fromEntries(
    services.flatMap((service) => {
      const url = textOf(cloud[`${service.replaceAll('-', '_')}_endpoint_override`]);
      return url === undefined ? [] : [[service, url]];
    }),
  );
  const regions = Array.isArray(cloud.regions) ? cloud.regions : [];
  const onlyRegion = regions.length === 1 ? (isPlain(regions[0]) ? regions[0].name : regions[0]) : undefined;
  const region = textOf(cloud.region_name) ?? textOf(onlyRegion);
  return {
    authUrl,
    login: loginOf(cloud, auth, place),
    ...(region === undefined ? {} : { region }),
    ...(chosen ? { interfaces: [chosen] } : {}),
    ...(Object.keys(endpoints).length > 0 ? { endpoints } : {}),
    tls: tlsOf(cloud),
  };
}

function loginOf(cloud: Settings, auth: Settings, place: string): OpenStackLogin {
  const type = (textOf(cloud.auth_type) ?? textOf(auth.auth_type) ?? guess(auth)).replace(/^v3/, '');
  const need = (key: string): Secret => {
    const value = textOf(auth[key]);
    if (value !== undefined) return new Secret(value);
    throw badInput(`the cloud has no ${key}`, {
      where: { path: `${place}: auth.${key}` },
      expected:
        place === 'OS_*'
          ? `the variable OS_${key.toUpperCase()}`
          : `auth.${key} in clouds.yaml or secure.yaml`,
    });
  };
  const user = named(auth, 'user', textOf(auth.username) ?? textOf(auth.user_name));
  const scope = scopeOf(auth);
  switch (type) {
    case 'password':
      return { type: 'password', user, password: need('password'), ...(scope ? { scope } : {}) };
    case 'applicationcredential':
    case 'application_credential': {
      const id = textOf(auth.application_credential_id);
      const name = textOf(auth.application_credential_name);
      return {
        type: 'application-credential',
        ...(id === undefined ? {} : { id }),
        ...(name === undefined ? {} : { name }),
        ...(id === undefined ? { user } : {}),
        secret: need('application_credential_secret'),
      };
    }
    case 'token':
      return { type: 'token', token: need('token'), ...(scope ? { scope } : {}) };
    default:
      throw new VmgpuError('unsupported', 'this way of logging in is not known', {
        where: { path: `${place}: auth_type` },
        found: type,
        expected: 'password, token or v3applicationcredential',
        hint: 'get a token with the official client (openstack token issue), and use auth_type token',
      });
  }
}

function guess(auth: Settings): string {
  if (auth.application_credential_secret !== undefined) return 'applicationcredential';
  return auth.token !== undefined && auth.password === undefined ? 'token' : 'password';
}

function scopeOf(auth: Settings): LoginScope | undefined {
  if (auth.system_scope !== undefined) return { system: 'all' };
  const project = named(auth, 'project', textOf(auth.project_name) ?? textOf(auth.tenant_name));
  if (project.id !== undefined || project.name !== undefined) return { project };
  const id = textOf(auth.domain_id);
  const name = textOf(auth.domain_name);
  if (id !== undefined) return { domain: { id } };
  return name === undefined ? undefined : { domain: { name } };
}

/** `X_id`, or a name with `X_domain_id`, `X_domain_name`, or the default domain, as the official clients do. */
function named(auth: Settings, kind: 'user' | 'project', name: string | undefined): NamedOrId {
  const id = textOf(auth[`${kind}_id`]);
  if (id !== undefined) return { id };
  if (name === undefined) return {};
  const domainId = textOf(auth[`${kind}_domain_id`]);
  const domainName = textOf(auth[`${kind}_domain_name`]) ?? textOf(auth.domain_name);
  if (domainId !== undefined) return { name, domain: { id: domainId } };
  return {
    name,
    domain:
      domainName === undefined ? { id: textOf(auth.default_domain) ?? 'default' } : { name: domainName },
  };
}

/** `verify: false` and `insecure: true` mean the same; `verify` wins. */
function tlsOf(cloud: Settings): CloudConnection['tls'] {
  const off =
    cloud.verify === undefined
      ? /^(true|1|yes)$/i.test(String(cloud.insecure ?? ''))
      : /^(false|0|no)$/i.test(String(cloud.verify));
  const [ca, certificate, key] = [textOf(cloud.cacert), textOf(cloud.cert), textOf(cloud.key)];
  return {
    ...(ca === undefined || off ? {} : { caFile: ca }),
    ...(certificate === undefined ? {} : { certificateFile: certificate }),
    ...(key === undefined ? {} : { keyFile: key }),
    ...(off ? { insecureSkipTlsVerify: true as const } : {}),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
