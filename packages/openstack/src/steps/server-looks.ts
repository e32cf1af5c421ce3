import type { CallOptions, Clock } from '@vmgpu/core';
import { raceSignal } from '@vmgpu/core/resilience';
import type { OsPort } from '../client/port.ts';
import { findServers, getServer, type ServerAnswer } from '../client/servers.ts';

/** Looks at servers that are being built: many at once cost one request, not one each. */
export interface ServerLooks {
  /** Says that this server will be looked at, until the returned function is called. */
  expect(server: BuildingServer): () => void;
  /** The server now, or as it was a moment ago; null when it is gone. */
  look(server: BuildingServer, options: CallOptions): Promise<ServerAnswer | null>;
}

export interface BuildingServer {
  readonly id: string;
  readonly name: string;
}

/** How old, in ms, an answer may be that is shared. */
const freshMs = 1_000;
/** The names stand in the address of the request. */
const mostNames = 40;

interface Shared {
  readonly at: number;
  readonly names: ReadonlySet<string>;
  readonly servers: Promise<ReadonlyMap<string, ServerAnswer>>;
}

export function createServerLooks(os: OsPort, clock: Clock): ServerLooks {
  const expected = new Map<string, string>();
  let shared: Shared | undefined;

  function listAll(): Shared {
    const names = [...new Set(expected.values())].slice(0, mostNames);
    const servers = findServers(os, names, {}).then((all) => new Map(all.map((one) => [one.id, one])));
    const listing = { at: clock.now(), names: new Set(names), servers };
    servers.catch(() => {
      if (shared === listing) shared = undefined;
    });
    return listing;
  }

  return {
    expect({ id, name }) {
      expected.set(id, name);
      return () => expected.delete(id);
    },
    async look({ id, name }, options) {
      if (expected.size < 2) return getServer(os, id, options);
      const isFresh = shared !== undefined && clock.now() - shared.at < freshMs && shared.names.has(name);
      if (!isFresh) shared = listAll();
      const servers = await raceSignal(shared?.servers ?? Promise.resolve(new Map()), options.signal);
      // Not in the list: ordered after it was read, or gone.
      return servers.get(id) ?? getServer(os, id, options);
    },
  };
}
