import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ApplyFailedDetails,
  apply,
  type JournalPort,
  type Operation,
  resume,
} from '../src/engine/index.ts';
import { type OperationState, VmgpuError } from '../src/index.ts';
import { toy, toyPlan } from './engine-toy.ts';

const ids = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Steps that need some of those before them, some of which cannot be undone; one may fail. */
const cases = fc.record({
  steps: fc.array(fc.record({ needs: fc.subarray(ids), reversible: fc.boolean(), there: fc.boolean() }), {
    maxLength: ids.length,
  }),
  failsAt: fc.option(fc.nat(ids.length - 1)),
  notesFirst: fc.boolean(),
  onFailure: fc.constantFrom('undo' as const, 'keep' as const),
});

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

function setUp({ steps, failsAt, notesFirst, onFailure }: Case) {
  const failing = ids[failsAt ?? -1] ?? '';
  const { provider, things } = toy({
    [failing]: async (_step, context) => {
      if (notesFirst) await context.note({ before: things[failing] ?? null });
      throw new VmgpuError('refused', 'no');
    },
  });
  for (const [index, { there }] of steps.entries()) if (there) things[ids[index] ?? ''] = 'old';
  const plan = toyPlan(
    steps.map(({ needs, reversible }, index) => ({
      id: ids[index] ?? '',
      needs: needs.filter((id) => ids.indexOf(id) < index),
      reversible,
    })),
  );
  return { provider, things, plan, options: { onFailure, id: 'op' } };
}

type End = { readonly details: ApplyFailedDetails | undefined; readonly things: Record<string, unknown> };

async function endOf(operation: Operation, things: Record<string, unknown>): Promise<End> {
  const details = await operation.then(
    () => undefined,
    (error) => error.details as ApplyFailedDetails,
  );
  return { details, things: { ...things } };
}

/** Dies at a write of the journal, which is then on disk or not, and is taken up by another process. */
async function endOfKilled(drawn: Case, killAt: number, onDisk: boolean) {
  const { provider, things, plan, options } = setUp(drawn);
  let disk: OperationState | undefined;
  let writes = 0;
  let die = () => {};
  const death = new Promise<void>((resolve) => {
    die = resolve;
  });
  const journal: JournalPort = {
    async save(state) {
      writes += 1;
      if (writes < killAt || onDisk) disk = JSON.parse(JSON.stringify(state));
      if (writes < killAt) return;
      die();
      await new Promise(() => undefined);
    },
  };
  const first = await Promise.race([endOf(apply(plan, provider, { ...options, journal }), things), death]);
  if (first) return { end: first, killed: false };
  const again = disk ? resume(disk, provider) : apply(plan, provider, options);
  return { end: await endOf(again, things), killed: true };
}

describe('an operation', () => {
  it('leaves on the platform exactly what it says it leaves', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (drawn) => {
        const { provider, things, plan, options } = setUp(drawn);
        const before = { ...things };
        const { details } = await endOf(apply(plan, provider, options), things);
        const wanted = { ...before };
        const changed = details ? details.left.map(({ step }) => step) : plan.steps.map(({ id }) => id);
        const halfDone = details?.failed;
        for (const id of changed) if (id !== halfDone) wanted[id] = `made ${id}`;
        expect(things).toEqual(wanted);
        // What stays keeps what it needs.
        for (const { id, needs } of plan.steps) {
          if (changed.includes(id)) for (const need of needs ?? []) expect(things[need]).toBe(`made ${need}`);
        }
      }),
    );
  });

  it('ends the same when it is killed at any write of its journal and resumed', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (drawn) => {
        const whole = setUp(drawn);
        const wanted = await endOf(apply(whole.plan, whole.provider, whole.options), whole.things);

        for (const onDisk of [true, false]) {
          for (let killAt = 1, killed = true; killed; killAt += 1) {
            const end = await endOfKilled(drawn, killAt, onDisk);
            killed = end.killed;
            expect(end.end, `killed at write ${killAt}`).toEqual(wanted);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});
