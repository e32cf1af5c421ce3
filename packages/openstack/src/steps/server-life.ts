import { type CallOptions, isVmgpuError, type StepContext, type VmgpuError } from '@vmgpu/core';
import type { Probe } from '@vmgpu/core/resilience';
import { faultError } from '../client/errors.ts';
import { deleteServer, getServer, lastActionEvents, type ServerAnswer } from '../client/servers.ts';
import { deleteVolume } from '../client/volumes.ts';
import { type StepEnv, settle } from './env.ts';

/** A server that is going, and no longer counts. */
export function isGoing(server: ServerAnswer): boolean {
  return (
    server['OS-EXT-STS:task_state'] === 'deleting' || ['DELETED', 'SOFT_DELETED'].includes(server.status)
  );
}

interface Wait {
  readonly id: string;
  readonly timeoutMs: number;
  /** Statuses that end the wait well; ERROR always ends it. */
  readonly until: readonly string[];
}

interface Looks {
  /** Undefined when it did not show the server. */
  readonly look: (options: CallOptions) => Promise<ServerAnswer | null | undefined>;
  /** The longest pause that is worth while, in ms, where looks are shared. */
  readonly againMs?: () => number | undefined;
}

/** How long, in ms, even the quickest build takes: a look before that would be in vain. */
const quickestBuildMs = 1_200;

/** Waits for a server that was just ordered, together with all others that are being built. */
export async function awaitBuild(
  env: StepEnv,
  context: StepContext,
  name: string,
  wait: Wait,
): Promise<ServerAnswer | null> {
  const server = { id: wait.id, name };
  const done = env.looks.expect(server);
  try {
    context.emit({ message: `${name}: ordered`, fraction: 0 });
    await context.clock.sleep(quickestBuildMs, context.signal);
    return await awaitServer(env, context, wait, {
      look: (options) => env.looks.look(server, options),
      againMs: env.looks.sharedMs,
    });
  } finally {
    done();
  }
}

/** How far a build is, by Nova's own task states; the time of each differs too much for more. */
const progress: Readonly<Record<string, number>> = {
  scheduling: 0.1,
  networking: 0.3,
  block_device_mapping: 0.4,
  spawning: 0.6,
  resize_prep: 0.2,
  resize_migrating: 0.4,
  resize_migrated: 0.6,
  resize_finish: 0.8,
};

/**
 * Waits until Nova is done with a server, by looking: soon at first, because most servers need a second or two, then ever
 * more rarely. Resolves with the server, in ERROR too; null when it is gone.
 */
export function awaitServer(
  env: StepEnv,
  { retry, signal, emit }: StepContext,
  { id, timeoutMs, until }: Wait,
  { look, againMs }: Looks = { look: (options) => getServer(env.os, id, options) },
): Promise<ServerAnswer | null> {
  return retry.poll<ServerAnswer | null>(
    async (): Promise<Probe<ServerAnswer | null>> => {
      const server = await look({ signal });
      const soon = againMs?.();
      const again = soon === undefined ? {} : { againMs: soon };
      if (server === undefined) return { done: false, ...again };
      if (!server) return { done: true, value: null };
      const task = server['OS-EXT-STS:task_state'] ?? undefined;
      const fraction = task === undefined ? undefined : progress[task];
      emit({
        message: `${server.name}: ${server.status}${task === undefined ? '' : `, ${task}`}`,
        ...(fraction === undefined ? {} : { fraction }),
      });
      const ended = server.status === 'ERROR' || until.includes(server.status);
      return ended && task === undefined
        ? { done: true, value: server }
        : { done: false, seen: `${server.status} ${task ?? ''}`.trim(), ...again };
    },
    { what: `Server ${id}`, timeoutMs, minMs: 800, maxMs: 5_000 },
  );
}

/**
 * Deletes a server and waits until it is gone, then deletes the volumes that were made for it and would stay. Nova shows it
 * as DELETED while its devices and its allocation are still being given back, and finds it no more once they are
 * (nova/compute/manager.py, `_delete_instance`, 26.2.2).
 */
export async function removeServer(
  env: StepEnv,
  context: StepContext,
  id: string,
  volumes: readonly string[] = [],
): Promise<void> {
  const { retry, signal } = context;
  await settle(context, (options) => deleteServer(env.os, id, options));
  await retry.poll(
    async () => {
      const server = await getServer(env.os, id, { signal });
      return !server || server.status === 'SOFT_DELETED'
        ? { done: true, value: undefined }
        : { done: false, seen: server.status };
    },
    { what: `Deletion of server ${id}`, timeoutMs: env.timeouts.deleteMs, minMs: 400, maxMs: 4_000 },
  );
  for (const volume of volumes) await settle(context, (options) => deleteVolume(env.os, volume, options));
}

/** Why a server is in ERROR: from its fault, and from the events of its last action where the caller may see them. */
export async function faultOf(
  env: StepEnv,
  { signal }: StepContext,
  what: string,
  server: ServerAnswer,
): Promise<VmgpuError> {
  const events = await lastActionEvents(env.os, server.id, { signal }).catch((error) => {
    if (signal.aborted || !isVmgpuError(error)) throw error;
    return [];
  });
  return faultError(what, {
    ...(server.fault ? { fault: server.fault } : {}),
    events,
    ...(server.flavor.extra_specs ? { extraSpecs: server.flavor.extra_specs } : {}),
    server: {
      host: server['OS-EXT-SRV-ATTR:host'] ?? null,
      launched_at: server['OS-SRV-USG:launched_at'] ?? null,
    },
    release: await env.release({ signal }),
  });
}
