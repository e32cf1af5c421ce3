import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type ApplyFailedDetails,
  apply,
  applyMany,
  type CancelledDetails,
  dryRun,
  type Operation,
  type OperationState,
  orderSteps,
  parseOperationState,
  recording,
  resume,
  undo,
  withFaults,
} from '../src/engine/index.ts';
import { type OperationEvent, VmgpuError } from '../src/index.ts';
import { toy, toyPlan } from './engine-toy.ts';

const refused = new VmgpuError('refused', 'no');
const failing = async () => {
  throw refused;
};

async function errorOf(work: PromiseLike<unknown>): Promise<VmgpuError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(VmgpuError);
  return error as VmgpuError;
}

async function failureOf(work: PromiseLike<unknown>) {
  const error = await errorOf(work);
  expect(error.code).toBe('apply-failed');
  return error.details as unknown as ApplyFailedDetails;
}

function memoryJournal() {
  const states: OperationState[] = [];
  return { states, save: async (state: OperationState) => void states.push(structuredClone(state)) };
}

describe('orderSteps', () => {
  it('puts needs first, keeps the rest as it is, and takes needs of another plan as met', () => {
    const plan = toyPlan([{ id: 'c', needs: ['a', 'elsewhere'] }, 'a', 'b']);
    expect(orderSteps(plan).map(({ id }) => id)).toEqual(['a', 'c', 'b']);
  });

  it('refuses circles and ids that are there twice', () => {
    const circle = toyPlan([{ id: 'a', needs: ['b'] }, { id: 'b', needs: ['a'] }, 'c']);
    expect(() => orderSteps(circle)).toThrow(/circle.*a, b/);
    expect(() => orderSteps(toyPlan(['a', 'a']))).toThrow(/same id.*"a"/);
  });
});

describe('apply', () => {
  it('does every step once, and nothing on the second run', async () => {
    const { provider, things } = toy();
    const plan = toyPlan(['a', 'b']);
    expect(await apply(plan, provider)).toMatchObject({ changed: true });
    expect(things).toEqual({ a: 'made a', b: 'made b' });
    const again = await apply(plan, provider);
    expect(again.changed).toBe(false);
    expect(again.steps.map(({ status }) => status)).toEqual(['unchanged', 'unchanged']);
  });

  it('writes the journal before each dispatch, for each note and after each outcome', async () => {
    const journal = memoryJournal();
    const atDispatch: unknown[] = [];
    const { provider } = toy({
      a: (_step, _context, normally) => {
        atDispatch.push(journal.states.at(-1)?.steps);
        return normally();
      },
    });
    await apply(toyPlan(['a']), provider, { journal });
    expect(atDispatch).toEqual([{ a: { state: 'started' } }]);
    expect(journal.states.map(({ steps }) => steps.a)).toEqual([
      undefined,
      { state: 'started' },
      { state: 'started', note: { before: null } },
      { state: 'done', outcome: { status: 'created', before: null, after: 'made a' } },
      { state: 'done', outcome: { status: 'created', before: null, after: 'made a' } },
    ]);
    expect(journal.states.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5]);
    expect(journal.states.at(-1)?.status).toBe('succeeded');
  });

  it.each([
    [
      'blocked',
      toyPlan(['a'], {
        diagnostics: [{ kind: 'blocked', code: 'toy.x', path: 'spec.gpus[0]', message: 'IOMMU is off' }],
      }),
      {},
    ],
    ['bad-input', toyPlan(['a'], { platform: 'other' }), {}],
    ['bad-input', toyPlan(['a']), { specVersion: 'v0' as never }],
    ['bad-input', toyPlan(['a']), { doStep: undefined as never }],
    ['unsupported', toyPlan([{ id: 'a', kind: 'toy.newer' }]), {}],
    ['bad-input', toyPlan([{ id: 'a', needs: ['a'] }]), {}],
  ])('refuses with %s before the first call and the first write', async (code, plan, changes) => {
    const { provider, calls } = toy({}, changes);
    const journal = memoryJournal();
    const operation = apply(plan, provider, { journal });
    expect((await errorOf(operation)).code).toBe(code);
    expect(operation.status).toBe('failed');
    expect([...calls, ...journal.states]).toEqual([]);
  });

  it('stops when the journal cannot be written: nothing is dispatched that nobody could take up', async () => {
    let writes = 0;
    const journal = {
      async save() {
        writes += 1;
        if (writes === 5) throw new Error('disk full');
      },
    };
    const { provider, calls } = toy();
    const details = await failureOf(apply(toyPlan(['a', 'b', 'c']), provider, { journal }));
    expect(calls).toEqual(['do a']);
    expect(details.failure?.message).toContain('disk full');
    expect(writes).toBe(5);
  });

  it('says so when the provider does not say what it did, or is no provider at all', async () => {
    const { provider } = toy({ a: async () => undefined as never });
    expect((await failureOf(apply(toyPlan(['a']), provider))).failure?.message).toContain('did not say');
    expect((await errorOf(apply(toyPlan(['a']), undefined as never))).code).toBe('bad-input');
    const hollow = { ...provider, capabilities: undefined as never };
    expect((await errorOf(apply(toyPlan(['a']), hollow))).code).toBe('internal');
  });

  it('keeps a bug of the provider apart from an answer of the platform', async () => {
    const { provider } = toy({ a: async () => Promise.reject(new TypeError('x is undefined')) });
    expect((await failureOf(apply(toyPlan(['a']), provider))).failure?.code).toBe('internal');
  });
});

