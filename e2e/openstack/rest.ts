/** Single calls to the real services, made without the code under test: to prepare, disturb, look and clean up. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '@vmgpu/core';
import type { OpenStackLogin } from '@vmgpu/openstack';
import { stateDirectory } from './cloud.ts';

export type Service = 'identity' | 'compute' | 'placement' | 'image' | 'network';

interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

interface Session {
  readonly token: string;
  readonly addresses: Readonly<Partial<Record<Service, string>>>;
}

let session: Promise<Session> | undefined;

async function logIn(): Promise<Session> {
  const openrc = readFileSync(join(stateDirectory, 'openrc'), 'utf8');
  const setting = (name: string) => new RegExp(`^export ${name}=(.*)$`, 'm').exec(openrc)?.[1] ?? '';
  const url = setting('OS_AUTH_URL');
  const domain = { id: 'default' };
  const user = { name: setting('OS_USERNAME'), password: setting('OS_PASSWORD'), domain };
  const response = await fetch(`${url}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user } },
        scope: { project: { name: setting('OS_PROJECT_NAME'), domain } },
      },
    }),
  });
  const { token } = (await response.json()) as {
    token: { catalog: { type: Service; endpoints: { url: string; interface: string }[] }[] };
  };
  const catalogue = token.catalog.map(({ type, endpoints }) => [
    type,
    endpoints.find((one) => one.interface === 'public')?.url,
  ]);
  return {
    token: response.headers.get('x-subject-token') ?? '',
    addresses: { ...Object.fromEntries(catalogue), identity: url },
  };
}

/** As the administrator. Throws for statuses of 400 and above that are not accepted. */
export async function rest<T = Record<string, unknown>>(
  service: Service,
  method: string,
  path: string,
  body?: unknown,
  { accept = [], type = 'application/json' }: { accept?: readonly number[]; type?: string } = {},
): Promise<Answer<T>> {
  session ??= logIn();
  const { token, addresses } = await session;
  const response = await fetch(`${addresses[service]}${path}`, {
    method,
    headers: {
      'x-auth-token': token,
      'openstack-api-version': service === 'compute' ? 'compute 2.90' : 'placement 1.36',
      ...(body === undefined ? {} : { 'content-type': type }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const { status } = response;
  if (status >= 400 && !accept.includes(status)) throw new Error(`${method} ${path}: ${status} ${text}`);
  return { status, body: (text.startsWith('{') ? JSON.parse(text) : {}) as T };
}

interface Named {
  readonly id: string;
  readonly name: string;
}

/** Finds or makes something of Keystone's. */
async function ensure(kind: 'user' | 'project' | 'role', name: string, more: object = {}): Promise<string> {
  const { body } = await rest<Record<string, readonly Named[]>>('identity', 'GET', `/${kind}s?name=${name}`);
  const [found] = body[`${kind}s`] ?? [];
  if (found) return found.id;
  const made = await rest<Record<string, Named>>('identity', 'POST', `/${kind}s`, {
    [kind]: { name, ...more },
  });
  return made.body[kind]?.id ?? '';
}

/** A login of its own for tests, with one role in a project, and with a password that must show up nowhere. */
export async function testUser(
  name: string,
  role: string,
  project: string,
): Promise<{ readonly login: OpenStackLogin; readonly password: string }> {
  const password = `canary-pw-${name}-03be44d1`;
  const user = await ensure('user', name, { password });
  const projectId = await ensure('project', project);
  const roleId = await ensure('role', role);
  await rest('identity', 'PUT', `/projects/${projectId}/users/${user}/roles/${roleId}`);
  return {
    password,
    login: {
      type: 'password',
      user: { id: user },
      password: new Secret(password),
      scope: { project: { id: projectId } },
    },
  };
}

/** Deletes what tests made: servers, flavors, properties of the image, names in Placement, limits. */
export async function cleanCloud(): Promise<void> {
  const listServers = () =>
    rest<{ servers: readonly Named[] }>('compute', 'GET', '/servers?all_tenants=1').then(
      ({ body }) => body.servers,
    );
  for (const { id } of await listServers()) {
    await rest('compute', 'DELETE', `/servers/${id}`, undefined, { accept: [404] });
  }
  while ((await listServers()).length > 0) await new Promise((resolve) => setTimeout(resolve, 300));
  const { flavors } = (await rest<{ flavors: readonly Named[] }>('compute', 'GET', '/flavors?is_public=None'))
    .body;
  for (const { id, name } of flavors) {
    if (name !== 'm1.tiny') await rest('compute', 'DELETE', `/flavors/${id}`, undefined, { accept: [404] });
  }
  const image = await tinyImage();
  const foreign = Object.keys(image).filter(
    (key) => /^(hw_|os_|img_|their_)/.test(key) && !/^os_hid|^os_hash/.test(key),
  );
  if (foreign.length > 0) await patchTiny(foreign.map((key) => ({ op: 'remove', path: `/${key}` })));
  await rest('placement', 'DELETE', '/traits/CUSTOM_THEIRS', undefined, { accept: [404, 409] });
}

export async function tinyImage(): Promise<Readonly<Record<string, unknown>> & { readonly id: string }> {
  const { body } = await rest<{ images: readonly { id: string }[] }>('image', 'GET', '/v2/images?name=tiny');
  const [image] = body.images;
  if (!image) throw new Error('the cloud has no image called tiny');
  return image as Readonly<Record<string, unknown>> & { readonly id: string };
}

export async function patchTiny(operations: readonly object[]): Promise<void> {
  const { id } = await tinyImage();
  const type = 'application/openstack-images-v2.1-json-patch';
  await rest('image', 'PATCH', `/v2/images/${id}`, operations, { type });
}

/** A network with addresses; its id. */
export async function makeNetwork(name: string): Promise<string> {
  const { body } = await rest<{ network: Named }>('network', 'POST', '/v2.0/networks', { network: { name } });
  const subnet = { network_id: body.network.id, ip_version: 4, cidr: '10.77.0.0/24', enable_dhcp: false };
  await rest('network', 'POST', '/v2.0/subnets', { subnet });
  return body.network.id;
}
