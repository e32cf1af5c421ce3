import type { Clock } from '@vmgpu/core';

/** A new turn of the event loop: all that could go on without time has done so. Browsers have only the slower one. */
const nextTurn = (run: () => void): unknown =>
  typeof setImmediate === 'function' ? setImmediate(run) : setTimeout(run, 0);

export interface IdleClock extends Clock {
  /** Time stands still while a request is under way: over a real socket it would look like waiting. */
  busy<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Time that passes only while nothing is under way: sleeping costs nothing, and limits still come after the work that is
 * quicker than they are.
 */
export function idleClock(start = Date.UTC(2026, 0, 1)): IdleClock {
  let now = start;
  let under = 0;
  let ticking = false;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  const tick = () => {
    ticking = false;
    const next = Math.min(...[...sleepers].map(({ at }) => at));
    if (under > 0 || !Number.isFinite(next)) return;
    now = Math.max(now, next);
    for (const sleeper of [...sleepers]) {
      if (sleeper.at > now) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
    schedule();
  };
  const schedule = () => {
    if (ticking || under > 0 || sleepers.size === 0) return;
    ticking = true;
    nextTurn(tick);
  };
  return {
    now: () => now,
    async busy(work) {
      under += 1;
      try {
        return await work();
      } finally {
        under -= 1;
        schedule();
      }
    },
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = () => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        const sleeper = {
          at: now + Math.max(0, milliseconds),
          wake: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.add(sleeper);
        schedule();
      }),
  };
}