describe('when a step fails', () => {
  it('takes back what was done, last first, and the half-done step itself', async () => {
    const { provider, calls, things } = toy({
      c: async (_step, context) => {
        await context.note({ before: null });
        throw refused;
      },
    });
    const error = await errorOf(apply(toyPlan(['a', 'b', 'c', 'd']), provider));
    expect(calls).toEqual(['do a', 'do b', 'do c', 'undo c', 'undo b', 'undo a']);
    expect(things).toEqual({});
    expect(error.message).toBe('Unable to apply the plan for train-1: step c failed: no; undone: a, b, c');
    expect((error.cause as VmgpuError).code).toBe('refused');
  });

  it('says what stays and why, and leaves what that needs', async () => {
    const { provider, things } = toy({ d: failing });
    const plan = toyPlan(['a', 'b', { id: 'c', needs: ['a'], reversible: false }, 'd']);
    const { left, undone, done, failed } = await failureOf(apply(plan, provider));
    expect(left).toEqual([
      { step: 'a', summary: 'make a', why: 'c, which needs it, stays' },
      { step: 'c', summary: 'make c', why: 'it cannot be undone' },
    ]);
    expect({ undone, done, failed }).toEqual({ undone: ['b'], done: [], failed: 'd' });
    expect(Object.keys(things)).toEqual(['a', 'c']);
  });

  it('goes on taking back after one step could not be, and tries that one again on resume', async () => {
    let broken = true;
    const { provider, things } = toy({ c: failing });
    const stubborn = {
      ...provider,
      undoStep: async (...input: Parameters<NonNullable<typeof provider.undoStep>>) => {
        if (broken && input[0].id === 'b') throw refused;
        await provider.undoStep?.(...input);
      },
    };
    const operation = apply(toyPlan(['a', 'b', 'c']), stubborn);
    expect((await failureOf(operation)).left).toMatchObject([{ step: 'b', why: 'undoing it failed: no' }]);
    expect(things).toEqual({ b: 'made b' });
    broken = false;
    const again = await failureOf(resume(operation.toJSON(), stubborn));
    expect(again).toMatchObject({ left: [], undone: ['a', 'b'], failed: 'c' });
    expect(things).toEqual({});
  });

  it('leaves what was not changed by it', async () => {
    const { provider, calls, things } = toy({ b: failing });
    things.a = 'made a';
    await failureOf(apply(toyPlan(['a', 'b']), provider));
    expect(calls).toEqual(['do a', 'do b']);
    expect(things).toEqual({ a: 'made a' });
  });

  it('keeps everything on demand, and resume overcomes the failure', async () => {
    let broken = true;
    const { provider, calls } = toy({ b: (_step, _context, normally) => (broken ? failing() : normally()) });
    const operation = apply(toyPlan(['a', 'b', 'c']), provider, { onFailure: 'keep' });
    expect(await failureOf(operation)).toMatchObject({ done: ['a'], undone: [], left: [{ step: 'a' }] });
    broken = false;
    const result = await resume(JSON.parse(JSON.stringify(operation)), provider);
    expect(result.steps.map(({ status }) => status)).toEqual(['created', 'created', 'created']);
    expect(calls).toEqual(['do a', 'do b', 'do b', 'do c']);
  });
});

