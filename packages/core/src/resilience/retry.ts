import { isVmgpuError, VmgpuError } from '../errors/vmgpu-error.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';

/** What a try that failed and will be repeated looks like to an observer. */
export interface RetryNotice {
  /** The try that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: unknown;
}

export interface RetryOptions extends Backoff {
  /** Tries in all; default 4. */
  readonly tries?: number;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** From 0 up to 1. */
  readonly random?: () => number;
  /** Decides whether a failure may be tried again; default: what the error says itself (`details.retryable`). */
  readonly retryable?: (error: unknown) => boolean;
  readonly onRetry?: (notice: RetryNotice) => void;
}

/** True when the error says of itself that the same call may succeed later. Decided where the failure was seen. */
export function isRetryable(error: unknown): boolean {
  return isVmgpuError(error) && error.details?.retryable === true;
}

/** True when the request surely never reached the platform, so that sending it again cannot do the work twice. */
export function wasNeverSent(error: unknown): boolean {
  return isVmgpuError(error) && error.details?.sent === false;
}

/** The wait that the platform asked for, in milliseconds. */
export function retryAfterOf(error: unknown): number | undefined {
  const value = isVmgpuError(error) ? error.details?.retryAfterMs : undefined;
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

/**
 * The first kind of retry, for a call that may safely be made twice. One try that fails rejects with its own error; after
 * several, the error has the code of the last one and lists all of them in `details.tries`.
 */
export async function retryCall<T>(
  call: (attempt: number) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { tries = 4, signal, clock = systemClock, random = Math.random, retryable = isRetryable } = options;
  const failures: unknown[] = [];
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await call(attempt);
    } catch (error) {
      failures.push(error);
      if (attempt >= tries || signal?.aborted || !retryable(error)) throw joinTries(failures);
      const delayMs = backoffMs(attempt + 1, options, random, retryAfterOf(error));
      options.onRetry?.({ attempt, delayMs, error });
      await clock.sleep(delayMs, signal);
    }
  }
}

interface Try {
  readonly code: string;
  readonly message: string;
}

function joinTries(failures: readonly unknown[]): unknown {
  const last = failures.at(-1);
  if (failures.length === 1 || isAbort(last)) return last;
  const code = isVmgpuError(last) ? last.code : 'unreachable';
  const tries = failures.flatMap(triesOf);
  return new VmgpuError(code, `${tries.at(-1)?.message} (the last of ${tries.length} tries)`, {
    cause: last,
    details: { ...(isVmgpuError(last) ? last.details : {}), tries },
  });
}

/** The tries inside a failure count one by one when they were retried themselves. */
function triesOf(error: unknown): readonly Try[] {
  const inner = isVmgpuError(error) ? error.details?.tries : undefined;
  if (Array.isArray(inner)) return inner as readonly Try[];
  return [{ code: isVmgpuError(error) ? error.code : 'internal', message: messageOf(error) }];
}

function isAbort(error: unknown): boolean {
  return isVmgpuError(error)
    ? error.code === 'aborted'
    : error instanceof Error && error.name === 'AbortError';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
