import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { decode, type Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import type { Acl, UserScenario } from './scenario.ts';
import type { ClusterState } from './state.ts';

/** Who calls. `id` is `user@realm`, or `user@realm!token`. */
export interface Caller {
  readonly id: string;
  readonly token: boolean;
}

const ticketLife = 2 * 60 * 60 * 1000;

/** Reads the credentials of a request. Source: pve-http-server 6.0.5, PVE::HTTPServer; pve-access-control 9.1.1. */
export function authenticate(
  state: ClusterState,
  headers: IncomingHttpHeaders,
  method: string,
  now: number,
): Caller {
  const { authorization = '', cookie = '' } = headers;
  if (authorization.startsWith('PVEAPIToken')) return tokenCaller(state, authorization);
  const ticket = /(?:^|;\s*)PVEAuthCookie=([^;]+)/.exec(cookie)?.[1];
  if (ticket === undefined) throw refuse('No ticket', 401);
  const known = state.tickets[decode(ticket.replaceAll('+', '%2B'))];
  if (!known || known.expires <= now || known.user.startsWith('!'))
    throw refuse('permission denied - invalid PVE ticket', 401);
  if (method !== 'GET' && headers.csrfpreventiontoken !== known.csrf) {
    throw refuse('Permission denied - invalid csrf token', 401);
  }
  return { id: known.user, token: false };
}

function tokenCaller(state: ClusterState, header: string): Caller {
  const [, user = '', name = '', secret = ''] = /^PVEAPIToken[= ]([^!]+)!([^=]+)=(.+)$/.exec(header) ?? [];
  const token = state.users.find(({ id }) => id === user)?.tokens?.[name];
  if (!token) throw refuse('no such token', 401);
  if (token.secret !== decode(secret.replaceAll('+', '%2B'))) throw refuse('invalid token value!', 401);
  return { id: `${user}!${name}`, token: true };
}

/** `POST /access/ticket`: password, renewal with a ticket as password, and the second factor. */
export function logIn(state: ClusterState, params: Params, now: number): Record<string, unknown> {
  const {
    username: name,
    realm,
    password,
    'tfa-challenge': challenge,
  } = params as Record<string, string | undefined>;
  const username =
    name === undefined || realm === undefined || name.includes('@') ? name : `${name}@${realm}`;
  if (username === undefined || password === undefined) {
    throw badParameters(
      username === undefined
        ? { username: 'property is missing and it is not optional' }
        : { password: 'property is missing and it is not optional' },
    );
  }
  const user = state.users.find(({ id }) => id === username);
  const old = state.tickets[password];
  if (old && old.user === username && old.expires > now) return newTicket(state, username, now);
  if (challenge !== undefined) {
    const begun = state.tickets[challenge];
    if (begun?.user !== `!tfa!${username}` || password !== `totp:${user?.totp}`)
      throw refuse('authentication failure', 401);
    return newTicket(state, username, now);
  }
  if (!user?.password || user.password !== password) throw refuse('authentication failure', 401);
  if (user.totp === undefined) return newTicket(state, username, now);
  const { ticket } = newTicket(state, `!tfa!${username}`, now);
  return { username, ticket, NeedTFA: 1 };
}

function newTicket(state: ClusterState, user: string, now: number) {
  const ticket = `PVE:${user}:${Math.floor(now / 1000)
    .toString(16)
    .toUpperCase()}::${randomBytes(24).toString('base64')}`;
  const csrf = `${Math.floor(now / 1000)
    .toString(16)
    .toUpperCase()}:${randomBytes(16).toString('base64')}`;
  state.tickets[ticket] = { user, csrf, expires: now + ticketLife };
  return { username: user, ticket, CSRFPreventionToken: csrf, cap: {} };
}

/** Only this id may set what is root's; no token is it. Source: qemu-server, `$authuser eq 'root@pam'`. */
export function isRoot(caller: Caller): boolean {
  return caller.id === 'root@pam';
}

/**
 * Privileges on a path. The deepest entry at or above it counts and replaces what is inherited; an entry that does not
 * propagate counts on its own path only. Source: pve-access-control 9.1.1, PVE::AccessControl `roles`.
 */
export function privilegesOn(state: ClusterState, caller: Caller, path: string): ReadonlySet<string> {
  const [owner = '', token] = caller.id.split('!');
  const user = state.users.find(({ id }) => id === owner);
  const privsep = token !== undefined && user?.tokens?.[token]?.privsep !== false;
  const own = owner === 'root@pam' ? everything : granted(user?.acl, path);
  if (!privsep) return own;
  return new Set([...granted(user?.tokenAcl?.[token], path)].filter((privilege) => own.has(privilege)));
}

const everything: ReadonlySet<string> = { has: () => true } as unknown as ReadonlySet<string>;

function granted(acl: Acl | undefined, path: string): ReadonlySet<string> {
  const entries = Object.entries(acl ?? {}).map(([at, entry]) => ({
    at,
    privileges: 'privileges' in entry ? entry.privileges : entry,
    propagate: 'privileges' in entry ? entry.propagate : true,
  }));
  const [deepest] = entries
    .filter(({ at, propagate }) => at === path || (propagate && (at === '/' || path.startsWith(`${at}/`))))
    .sort((a, b) => b.at.length - a.at.length);
  return new Set(deepest?.privileges);
}

/** Throws the 403 of PVE::RPCEnvironment unless one (`any`) or all of the privileges are there. */
export function demand(
  state: ClusterState,
  caller: Caller,
  path: string,
  privileges: readonly string[],
  any = false,
): void {
  const own = privilegesOn(state, caller, path);
  const missing = privileges.filter((privilege) => !own.has(privilege));
  if (missing.length === 0 || (any && missing.length < privileges.length)) return;
  throw refuse(`Permission check failed (${path}, ${any ? privileges.join('|') : missing[0]})\n`, 403);
}

/** `GET /access/permissions`: what the caller has, by the paths that ACLs name. */
export function permissions(
  state: ClusterState,
  caller: Caller,
  params: Params = {},
): Record<string, Record<string, number>> {
  if (params.userid !== undefined && params.userid !== caller.id) {
    demand(state, caller, '/access', ['Sys.Audit']);
    return permissions(
      state,
      { id: String(params.userid), token: String(params.userid).includes('!') },
      {
        ...(params.path === undefined ? {} : { path: params.path }),
      },
    );
  }
  const [owner = '', token] = caller.id.split('!');
  const user = state.users.find(({ id }) => id === owner);
  const all = privilegesOn(state, caller, '/') === everything;
  const named = [...Object.keys(user?.acl ?? {}), ...Object.keys(user?.tokenAcl?.[token ?? ''] ?? {})];
  const paths =
    params.path === undefined
      ? ['/', '/access', '/mapping/pci', '/nodes', '/sdn', '/storage', '/vms', ...named].filter(
          (path) => all || named.includes(path),
        )
      : [String(params.path)];
  return Object.fromEntries(
    [...new Set(paths)].map((path) => {
      const names = all ? allPrivileges : [...privilegesOn(state, caller, path)];
      return [path, Object.fromEntries(names.map((name) => [name, propagates(user, token, path) ? 1 : 0]))];
    }),
  );
}

/** 1 in the answer says that it holds for everything below as well. */
function propagates(user: UserScenario | undefined, token: string | undefined, path: string): boolean {
  return [user?.acl, user?.tokenAcl?.[token ?? '']].every((acl) => {
    const entry = acl?.[path];
    return entry === undefined || !('privileges' in entry) || entry.propagate;
  });
}

const allPrivileges = [
  'Datastore.AllocateSpace',
  'Datastore.Audit',
  'Mapping.Audit',
  'Mapping.Modify',
  'Mapping.Use',
  'SDN.Use',
  'Sys.Audit',
  'Sys.Modify',
  'VM.Allocate',
  'VM.Audit',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Cloudinit',
  'VM.Config.Disk',
  'VM.Config.HWType',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.Options',
  'VM.Migrate',
  'VM.PowerMgmt',
] as const;
