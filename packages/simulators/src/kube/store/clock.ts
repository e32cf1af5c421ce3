/** Time of the simulated cluster. Everything that waits inside the simulator waits on this. */
export interface Clock {
  /** Milliseconds since the simulator started. */
  now(): number;
  /** The same as an RFC 3339 time, as Kubernetes writes it. */
  timestamp(): string;
}

export interface Loop extends Clock {
  /** Runs `work` after `delay` ms; a pending run of the same key is replaced by the earlier of the two. */
  enqueue(key: string, delay: number, work: () => void): void;
  /** Manual clocks only: lets `ms` pass and runs all that becomes due, in order. */
  advance(ms: number): void;
  pause(): void;
  resume(): void;
  stop(): void;
}

interface Task {
  readonly due: number;
  readonly order: number;
  readonly work: () => void;
}

/** Default epoch of a manual clock, so that two runs are equal byte for byte. */
const epoch = Date.UTC(2026, 0, 1);

/**
 * The work queue of all controllers: one task at a time, by due time and then by order of arrival. With a manual clock
 * nothing moves until `advance`; with the real one a single timer drives it.
 */
export function createLoop(manual: boolean, onError: (error: unknown) => void): Loop {
  const tasks = new Map<string, Task>();
  const started = Date.now();
  let manualNow = 0;
  let order = 0;
  let paused = false;
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;
  /** When the next run is planned for. */
  let armed = Number.POSITIVE_INFINITY;
  const now = () => (manual ? manualNow : Date.now() - started);

  function next(limit: number): [string, Task] | undefined {
    let best: [string, Task] | undefined;
    for (const entry of tasks) {
      const task = entry[1];
      if (task.due > limit) continue;
      if (
        best === undefined ||
        task.due < best[1].due ||
        (task.due === best[1].due && task.order < best[1].order)
      )
        best = entry;
    }
    return best;
  }

  /** All that is due; tasks that arrive meanwhile with no delay come after those that were there. */
  function runDue(limit: number): void {
    const due = [...tasks].filter(([, task]) => task.due <= limit);
    due.sort(([, a], [, b]) => a.due - b.due || a.order - b.order);
    for (const [key, task] of due) {
      if (paused || tasks.get(key) !== task) continue;
      tasks.delete(key);
      try {
        task.work();
      } catch (error) {
        onError(error);
      }
    }
  }

  /** Makes sure of a run at `due`, when none is planned for as early. */
  function armFor(due: number): void {
    if (manual || paused || due >= armed) return;
    armed = due;
    clearTimeout(timer);
    const wait = due - now();
    if (wait <= 0) immediate ??= setImmediate(fire);
    else timer = setTimeout(fire, wait).unref();
  }

  function arm(): void {
    armed = Number.POSITIVE_INFINITY;
    let earliest = armed;
    for (const { due } of tasks.values()) earliest = Math.min(earliest, due);
    armFor(earliest);
  }

  function fire(): void {
    immediate = undefined;
    armed = Number.POSITIVE_INFINITY;
    runDue(now());
    arm();
  }

  return {
    now,
    timestamp: () => new Date((manual ? epoch : started) + now()).toISOString().replace(/\.\d+Z$/, 'Z'),
    enqueue(key, delay, work) {
      const due = now() + delay;
      const pending = tasks.get(key);
      if (pending !== undefined && pending.due <= due) return;
      order += 1;
      tasks.set(key, { due, order, work });
      armFor(due);
    },
    advance(ms) {
      const target = manualNow + ms;
      for (let found = next(target); found !== undefined && !paused; found = next(target)) {
        manualNow = Math.max(manualNow, found[1].due);
        runDue(manualNow);
      }
      manualNow = target;
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      arm();
    },
    stop() {
      paused = true;
      tasks.clear();
      clearTimeout(timer);
      clearImmediate(immediate);
    },
  };
}
