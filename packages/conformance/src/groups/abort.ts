import { apply, type InFlightPolicy, resume } from '@vmgpu/core/engine';
import type { Bench, Group } from '../suite.ts';

/** A signal that knows who listens to it. */
function countingSignal(): { readonly controller: AbortController; readonly listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener(type: 'abort', listener: () => void, options?: AddEventListenerOptions) {
      listening.add(listener);
      addEventListener.call(signal, type, listener, options);
    },
    removeEventListener(type: 'abort', listener: () => void) {
      listening.delete(listener);
      removeEventListener.call(signal, type, listener);
    },
  });
  return { controller, listeners: () => listening.size };
}

export const abort: Group = ({ test }) => {
  test('before the start: nothing is called', async ({
    plan,
    provider,
    fixture,
    options,
    assert,
    failureOf,
  }) => {
    const made = await plan();
    const before = fixture.requests();
    const signal = AbortSignal.abort(new Error('too late'));
    assert.deepEqual((await failureOf(apply(made, provider, { ...options, signal }))).code, 'aborted');
    assert.deepEqual(fixture.requests(), before);
  });

  async function cancelDuring(bench: Bench, inFlight: InFlightPolicy) {
    const { plan, provider, fixture, options, failureOf } = bench;
    const made = await plan();
    const operation = apply(made, provider, options);
    for await (const event of operation) {
      // The first sign of life of the task: it runs now.
      if (event.type !== 'step-progress') continue;
      operation.cancel({ inFlight });
      break;
    }
    const asked = fixture.clock.now();
    const error = await failureOf(operation).catch(() => undefined);
    return { operation, error, tookMs: fixture.clock.now() - asked };
  }

  test('during a step, by default: the step ends, nothing further begins', async (bench) => {
    const { assert, provider, options } = bench;
    const { operation, error } = await cancelDuring(bench, 'finish-step');
    const running = Object.values(operation.toJSON().steps).filter(({ state }) => state === 'started');
    assert.deepEqual(running, [], 'no step is left in the middle');
    assert.ok(error === undefined || error.code === 'aborted');
    const after = await resume(operation.toJSON(), provider, options);
    assert.deepEqual(after.steps.length, operation.toJSON().plan.steps.length, 'resume goes on to the end');
  });

  test('during a step, with cancel-task: the step stops soon, and resume goes on', async (bench) => {
    const { assert, provider, options, limits } = bench;
    const { operation, error, tookMs } = await cancelDuring(bench, 'cancel-task');
    assert.deepEqual(error?.code, 'aborted');
    assert.ok(tookMs < limits.stopsWithinMs, `it stopped within ${limits.stopsWithinMs} ms, took ${tookMs}`);
    assert.deepEqual(
      (await resume(operation.toJSON(), provider, options)).steps.length,
      operation.toJSON().plan.steps.length,
    );
  });

  test('a request without an answer does not outlive cancel-task', async ({
    plan,
    provider,
    fixture,
    options,
    limits,
    assert,
    failureOf,
  }) => {
    const made = await plan();
    const struck = fixture.inject({ kind: 'hang', on: 'write' });
    const operation = apply(made, provider, { ...options, graceMs: 20 * limits.stopsWithinMs });
    await struck;
    const asked = fixture.clock.now();
    operation.cancel({ inFlight: 'cancel-task' });
    assert.deepEqual((await failureOf(operation)).code, 'aborted');
    assert.ok(fixture.clock.now() - asked < limits.stopsWithinMs, 'it stopped when asked');
  });

  test('between steps: what is done stays, the rest is not begun', async ({
    plan,
    provider,
    options,
    assert,
    reportOf,
  }) => {
    const operation = apply(await plan(), provider, options);
    for await (const event of operation) {
      if (event.type !== 'step-end') continue;
      operation.cancel();
      break;
    }
    const { code, done, remaining } = await reportOf(operation);
    assert.deepEqual(code, 'aborted');
    assert.ok(done.length > 0 && remaining.length > 0, 'it says what is done and what remains');
  });

  test('after the end: nothing happens, and nobody listens any more', async ({
    plan,
    provider,
    options,
    assert,
  }) => {
    const { controller, listeners } = countingSignal();
    const operation = apply(await plan(), provider, { ...options, signal: controller.signal });
    await operation;
    assert.deepEqual(listeners(), 0, 'no listener stays on the signal');
    controller.abort();
    operation.cancel();
    assert.deepEqual(operation.status, 'succeeded');
  });

  test('reading stops with aborted, and leaves no listener', async ({
    provider,
    fixture,
    harness,
    assert,
    failureOf,
  }) => {
    const { name } = harness.intent.metadata;
    const reads = [
      (signal: AbortSignal) => provider.snapshot('platform', { signal, vm: { name } }),
      (signal: AbortSignal) => provider.describe({ name }, { signal }),
    ];
    await fixture.addForeign();
    for (const read of reads) {
      const before = countingSignal();
      before.controller.abort();
      assert.deepEqual((await failureOf(read(before.controller.signal))).code, 'aborted');
      const during = countingSignal();
      const struck = fixture.inject({ kind: 'hang', on: 'read' });
      const reading = read(during.controller.signal);
      // Observed before it can reject.
      const ended = failureOf(reading);
      await struck;
      during.controller.abort();
      assert.deepEqual((await ended).code, 'aborted');
      assert.deepEqual(during.listeners(), 0);
      const after = countingSignal();
      await read(after.controller.signal).catch(() => undefined);
      assert.deepEqual(after.listeners(), 0);
    }
  });

  test('a time limit is a timeout, and no abort', async ({
    provider,
    fixture,
    harness,
    assert,
    failureOf,
  }) => {
    const { name } = harness.intent.metadata;
    await fixture.addForeign();
    void fixture.inject({ kind: 'hang', on: 'read', times: 2 });
    const reads = [
      provider.snapshot('platform', { timeoutMs: 100, vm: { name } }),
      provider.describe({ name }, { timeoutMs: 100 }),
    ];
    for (const error of await Promise.all(reads.map(failureOf))) assert.deepEqual(error.code, 'timeout');
  });
};
