/** Nova's servers. Source: Nova 26, Compute API reference, "Servers", "Servers - run an action", "Servers actions". */
import type { CallOptions } from '@vmgpu/core';
import { type ServerState, serverMicroversion } from '../translate/server.ts';
import type { NovaServer } from '../translate/snapshot.ts';
import { listAll } from './pages.ts';
import { ask, askOrNull, at, type OsPort } from './port.ts';

/** What steps read of a server; 2.47 and later embed the flavor. */
export interface ServerAnswer extends NovaServer {
  readonly id: string;
  readonly status: string;
  /** When it last changed, by Nova's clock. */
  readonly updated?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly image?: { readonly id?: string } | '';
  readonly fault?: { readonly code?: number; readonly message?: string; readonly details?: string };
  readonly 'OS-EXT-STS:task_state'?: string | null;
  readonly 'OS-EXT-SRV-ATTR:host'?: string | null;
  readonly 'OS-SRV-USG:launched_at'?: string | null;
  readonly 'os-extended-volumes:volumes_attached'?: readonly {
    readonly id: string;
    readonly delete_on_termination?: boolean;
  }[];
}

const embedding = ['2.47'];

/** For a filter of Nova's, which escapes `|` by itself: escaped twice it would be an alternative. */
function escaped(text: string): string {
  return text.replace(/[\\^$.?*+()[\]{}]/g, '\\$&');
}

/** `GET /servers/detail?name=`, all pages: the servers of the project with exactly this name. The filter is a regular expression. */
export async function findServers(
  os: OsPort,
  name: string,
  options: CallOptions,
): Promise<readonly ServerAnswer[]> {
  const request = {
    method: 'GET',
    path: '/servers/detail',
    query: { name: `^${escaped(name)}$` },
    versions: embedding,
    ...options,
  } as const;
  const found = await listAll<ServerAnswer>(os, 'compute', request, 'servers');
  // Databases compare without regard to case.
  return found.filter((server) => server.name === name);
}

/**
 * `GET /servers/detail?changes-since=`, all pages: servers of the project whose name begins so, as far as they changed since then;
 * deleted ones are left out. Nova takes no list of names: it escapes `|` (Nova 26, nova/db/main/api.py, _safe_regex_mysql).
 */
export async function listChangedServers(
  os: OsPort,
  prefix: string,
  since: Date,
  options: CallOptions,
): Promise<readonly ServerAnswer[]> {
  const changed = { 'changes-since': since.toISOString().replace(/\.\d+/, '') };
  const query = prefix === '' ? changed : { ...changed, name: `^${escaped(prefix)}` };
  const request = {
    method: 'GET',
    path: '/servers/detail',
    query,
    versions: embedding,
    ...options,
  } as const;
  const found = await listAll<ServerAnswer>(os, 'compute', request, 'servers');
  return found.filter(({ status }) => status !== 'DELETED');
}

/** `GET /servers/{id}`; null when there is none in the project. */
export async function getServer(os: OsPort, id: string, options: CallOptions): Promise<ServerAnswer | null> {
  const request = { method: 'GET', path: at`/servers/${id}`, versions: embedding, ...options } as const;
  const answer = await askOrNull<{ server: ServerAnswer }>(os, 'compute', request);
  return answer?.server ?? null;
}

/** `POST /servers` (202); the id. The administrator's password in the answer is not read. */
export async function createServer(os: OsPort, state: ServerState, options: CallOptions): Promise<string> {
  const versions = [serverMicroversion(state.server)];
  const request = { method: 'POST', path: '/servers', json: state, versions, ...options } as const;
  return (await ask<{ server: { id: string } }>(os, 'compute', request)).server.id;
}

/** `DELETE /servers/{id}`; gone is done. It takes a while. */
export async function deleteServer(os: OsPort, id: string, options: CallOptions): Promise<void> {
  await os.request('compute', {
    method: 'DELETE',
    path: at`/servers/${id}`,
    versions: ['2.1'],
    accept: [404],
    ...options,
  });
}

export type ServerAction =
  | { readonly resize: { readonly flavorRef: string } }
  | { readonly confirmResize: null }
  | { readonly revertResize: null };

/** `POST /servers/{id}/action` (202, 204). 409 when the server's state does not allow it now. */
export async function actOnServer(
  os: OsPort,
  id: string,
  action: ServerAction,
  options: CallOptions,
): Promise<void> {
  await os.request('compute', {
    method: 'POST',
    path: at`/servers/${id}/action`,
    json: action,
    versions: ['2.1'],
    ...options,
  });
}

export interface ActionEvent {
  readonly event?: string;
  readonly result?: string;
  readonly details?: string | null;
}

/**
 * `GET /servers/{id}/os-instance-actions`, then the newest one's events, newest first. From 2.84 they have details, for
 * administrators; others see no events at all before 2.51.
 */
export async function lastActionEvents(
  os: OsPort,
  id: string,
  options: CallOptions,
): Promise<readonly ActionEvent[]> {
  const versions = ['2.84', '2.51'];
  const path = at`/servers/${id}/os-instance-actions`;
  const list = await ask<{ instanceActions: readonly { request_id: string }[] }>(os, 'compute', {
    method: 'GET',
    path,
    versions,
    ...options,
  });
  const newest = list.instanceActions[0]?.request_id;
  if (newest === undefined) return [];
  const one = await ask<{ instanceAction: { events?: readonly ActionEvent[] } }>(os, 'compute', {
    method: 'GET',
    path: `${path}/${encodeURIComponent(newest)}`,
    versions,
    ...options,
  });
  return one.instanceAction.events ?? [];
}
