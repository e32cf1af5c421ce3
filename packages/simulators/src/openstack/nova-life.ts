/** What Nova does behind its answers, as far as the time has come for it. */
import { guestMdevs } from './mdevs.ts';
import { confOf, truthOf } from './nova-conf.ts';
import type { Times } from './route.ts';
import { schedule } from './scheduler.ts';
import type { ActionRecord, CloudState, ServerRecord } from './state.ts';

/** Carries out all that is due at this time, in its order. */
export function advance(state: CloudState, now: number, times: Times): void {
  for (;;) {
    const next = state.servers
      .filter(({ due }) => due !== null && due.at <= now)
      .sort((a, b) => (a.due?.at ?? 0) - (b.due?.at ?? 0))[0];
    if (!next?.due) return;
    const { at, what } = next.due;
    next.due = null;
    switch (what) {
      case 'schedule':
        build(state, next, at, times);
        break;
      case 'spawn':
        next.status = 'ACTIVE';
        next.task = null;
        next.launched = at;
        note(next, 'compute__do_build_and_run_instance', 'Success', at, null);
        break;
      case 'delete':
        // It shows as deleted while what it holds is still being given back.
        next.status = 'DELETED';
        next.task = null;
        next.due = { at: at + times.deleteMs / 2, what: 'destroy' };
        break;
      case 'destroy':
        remove(state, next);
        break;
      case 'migrate':
        migrate(state, next, at);
        break;
      case 'confirm':
        release(state, migrationOf(next));
        settle(next);
        break;
      case 'revert':
        revert(state, next);
        break;
      case 'stop':
        next.status = 'SHUTOFF';
        next.task = null;
        break;
      case 'start':
        next.status = 'ACTIVE';
        next.task = null;
        break;
    }
  }
}

function build(state: CloudState, server: ServerRecord, at: number, { buildMs, scheduleMs }: Times): void {
  const image = state.images.find(({ id }) => id === server.imageId);
  const placed = schedule(state, { id: server.id, flavor: server.flavor, image, without: [] });
  if ('message' in placed) {
    server.status = 'ERROR';
    server.task = null;
    server.fault = { code: 500, message: placed.message.slice(0, 255), created: at };
    note(server, 'conductor_build_instances', 'Error', at, placed.details);
    return;
  }
  hold(state, server.id, placed.host, placed.allocation, placed.devices);
  server.host = placed.host;
  server.task = 'spawning';
  server.due = { at: at + Math.max(0, buildMs - scheduleMs), what: 'spawn' };
}

function hold(
  state: CloudState,
  id: string,
  host: string,
  allocation: Readonly<Record<string, Readonly<Record<string, number>>>>,
  devices: readonly string[],
): void {
  state.allocations[id] = structuredClone(allocation) as Record<string, Record<string, number>>;
  for (const address of devices) state.claims[`${host} ${address}`] = id;
  state.mdevs[id] = guestMdevs(state, host, allocation);
}

/** Gives back all that a consumer holds. */
function release(state: CloudState, id: string): void {
  delete state.allocations[id];
  delete state.mdevs[id];
  for (const [device, owner] of Object.entries(state.claims)) {
    if (owner === id) delete state.claims[device];
  }
}

function remove(state: CloudState, server: ServerRecord): void {
  release(state, server.id);
  release(state, migrationOf(server));
  state.volumes = state.volumes.map((volume) =>
    volume.server === server.id ? { ...volume, server: null } : volume,
  );
  state.servers = state.servers.filter(({ id }) => id !== server.id);
  state.deletedServers = [...state.deletedServers, { ...server, status: 'DELETED', task: null }];
}

/** While a resize is not confirmed, its old host's things are held under the migration's name. */
function migrationOf({ id }: ServerRecord): string {
  return `migration of ${id}`;
}

function migrate(state: CloudState, server: ServerRecord, at: number): void {
  const wanted = server.old;
  if (!wanted) return;
  const image = state.images.find(({ id }) => id === server.imageId);
  // `old` carries the flavor to come until the move is done.
  const target = wanted.flavor;
  const sameHost = truthOf(confOf(state, 'nova-api'), 'default', 'allow_resize_to_same_host');
  const without = sameHost || server.host === null ? [] : [server.host];
  const placed = schedule(state, { id: server.id, flavor: target, image, without });
  if ('message' in placed) {
    // Nova takes it back by itself; only the action tells.
    note(server, 'conductor_migrate_server', 'Error', at, placed.details);
    server.old = null;
    server.status = wanted.wasActive ? 'ACTIVE' : 'SHUTOFF';
    server.task = null;
    return;
  }
  rename(state, server.id, migrationOf(server));
  hold(state, server.id, placed.host, placed.allocation, placed.devices);
  server.old = { flavor: server.flavor, wasActive: wanted.wasActive };
  server.flavor = target;
  server.host = placed.host;
  server.status = 'VERIFY_RESIZE';
  server.task = null;
  note(server, 'compute_finish_resize', 'Success', at, null);
}

function rename(state: CloudState, from: string, to: string): void {
  const held = state.allocations[from];
  delete state.allocations[from];
  if (held) state.allocations[to] = held;
  const mdevs = state.mdevs[from];
  delete state.mdevs[from];
  if (mdevs) state.mdevs[to] = mdevs;
  for (const [device, owner] of Object.entries(state.claims)) {
    if (owner === from) state.claims[device] = to;
  }
}

function settle(server: ServerRecord): void {
  server.status = server.old?.wasActive === false ? 'SHUTOFF' : 'ACTIVE';
  server.task = null;
  server.old = null;
}

function revert(state: CloudState, server: ServerRecord): void {
  release(state, server.id);
  rename(state, migrationOf(server), server.id);
  const host = Object.keys(state.allocations[server.id] ?? {}).find((name) =>
    state.hosts.some((one) => one.name === name),
  );
  server.host = host ?? server.host;
  if (server.old) server.flavor = server.old.flavor;
  settle(server);
}

/** Adds an event to the newest action. */
function note(
  server: ServerRecord,
  event: string,
  result: 'Success' | 'Error',
  time: number,
  details: string | null,
): void {
  const [newest, ...rest] = server.actions;
  if (!newest) return;
  const added: ActionRecord = {
    ...newest,
    events: [{ event, result, time, host: server.host, details }, ...newest.events],
  };
  server.actions = [added, ...rest];
}