describe('resume and undo', () => {
  it('lets a task be waited for again while its fate is open, and ordered anew when it had failed', async () => {
    const seen: unknown[] = [];
    const script = (code: 'unreachable' | 'refused') => {
      let first = true;
      return toy({
        a: async (_step, context, normally) => {
          seen.push(context.noted?.handle);
          if (!first) return normally();
          first = false;
          await context.note({ before: null, handle: 'task-1' });
          throw new VmgpuError(code, 'no');
        },
      });
    };
    for (const code of ['unreachable', 'refused'] as const) {
      const { provider } = script(code);
      const operation = apply(toyPlan(['a']), provider, { onFailure: 'keep' });
      await failureOf(operation);
      await resume(operation.toJSON(), provider);
    }
    expect(seen).toEqual([undefined, 'task-1', undefined, undefined]);
  });

  it('knows a change that was made before a kill, although the step now finds it unchanged', async () => {
    const { provider, things } = toy();
    const operation = apply(toyPlan(['a']), provider);
    await operation;
    const killed = {
      ...operation.toJSON(),
      status: 'running',
      steps: { a: { state: 'started', note: { before: null } } },
    };
    const resumed = resume(killed as OperationState, provider);
    expect((await resumed).steps).toEqual([{ step: 'a', status: 'created' }]);
    await undo(resumed.toJSON(), provider);
    expect(things).toEqual({});
  });

  it('believes the first note of what was there, not the one of a step that reads its own work', async () => {
    const { provider, things } = toy({
      a: async (_step, context) => {
        await context.note({ before: 'made a' });
        return { status: 'updated', before: 'made a' };
      },
    });
    const started = apply(toyPlan(['a']), provider).toJSON();
    const killed: OperationState = {
      ...started,
      steps: { a: { state: 'started', note: { before: 'old' } } },
    };
    const resumed = resume(killed, provider);
    await resumed;
    await undo(resumed.toJSON(), provider);
    expect(things).toEqual({ a: 'old' });
  });

  it('ends an operation that had ended the same way, without a call', async () => {
    const { provider, calls } = toy();
    const operation = apply(toyPlan(['a']), provider);
    const result = await operation;
    const before = calls.length;
    expect(await resume(operation.toJSON(), provider)).toEqual(result);
    expect(calls).toHaveLength(before);
  });

  it('rejects an undo that has to leave something', async () => {
    const { provider } = toy();
    const operation = apply(toyPlan([{ id: 'a', reversible: false }, 'b']), provider);
    await operation;
    const error = await errorOf(undo(operation.toJSON(), provider));
    expect(error.code).toBe('apply-failed');
    expect(error.message).toBe(
      'Unable to undo the changes for train-1: 1 of them stay; undone: b; left on the platform: a (it cannot be undone)',
    );
  });

  it('refuses what is not a journal', () => {
    expect(() => parseOperationState({ kind: 'Plan' })).toThrow(
      /not a journal of an operation\n.*apiVersion/,
    );
    expect(() =>
      resume(
        { ...apply(toyPlan([]), toy().provider).toJSON(), steps: { a: { state: 'gone' } } } as never,
        toy().provider,
      ),
    ).toThrow(/steps\.a\.state/);
  });
});

