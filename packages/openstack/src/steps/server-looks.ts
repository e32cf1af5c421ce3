import type { CallOptions, Clock } from '@vmgpu/core';
import { raceSignal } from '@vmgpu/core/resilience';
import type { OsPort } from '../client/port.ts';
import { getServer, listChangedServers, type ServerAnswer } from '../client/servers.ts';

/** Looks at servers that are being built: many at once cost one request, not one each. */
export interface ServerLooks {
  /** Says that this server will be looked at, until the returned function is called. */
  expect(server: BuildingServer): () => void;
  /** How old, in ms, a shared answer may get: looking as often costs nothing more. Undefined while looks are not shared. */
  sharedMs(): number | undefined;
  /** The server as it was a moment ago; null when it is gone, undefined when this look did not show it. */
  look(server: BuildingServer, options: CallOptions): Promise<ServerAnswer | null | undefined>;
}

export interface BuildingServer {
  readonly id: string;
  readonly name: string;
}

/** How old, in ms, an answer may be that is shared; and one that was asked for before the server was known. */
const freshMs = 1_000;
const freshForOthersMs = 500;
/** How far back, in ms, the first list asks for changes, by the clock of this machine: clocks differ by less. */
const firstChangesMs = 10 * 60_000;
/** How far behind the newest change that Nova told of, in ms, later ones begin: cells write at the same time, not in order. */
const overlapMs = 15_000;
/** Nova does not list a server for a moment, while it goes from the API to its cell: gone is what a look of its own does not find. */
const mostMisses = 4;

interface Shared {
  /** When its answer came; undefined while it is under way. */
  at?: number;
  readonly names: ReadonlySet<string>;
  readonly servers: Promise<ReadonlyMap<string, ServerAnswer>>;
}

export function createServerLooks(os: OsPort, clock: Clock): ServerLooks {
  const expected = new Map<string, { readonly name: string; misses: number }>();
  let shared: Shared | undefined;
  /** By Nova's clock. */
  let newest: number | undefined;

  function listNow(): Shared {
    const names = [...expected.values()].map(({ name }) => name);
    const since = new Date(newest === undefined ? clock.now() - firstChangesMs : newest - overlapMs);
    const servers = listChangedServers(os, commonPrefix(names), since, {}).then(
      (all) => new Map(all.map((one) => [one.id, one])),
    );
    const listing: Shared = { names: new Set(names), servers };
    servers.then(
      (all) => {
        listing.at = clock.now();
        newest = newestChange(all.values()) ?? newest;
      },
      () => {
        if (shared === listing) shared = undefined;
      },
    );
    return listing;
  }

  function isFresh({ at, names }: Shared, name: string): boolean {
    return at === undefined || clock.now() - at < (names.has(name) ? freshMs : freshForOthersMs);
  }

  return {
    expect({ id, name }) {
      expected.set(id, { name, misses: 0 });
      return () => {
        expected.delete(id);
        // A list that hangs is not waited for by those who come later.
        if (expected.size === 0) shared = undefined;
      };
    },
    sharedMs: () => (expected.size < 2 ? undefined : freshMs),
    async look({ id, name }, options) {
      const own = expected.get(id);
      if (!own || expected.size < 2) return getServer(os, id, options);
      if (!shared || !isFresh(shared, name)) shared = listNow();
      const { names, servers: listed } = shared;
      const servers = await raceSignal(listed, options.signal);
      const server = servers.get(id);
      if (server) return server;
      if (!names.has(name)) return undefined;
      own.misses += 1;
      return own.misses % mostMisses === 0 ? getServer(os, id, options) : undefined;
    },
  };
}

function newestChange(servers: Iterable<ServerAnswer>): number | undefined {
  const times = [...servers].map(({ updated = '' }) => Date.parse(updated)).filter((time) => time > 0);
  return times.length === 0 ? undefined : Math.max(...times);
}

function commonPrefix([first = '', ...rest]: readonly string[]): string {
  let length = first.length;
  for (const name of rest) while (!name.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}
