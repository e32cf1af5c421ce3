import { type Clock, isVmgpuError, VmgpuError } from '@vmgpu/core';
import { startDeadline, timeoutError } from '@vmgpu/core/resilience';
import type { Manifest } from '../translate/manifest.ts';
import type { KubeEvent, KubePort, WatchOptions } from './port.ts';
import type { KubeResource } from './resources.ts';

/** What one look at the objects says. */
export type Judgement<T> =
  | { readonly done: true; readonly value: T }
  | {
      readonly done: false;
      /** The state in the platform's words. */
      readonly seen?: string;
      /** Why it will not end by itself; an error once it has lasted. */
      readonly trouble?: VmgpuError;
    };

/** Objects by `namespace/name`. */
export type KubeObjects<K = Manifest> = ReadonlyMap<string, K>;

export interface WaitOptions<T, K = Manifest> extends Omit<WatchOptions, 'resourceVersion'> {
  /** What is waited for, for the timeout's message. */
  readonly what: string;
  readonly timeoutMs: number;
  /** A trouble that lasts so long ends the wait. */
  readonly troubleMs: number;
  readonly clock: Clock;
  /** What is kept of each object; keeps memory small where there are thousands. */
  readonly keep: (object: Manifest) => K;
  readonly judge: (objects: KubeObjects<K>) => Judgement<T>;
  /** The one object that is followed, as it is now: the watch goes on from there, without a list. */
  readonly from?: Manifest;
  /** Hears of each new state. */
  readonly onSeen?: (seen: string) => void;
}

/**
 * Follows objects by watch until the judge is content. Rejects with the trouble that lasted, or with `timeout` and what was
 * last seen.
 */
export async function waitUntil<T, K>(
  port: KubePort,
  resource: KubeResource,
  options: WaitOptions<T, K>,
): Promise<T> {
  const { what, timeoutMs, troubleMs, clock, judge, keep, onSeen, signal, from, ...selection } = options;
  const deadline = startDeadline(clock, what, timeoutMs, [signal]);
  const objects = new Map<string, K>();
  let complete = false;
  let seen: string | undefined;
  let trouble: { readonly error: VmgpuError; readonly timer: AbortController } | undefined;

  function follow(next: VmgpuError | undefined): void {
    if (trouble && next?.code === trouble.error.code) {
      trouble = { error: next, timer: trouble.timer };
      return;
    }
    trouble?.timer.abort();
    trouble = next && { error: next, timer: new AbortController() };
    if (!trouble) return;
    clock.sleep(troubleMs, trouble.timer.signal).then(
      () => deadline.abort(trouble?.error),
      () => undefined,
    );
  }

  const version = from?.metadata?.resourceVersion;
  const start = typeof version === 'string' ? { resourceVersion: version } : {};
  try {
    for await (const event of following(
      from,
      port.watch(resource, { ...selection, ...start, signal: deadline.signal }),
    )) {
      if (event.type === 'reset') {
        objects.clear();
        complete = false;
      } else if (event.type === 'synced') complete = true;
      else if (event.type === 'deleted') objects.delete(keyOf(event.object));
      else objects.set(keyOf(event.object), keep(event.object));
      if (!complete) continue;
      const judgement = judge(objects);
      if (judgement.done) return judgement.value;
      if (judgement.seen !== undefined && judgement.seen !== seen) onSeen?.(judgement.seen);
      seen = judgement.seen ?? seen;
      follow(judgement.trouble);
    }
    throw new VmgpuError('internal', `${what}: the watch has ended by itself`);
  } catch (error) {
    if (signal.aborted || error !== deadline.signal.reason || !isVmgpuError(error)) throw error;
    if (error.code !== 'timeout') throw error;
    throw trouble?.error ?? timeoutError(what, timeoutMs, seen);
  } finally {
    trouble?.timer.abort();
    deadline.release();
  }
}

/** The events of a watch after what is known already. */
async function* following(
  from: Manifest | undefined,
  watch: AsyncIterable<KubeEvent>,
): AsyncGenerator<KubeEvent> {
  if (from) {
    yield { type: 'reset' };
    yield { type: 'added', object: from };
    yield { type: 'synced' };
  }
  yield* watch;
}

function keyOf({ metadata }: Manifest): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
