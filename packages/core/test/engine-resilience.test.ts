import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { VmgpuError } from '../src/index.ts';
import {
  backoffMs,
  type Clock,
  dispatchThenWait,
  poll,
  raceSignal,
  retryCall,
  startDeadline,
  systemClock,
} from '../src/resilience/index.ts';

const passing = (details: Record<string, unknown> = {}) =>
  new VmgpuError('unreachable', 'later', { details: { retryable: true, ...details } });
const final = new VmgpuError('refused', 'no');

/** Waits pass at once and are written down. */
function instantClock() {
  let now = 0;
  const waits: number[] = [];
  const clock: Clock = {
    now: () => now,
    async sleep(milliseconds) {
      waits.push(milliseconds);
      now += milliseconds;
    },
  };
  return { clock, waits };
}
const failTimes = (times: number, error: unknown) => {
  let calls = 0;
  const call = async () => {
    calls += 1;
    if (calls <= times) throw error;
    return calls;
  };
  return { call, calls: () => calls };
};

describe('retryCall', () => {
  it('repeats what says that it is passing, with doubling waits and full jitter', async () => {
    const { clock, waits } = instantClock();
    const notices: number[] = [];
    const options = {
      clock,
      random: () => 0.5,
      onRetry: ({ attempt }: { attempt: number }) => notices.push(attempt),
    };
    expect(await retryCall(failTimes(3, passing()).call, options)).toBe(4);
    expect(waits).toEqual([250, 500, 1000]);
    expect(notices).toEqual([1, 2, 3]);
  });

  it('gives the error itself for one try, and all of them for several', async () => {
    const { clock } = instantClock();
    await expect(retryCall(failTimes(9, final).call, { clock })).rejects.toBe(final);
    const last = passing({ status: 503 });
    const error: VmgpuError = await retryCall(failTimes(9, last).call, { clock, tries: 3 }).catch((e) => e);
    expect(error.code).toBe('unreachable');
    expect(error.details).toMatchObject({ status: 503, tries: [{ message: 'later' }, {}, {}] });
    expect(error.message).toContain('the last of 3 tries');
  });

  it('counts the tries of a call that is retried inside as well', async () => {
    const { clock } = instantClock();
    const inner = failTimes(9, passing()).call;
    const call = () => retryCall(inner, { clock, tries: 3 });
    const error: VmgpuError = await retryCall(call, { clock, tries: 2 }).catch((e) => e);
    expect(error.message).toMatch(/^\w[^(]* \(the last of 6 tries\)$/);
    expect(error.details?.tries).toHaveLength(6);
  });

  it('stops waiting when aborted, with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const { call, calls } = failTimes(9, passing());
    const work = retryCall(call, { signal: controller.signal, onRetry: () => controller.abort(reason) });
    await expect(work).rejects.toBe(reason);
    expect(calls()).toBe(1);
  });
});

describe('backoffMs', () => {
  it('is never negative, never above the cap, and honours what the server asks for up to it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 2000 }),
        fc.nat(1e6),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.option(fc.nat()),
        (next, maxMs, random, asked) => {
          const wait = backoffMs(next, { maxMs }, () => random, asked ?? undefined);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(maxMs);
          if (asked !== null) expect(wait).toBe(Math.min(asked, maxMs));
        },
      ),
    );
  });
});

