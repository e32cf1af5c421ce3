import type { Plan, Provider } from '@vmgpu/core';
import {
  apply,
  type JournalPort,
  type Operation,
  type OperationState,
  resume as resumeOperation,
  undo,
} from '@vmgpu/core/engine';
import type { Bench, Group } from '../suite.ts';

/** Stops the world at the n-th write, which is then on disk or not: what a kill does. */
function journalUntil(writes: number, stored: boolean) {
  let count = 0;
  let killed = () => {};
  const death = new Promise<void>((resolve) => {
    killed = resolve;
  });
  const disk: { state?: OperationState } = {};
  const journal: JournalPort = {
    async save(state) {
      count += 1;
      if (count < writes || stored) disk.state = JSON.parse(JSON.stringify(state));
      if (count < writes) return;
      killed();
      await new Promise(() => undefined);
    },
  };
  return { journal, death, disk };
}

type Start = (provider: Provider, journal: JournalPort) => Operation;
type Wanted = { readonly state: unknown; readonly orders: readonly string[]; readonly ended: string };

async function endOf(operation: Operation): Promise<string> {
  return operation.then(
    () => 'succeeded',
    (error) => error.code,
  );
}

/** Runs to the end, or to the kill and then, in a new process, from the journal to the end. */
async function runKilled(
  { fixture, options }: Bench,
  start: Start,
  { journal, death, disk }: ReturnType<typeof journalUntil>,
  struck: Promise<void> = death,
): Promise<{ ended: string; killed: boolean; operation: Operation }> {
  // A kill leaves the old process's promises pending for ever, as a dead process does.
  const operation = start(fixture.provider, journal);
  const first = await Promise.race([endOf(operation), death, struck]);
  if (typeof first === 'string') return { ended: first, killed: false, operation };
  const provider = await fixture.restart();
  const again = disk.state
    ? resumeOperation(disk.state, provider, options)
    : start(provider, { save: async () => {} });
  return { ended: await endOf(again), killed: true, operation: again };
}

/** How it ends when nobody kills it. */
async function uninterrupted(bench: Bench, start: Start): Promise<Wanted> {
  const { fixture } = bench;
  const ended = await endOf(start(fixture.provider, { save: async () => {} }));
  return { state: await fixture.state(), orders: fixture.orders(), ended };
}

/** What to kill: a start on a fresh platform, made ready for it. */
type Prepare = (bench: Bench, plan: Plan) => Promise<Start>;

const applyPlan: Prepare = async ({ options }, plan) => {
  return (provider, journal) => apply(plan, provider, { ...options, journal });
};
/** Takes back what was applied before. */
const undoPlan: Prepare = async ({ provider, options }, plan) => {
  const done = apply(plan, provider, options);
  await done;
  return (again, journal) => undo(done.toJSON(), again, { ...options, journal });
};

/** Two or three requests and writes a step, and a task that is looked at now and then: more than enough to thin out. */
const usualPoints = 60;

/** Kills a run at its first point, a second one at its second, until one comes through; all must end alike. */
async function killEverywhere(
  bench: Bench,
  prepare: Prepare,
  kill: (fresh: Bench, start: Start, point: number) => Promise<{ ended: string; killed: boolean }>,
): Promise<void> {
  const { assert, limits } = bench;
  const plan = await bench.plan();
  const wanted = await uninterrupted(bench, await prepare(bench, plan));
  const stride = Math.max(1, Math.ceil(usualPoints / limits.killPoints));
  for (let point = 1, killed = true; killed; point += stride) {
    await onFresh(bench, async (fresh) => {
      const outcome = await kill(fresh, await prepare(fresh, plan), point);
      killed = outcome.killed;
      const { ended } = outcome;
      const found: Wanted = { state: await fresh.fixture.state(), orders: fresh.fixture.orders(), ended };
      assert.deepEqual(found, wanted, `killed at point ${point}`);
    });
  }
}

async function onFresh(bench: Bench, body: (fresh: Bench) => Promise<void>): Promise<void> {
  const fixture = await bench.harness.create();
  const { provider, clock } = fixture;
  try {
    await body({ ...bench, fixture, provider, options: { ...bench.options, clock } });
  } finally {
    await provider.close?.();
    await fixture.close?.();
  }
}

/** What lies on the platform after an apply and its undo that nobody disturbs. */
async function bothOnFresh(bench: Bench, plan: Plan): Promise<unknown> {
  let state: unknown;
  await onFresh(bench, async (fresh) => {
    state = (await uninterrupted(fresh, await undoPlan(fresh, plan))).state;
  });
  return state;
}

const never = Number.POSITIVE_INFINITY;

export const resuming: Group = ({ test }) => {
  for (const stored of [false, true]) {
    const when = stored ? 'after' : 'before';
    test(`killed at any write of the journal, ${when} it is on disk, it ends the same`, (bench) =>
      killEverywhere(bench, applyPlan, (fresh, start, point) =>
        runKilled(fresh, start, journalUntil(point, stored)),
      ));
  }

  for (const [doing, prepare] of [
    ['it applies', applyPlan],
    ['it takes changes back', undoPlan],
  ] as const) {
    for (const kind of ['hang', 'hang-after'] as const) {
      const when = kind === 'hang' ? 'before' : 'after';
      test(`killed at any request, ${when} it is carried out, while ${doing}, it ends the same`, (bench) =>
        killEverywhere(bench, prepare, (fresh, start, point) => {
          const struck = fresh.fixture.inject({ kind, skip: point - 1 });
          return runKilled(fresh, start, journalUntil(never, true), struck);
        }));
    }
  }

  test('killed at any write of the journal while it takes changes back, it ends the same', (bench) =>
    killEverywhere(bench, undoPlan, (fresh, start, point) =>
      runKilled(fresh, start, journalUntil(point, true)),
    ));

  test('what was done around a kill can still be taken back', async (bench) => {
    const { fixture, limits, assert, options } = bench;
    const plan = await bench.plan();
    const undone = await bothOnFresh(bench, plan);
    const start = await applyPlan(bench, plan);
    const struck = fixture.inject({ kind: 'hang-after', on: 'write' });
    const { operation } = await runKilled(bench, start, journalUntil(never, true), struck);
    const ended = await endOf(undo(operation.toJSON(), await fixture.restart(), options));
    assert.deepEqual(ended, limits.undo ? 'succeeded' : 'apply-failed');
    assert.deepEqual(await fixture.state(), undone, 'as without the kill');
  });
};
