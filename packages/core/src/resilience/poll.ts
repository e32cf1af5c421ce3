import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { timeoutError } from './deadline.ts';
import { isRetryable, retryAfterOf } from './retry.ts';

/** What one look at a running thing says. */
export type Probe<T> =
  | { readonly done: true; readonly value: T }
  | {
      readonly done: false;
      /** Its state in the platform's words, for the timeout's message. */
      readonly seen?: string;
      /** Looks cost little: the next wait is no longer than this, in ms. */
      readonly againMs?: number;
    };

export interface PollOptions {
  /** What is waited for, for the timeout's message. */
  readonly what: string;
  /** Default 10 minutes. */
  readonly timeoutMs?: number;
  /** First wait; default 250 ms. Each wait is half as long again as the one before, up to `maxMs`. */
  readonly minMs?: number;
  /** Default 5 s. */
  readonly maxMs?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/**
 * The third kind of retry: looks until the thing is done. Failures that say they are passing do not count; only the time
 * limit ends it, with a `timeout` that says what was last seen.
 */
export async function poll<T>(probe: () => Promise<Probe<T>>, options: PollOptions): Promise<T> {
  const { what, timeoutMs = 600_000, minMs = 250, maxMs = 5_000, signal, clock = systemClock } = options;
  const end = clock.now() + timeoutMs;
  let wait = minMs;
  let seen: string | undefined;
  for (;;) {
    signal?.throwIfAborted();
    let asked: number | undefined;
    let longest = maxMs;
    try {
      const result = await probe();
      if (result.done) return result.value;
      seen = result.seen ?? seen;
      longest = Math.min(maxMs, result.againMs ?? maxMs);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      seen = error instanceof Error ? error.message : seen;
      asked = retryAfterOf(error);
    }
    const left = end - clock.now();
    if (left <= 0) throw timeoutError(what, timeoutMs, seen);
    const pause = asked === undefined ? Math.min(wait, longest) : Math.max(wait, Math.min(asked, maxMs));
    await clock.sleep(Math.min(left, pause), signal);
    wait = Math.min(maxMs, wait * 1.5);
  }
}