describe('dispatchThenWait', () => {
  it('orders again only when the order was surely not taken', async () => {
    const { clock } = instantClock();
    const run = (error: unknown) => {
      const { call, calls } = failTimes(1, error);
      const work = dispatchThenWait({ clock, dispatch: call, wait: async (handle) => `waited ${handle}` });
      return work.then(
        (value) => ({ value, calls: calls() }),
        () => ({ value: 'failed', calls: calls() }),
      );
    };
    expect(await run(passing({ sent: false }))).toEqual({ value: 'waited 2', calls: 2 });
    expect(await run(passing({ refusedUnprocessed: true }))).toEqual({ value: 'waited 2', calls: 2 });
    expect(await run(passing())).toEqual({ value: 'failed', calls: 1 });
  });

  it('never answers a failed wait with a second order, and only waits for a handle it is given', async () => {
    const dispatch = vi.fn(async () => 'task');
    const wait = vi.fn(async () => Promise.reject(passing()));
    await expect(dispatchThenWait({ dispatch, wait })).rejects.toMatchObject({ code: 'unreachable' });
    expect([dispatch.mock.calls.length, wait.mock.calls.length]).toEqual([1, 1]);
    await expect(dispatchThenWait({ handle: 'old', dispatch, wait: async (handle) => handle })).resolves.toBe(
      'old',
    );
    expect(dispatch).toHaveBeenCalledTimes(1);
  });

  it('takes "already there" as done from the second try on, not on the first', async () => {
    const { clock } = instantClock();
    const exists = new VmgpuError('already-exists', 'there');
    const alreadyDone = async (error: unknown) => (error === exists ? 'found' : undefined);
    const wait = async () => 'waited';
    const errors = [passing({ sent: false }), exists];
    const second = dispatchThenWait({
      clock,
      wait,
      alreadyDone,
      dispatch: async () => Promise.reject(errors.shift()),
    });
    expect(await second).toBe('found');
    const first = dispatchThenWait({
      clock,
      wait,
      alreadyDone,
      dispatch: async () => Promise.reject(exists),
    });
    await expect(first).rejects.toBe(exists);
  });
});

describe('poll', () => {
  it('looks less and less often, overlooks passing failures, and says at the end what was last seen', async () => {
    const { clock, waits } = instantClock();
    let looks = 0;
    const done = await poll(
      async () => {
        looks += 1;
        if (looks === 2) throw passing();
        return looks === 5 ? { done: true, value: looks } : { done: false };
      },
      { what: 'Task', clock, minMs: 100, maxMs: 200 },
    );
    expect(done).toBe(5);
    expect(waits).toEqual([100, 150, 200, 200]);
    waits.length = 0;
    let cheap = 0;
    await poll(async () => (++cheap === 4 ? { done: true, value: 0 } : { done: false, againMs: 120 }), {
      what: 'Task',
      clock,
      minMs: 100,
    });
    expect(waits).toEqual([100, 120, 120]);
    const late = poll(async () => ({ done: false, seen: 'BUILD' }), {
      what: 'Server s1',
      clock,
      timeoutMs: 10_000,
    });
    await expect(late).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/Server s1 .* 10 s .*BUILD/),
    });
    await expect(poll(async () => Promise.reject(final), { what: 'x', clock })).rejects.toBe(final);
  });
});

describe('deadlines and the system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('abort with a timeout that names the work, or with the reason of whoever aborts first', async () => {
    const late = startDeadline(systemClock, 'The work', 1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(late.signal.reason).toMatchObject({ code: 'timeout', message: 'The work did not end within 1 s' });
    const parent = new AbortController();
    const linked = startDeadline(systemClock, 'The work', 1_000, [undefined, parent.signal]);
    parent.abort('enough');
    expect(linked.signal.reason).toBe('enough');
    linked.release();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leave no timer and no listener when released', async () => {
    const parent = new AbortController();
    const remove = vi.spyOn(parent.signal, 'removeEventListener');
    const { release, signal } = startDeadline(systemClock, 'x', 1_000, [parent.signal]);
    release();
    await vi.advanceTimersByTimeAsync(5_000);
    parent.abort();
    expect(signal.aborted).toBe(false);
    expect(remove).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sleep no longer than a timer can, and wake with the reason', async () => {
    const controller = new AbortController();
    const long = systemClock.sleep(1e12, controller.signal);
    await vi.advanceTimersByTimeAsync(60_000);
    controller.abort('up');
    await expect(long).rejects.toBe('up');
    await expect(systemClock.sleep(1, AbortSignal.abort('no'))).rejects.toBe('no');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('raceSignal', () => {
  it('rejects with the reason, and swallows what the work says later', async () => {
    const controller = new AbortController();
    let fail = (_error: unknown) => {};
    const work = new Promise((_resolve, reject) => {
      fail = reject;
    });
    const raced = raceSignal(work, controller.signal);
    controller.abort('enough');
    await expect(raced).rejects.toBe('enough');
    fail(new Error('late'));
    await expect(raceSignal(Promise.resolve(1), undefined)).resolves.toBe(1);
  });
});
