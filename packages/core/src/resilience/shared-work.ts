import { raceSignal } from './deadline.ts';

/**
 * One piece of work for all who ask for it while it is under way. Who aborts leaves it to the others; when the last of them
 * does, the work's own signal aborts, and whoever asks next begins anew instead of waiting for what hangs. Nothing is kept
 * once the work has ended.
 */
export function sharedWork<T>(
  begin: (signal: AbortSignal) => Promise<T>,
): (signal?: AbortSignal) => Promise<T> {
  let current: { readonly work: Promise<T>; readonly stop: AbortController; waiting: number } | undefined;

  function start() {
    const stop = new AbortController();
    const started = { work: begin(stop.signal), stop, waiting: 0 };
    const forget = () => {
      if (current === started) current = undefined;
    };
    started.work.then(forget, forget);
    return started;
  }

  return async (signal) => {
    signal?.throwIfAborted();
    current ??= start();
    const mine = current;
    mine.waiting += 1;
    try {
      return await raceSignal(mine.work, signal);
    } finally {
      mine.waiting -= 1;
      if (mine.waiting === 0 && current === mine) {
        current = undefined;
        mine.stop.abort(signal?.reason);
      }
    }
  };
}