describe('time', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const untilAborted = (signal: AbortSignal) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true });
    });

  it('limits a step, and then takes back', async () => {
    const { provider, things } = toy({ b: (_step, { signal }) => untilAborted(signal) });
    const failure = failureOf(apply(toyPlan(['a', 'b']), provider, { stepTimeoutMs: 5_000 }));
    await vi.advanceTimersByTimeAsync(5_000);
    expect((await failure).failure).toMatchObject({
      code: 'timeout',
      message: 'Step b did not end within 5 s',
    });
    expect(things).toEqual({});
    expect(vi.getTimerCount()).toBe(0);
  });

  it('limits all steps together, but not the way back', async () => {
    const slow = async (
      _step: unknown,
      {
        clock,
        signal,
      }: { clock: { sleep: (ms: number, signal?: AbortSignal) => Promise<void> }; signal: AbortSignal },
      normally: () => Promise<never>,
    ) => {
      await clock.sleep(4_000, signal);
      return normally();
    };
    const { provider, things } = toy({ a: slow as never, b: slow as never });
    const failure = failureOf(apply(toyPlan(['a', 'b', 'c']), provider, { timeoutMs: 6_000 }));
    await vi.advanceTimersByTimeAsync(6_000);
    expect((await failure).failure?.code).toBe('timeout');
    expect(things).toEqual({});
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives up a step that does not stop when asked, and does not undo under its feet', async () => {
    const late: unknown[] = [];
    const { provider, calls } = toy({
      b: async (_step, context) => {
        await context.note({ before: null });
        await new Promise((resolve) => setTimeout(resolve, 60_000));
        await context.note({ handle: 'late' }).catch((error) => late.push(error.message));
        return { status: 'created' };
      },
    });
    const operation = apply(toyPlan(['a', { id: 'b', needs: ['a'] }]), provider, {
      stepTimeoutMs: 1_000,
      graceMs: 2_000,
    });
    const failure = failureOf(operation);
    await vi.advanceTimersByTimeAsync(3_000);
    const { left, undone } = await failure;
    expect(left).toMatchObject([
      { step: 'a' },
      { step: 'b', why: expect.stringContaining('did not stop when asked') },
    ]);
    expect(undone).toEqual([]);
    expect(calls).toEqual(['do a', 'do b']);
    const before = operation.toJSON();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(late).toEqual([expect.stringContaining('too late')]);
    expect(operation.toJSON()).toBe(before);
  });

  it('cancels at the end of the step by default, and at once when asked a second time', async () => {
    const { provider, calls } = toy({ a: (_step, { signal }) => untilAborted(signal) });
    const operation = apply(toyPlan(['a', 'b']), provider);
    const error = errorOf(operation);
    await vi.advanceTimersByTimeAsync(0);
    operation.cancel();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(operation.status).toBe('running');
    operation.cancel({ inFlight: 'cancel-task' });
    expect((await error).code).toBe('aborted');
    expect((await error).details as unknown as CancelledDetails).toMatchObject({
      done: [],
      remaining: ['a', 'b'],
    });
    expect(calls).toEqual(['do a']);
    expect(operation.status).toBe('cancelled');
  });
});

describe('cancelling', () => {
  it('after the last step cancels nothing', async () => {
    const operation: Operation = apply(toyPlan(['a']), toy().provider, {
      onEvent: ({ type }) => type === 'step-end' && operation.cancel(),
    });
    expect(await operation).toMatchObject({ changed: true });
    expect(operation.status).toBe('succeeded');
  });

  it('leaves what is done; resume goes on, undo takes back', async () => {
    const { provider, things } = toy();
    const controller = new AbortController();
    const operation = apply(toyPlan(['a', 'b']), provider, {
      signal: controller.signal,
      onEvent: ({ type }) => type === 'step-end' && controller.abort(new Error('enough')),
    });
    const error = await errorOf(operation);
    expect(error.details as unknown as CancelledDetails).toMatchObject({ done: ['a'], remaining: ['b'] });
    expect((error.cause as Error).message).toBe('enough');
    expect(things).toEqual({ a: 'made a' });
    await undo(operation.toJSON(), provider);
    expect(things).toEqual({});
    await resume(operation.toJSON(), provider);
    expect(Object.keys(things)).toEqual(['b']);
  });

  it('stops a way back, too, which resume then goes on with', async () => {
    const { provider, things } = toy({ c: failing });
    const operation: Operation = apply(toyPlan(['a', 'b', 'c']), provider, {
      onEvent: ({ type }) => type === 'undo-end' && operation.cancel(),
    });
    expect((await errorOf(operation)).code).toBe('aborted');
    expect(things).toEqual({ a: 'made a' });
    expect(await failureOf(resume(operation.toJSON(), provider))).toMatchObject({ failed: 'c', left: [] });
    expect(things).toEqual({});
  });
});

describe('events', () => {
  async function collect(events: AsyncIterable<OperationEvent>): Promise<string[]> {
    const types: string[] = [];
    for await (const event of events) types.push(event.type);
    return types;
  }

  it('go to any number of iterators, each from the first, and a failure is no unhandled rejection', async () => {
    const operation = apply(toyPlan(['a', 'b']), toy({ b: failing }).provider);
    const [first, second] = await Promise.all([collect(operation), collect(operation)]);
    expect(first).toEqual([
      'operation-start',
      'step-start',
      'step-end',
      'step-start',
      'step-end',
      'undo-start',
      'undo-end',
      'operation-end',
    ]);
    expect(second).toEqual(first);
    expect(await collect(operation)).toEqual(first);
  });

  it('stop for an iterator that leaves, and not for the work', async () => {
    const operation = apply(toyPlan(['a', 'b']), toy().provider);
    for await (const event of operation) if (event.type === 'step-start') break;
    expect(await operation).toMatchObject({ changed: true });
  });

  it('cannot be broken by an observer, and its failure is said once', async () => {
    for (const onEvent of [
      () => Promise.reject(new Error('o')),
      () => {
        throw new Error('o');
      },
    ]) {
      const { warnings, changed } = await apply(toyPlan(['a', 'b']), toy().provider, { onEvent });
      expect(changed).toBe(true);
      expect(warnings).toEqual(['the onEvent observer failed: o']);
    }
  });
});

