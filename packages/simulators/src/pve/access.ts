import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
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
  const known = state.tickets[decodeURIComponent(ticket)];
  if (!known || known.expires <= now) throw refuse('permission denied - invalid PVE ticket', 401);
  if (method !== 'GET' && headers.csrfpreventiontoken !== known.csrf) {
    throw refuse('Permission denied - invalid csrf token', 401);
  }
  return { id: known.user, token: false };
}

function tokenCaller(state: ClusterState, header: string): Caller {
  const [, user = '', name = '', secret = ''] = /^PVEAPIToken[= ]([^!]+)!([^=]+)=(.+)$/.exec(header) ?? [];
  const token = state.users.find(({ id }) => id === user)?.tokens?.[name];
  if (!token) throw refuse('no such token', 401);
  if (token.secret !== decodeURIComponent(secret)) throw refuse('invalid token value!', 401);
  return { id: `${user}!${name}`, token: true };
}

/** `POST /access/ticket`: password, renewal with a ticket as password, and the second factor. */
export function logIn(state: ClusterState, params: Params, now: number): Record<string, unknown> {
  const { username, password, 'tfa-challenge': challenge } = params as Record<string, string | undefined>;
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

/** Privileges on a path: those of the nearest entries above add up, as ACLs propagate. */
export function privilegesOn(state: ClusterState, caller: Caller, path: string): ReadonlySet<string> {
  const [owner = '', token] = caller.id.split('!');
  const user = state.users.find(({ id }) => id === owner);
  if (owner === 'root@pam' && (token === undefined || user?.tokens?.[token]?.privsep === false))
    return everything;
  const own = collect(user?.acl, path);
  const privsep = token !== undefined && user?.tokens?.[token]?.privsep !== false;
  if (!privsep) return own;
  const tokens = collect(user?.tokenAcl?.[token], path);
  return new Set([...tokens].filter((privilege) => owner === 'root@pam' || own.has(privilege)));
}

const everything: ReadonlySet<string> = { has: () => true } as unknown as ReadonlySet<string>;

function collect(acl: Readonly<Record<string, readonly string[]>> | undefined, path: string): Set<string> {
  return new Set(
    Object.entries(acl ?? {})
      .filter(([at]) => at === '/' || path === at || path.startsWith(`${at}/`))
      .flatMap(([, privileges]) => privileges),
  );
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
export function permissions(state: ClusterState, caller: Caller): Record<string, Record<string, number>> {
  const [owner = '', token] = caller.id.split('!');
  const user = state.users.find(({ id }) => id === owner);
  if (privilegesOn(state, caller, '/') === everything) {
    return Object.fromEntries(
      ['/', '/vms', '/mapping/pci', '/storage', '/sdn', '/nodes'].map((path) => [
        path,
        Object.fromEntries(allPrivileges.map((name) => [name, 1])),
      ]),
    );
  }
  const paths = [...Object.keys(user?.acl ?? {}), ...Object.keys(user?.tokenAcl?.[token ?? ''] ?? {})];
  return Object.fromEntries(
    [...new Set(paths)].map((path) => [
      path,
      Object.fromEntries([...privilegesOn(state, caller, path)].map((name) => [name, 1])),
    ]),
  );
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
