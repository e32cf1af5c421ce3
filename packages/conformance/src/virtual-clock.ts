import type { Clock } from '@vmgpu/core';

/** A new turn of the event loop: all that could go on without time has done so. Browsers have only the slower one. */
const nextTurn = (run: () => void): unknown =>
  typeof setImmediate === 'function' ? setImmediate(run) : setTimeout(run, 0);

/**
 * Time that passes only while everything else waits: sleeping costs nothing, and time limits still come after the work
 * that is quicker than they are. For platforms in memory; a real socket would look like waiting.
 */
export function virtualClock(start = Date.UTC(2026, 0, 1)): Clock {
  let now = start;
  let ticking = false;
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();

  function tick(): void {
    ticking = false;
    const next = Math.min(...[...sleepers].map(({ at }) => at));
    if (!Number.isFinite(next)) return;
    now = Math.max(now, next);
    for (const sleeper of [...sleepers]) {
      if (sleeper.at > now) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
    schedule();
  }
  function schedule(): void {
    if (ticking || sleepers.size === 0) return;
    ticking = true;
    nextTurn(tick);
  }

  return {
    now: () => now,
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
