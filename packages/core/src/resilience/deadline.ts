import { VmgpuError } from '../errors/vmgpu-error.ts';
import type { CallOptions } from '../spec/v1/call-options.ts';
import type { Clock } from './clock.ts';

/** A signal of our own with a way to let go of everything it listens to. */
export interface Deadline {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Stops the timer and removes the listeners. Must be called when the work has ended. */
  release(): void;
}

/**
 * A signal that aborts when one of the parents does, with its reason, or after `timeoutMs` with a `timeout` error that
 * names the work. Abort and timeout stay two different things.
 */
export function startDeadline(
  clock: Clock,
  what: string,
  timeoutMs: number | undefined,
  parents: readonly (AbortSignal | undefined)[] = [],
): Deadline {
  const controller = new AbortController();
  const timer = new AbortController();
  const links: (() => void)[] = [];
  const release = () => {
    // A reason of one's own: without it each release makes a DOMException with a stack.
    timer.abort('released');
    for (const unlink of links.splice(0)) unlink();
  };
  for (const parent of parents) {
    if (!parent) continue;
    if (parent.aborted) controller.abort(parent.reason);
    const forward = () => controller.abort(parent.reason);
    parent.addEventListener('abort', forward, { once: true });
    links.push(() => parent.removeEventListener('abort', forward));
  }
  if (timeoutMs !== undefined && !controller.signal.aborted) {
    clock.sleep(timeoutMs, timer.signal).then(
      () => controller.abort(timeoutError(what, timeoutMs)),
      () => undefined,
    );
  }
  return { signal: controller.signal, abort: (reason) => controller.abort(reason), release };
}

/**
 * Work of several calls under one time limit and one signal. When that aborts, it rejects with the reason: a `timeout` that
 * names the work, the caller's own error, or `aborted` around whatever else the caller gave.
 */
export async function withinDeadline<T>(
  clock: Clock,
  what: string,
  options: CallOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = startDeadline(clock, what, options.timeoutMs, [options.signal]);
  const { signal } = deadline;
  try {
    signal.throwIfAborted();
    return await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    if (signal.reason instanceof VmgpuError) throw signal.reason;
    throw new VmgpuError('aborted', `${what} was aborted`, { cause: signal.reason });
  } finally {
    deadline.release();
  }
}

/** The error of a time limit that has passed. */
export function timeoutError(what: string, timeoutMs: number, lastSeen?: string): VmgpuError {
  return new VmgpuError('timeout', `${what} did not end within ${timeoutMs / 1000} s`, {
    ...(lastSeen === undefined ? {} : { found: lastSeen }),
    details: { timeoutMs, retryable: false },
  });
}

/** Settles like the work, but rejects with the signal's reason when that aborts first. Leaves no listener behind. */
export function raceSignal<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