describe('applyMany', () => {
  it('runs no more than allowed at once, in the order given, and tells each end', async () => {
    let running = 0;
    let most = 0;
    const { provider } = toy();
    const counted = {
      ...provider,
      doStep: async (...input: Parameters<typeof provider.doStep>) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running -= 1;
        if (input[0].id === 's3') throw refused;
        return provider.doStep(...input);
      },
    };
    const jobs = Array.from({ length: 10 }, (_, index) => ({
      plan: toyPlan([`s${index}`], { vm: `vm-${index}` }),
      provider: counted,
    }));
    const results = await applyMany(jobs, { concurrency: 3 });
    expect(most).toBe(3);
    expect(results.map(({ ok }) => ok)).toEqual(jobs.map((_, index) => index !== 3));
    expect(results.map(({ plan }) => plan.vm)).toEqual(jobs.map(({ plan }) => plan.vm));
  });

  it('lets shared steps take turns, and keeps them when only one plan fails', async () => {
    let inside = 0;
    const { provider, things } = toy({
      shared: async (_step, _context, normally) => {
        inside += 1;
        expect(inside).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        inside -= 1;
        return normally();
      },
      bad: failing,
    });
    const plans = [toyPlan(['shared', 'bad'], { vm: 'a' }), toyPlan(['shared', 'good'], { vm: 'b' })];
    const [first, second] = await applyMany(plans.map((plan) => ({ plan, provider })));
    expect(second?.ok).toBe(true);
    expect(first?.error?.details?.left).toMatchObject([
      { step: 'shared', why: 'another plan of this batch shares it' },
    ]);
    expect(Object.keys(things)).toEqual(['shared', 'good']);
  });

  it('begins nothing after an abort or, when so told, after a failure', async () => {
    const { provider, calls } = toy({ a: failing });
    const jobs = ['a', 'b'].map((id) => ({ plan: toyPlan([id]), provider }));
    const stopped = await applyMany(jobs, { concurrency: 1, stopOnFailure: true });
    expect(stopped.map(({ error }) => error?.code)).toEqual(['apply-failed', undefined]);
    expect(calls).toEqual(['do a']);
    const aborted = await applyMany(jobs, { signal: AbortSignal.abort() });
    expect(aborted.map(({ ok }) => ok)).toEqual([false, false]);
    expect(calls).toEqual(['do a']);
  });
});

describe('wrappers', () => {
  it('dryRun tells what the plan knows and does nothing', async () => {
    const { provider, calls } = toy();
    const steps = [
      { id: 'new', before: null },
      { id: 'same', before: 'made same' },
      { id: 'other', before: 'else' },
      { id: 'unknown' },
      { id: 'gone', before: 'x', after: null },
    ];
    const result = await apply(toyPlan(steps), dryRun(provider));
    expect(result.steps.map(({ status }) => status)).toEqual([
      'created',
      'unchanged',
      'updated',
      'updated',
      'deleted',
    ]);
    expect(calls).toEqual([]);
  });

  it('recording lists calls; withFaults breaks them before or after the work', async () => {
    const { provider, things } = toy();
    const { provider: recorded, calls } = recording(provider);
    const faulty = withFaults(recorded, [
      { method: 'doStep', step: 'b', when: 'after' },
      { method: 'undoStep', step: 'toy.thing', error: refused },
    ]);
    const { left } = await failureOf(apply(toyPlan(['a', 'b']), faulty));
    expect(calls).toEqual([
      { method: 'doStep', step: 'a' },
      { method: 'doStep', step: 'b' },
      { method: 'undoStep', step: 'a' },
    ]);
    expect(left).toMatchObject([{ step: 'b' }]);
    expect(things).toEqual({ b: 'made b' });
  });
});
