import { type Plan, VmgpuError } from '@vmgpu/core';
import { apply, orderSteps, undo, withFaults } from '@vmgpu/core/engine';
import type { Group } from '../suite.ts';

const broken = new VmgpuError('refused', 'a fault of the suite');

/** Steps that say themselves that they cannot be undone, and those that they need. */
function mayStay({ steps }: Plan): ReadonlySet<string> {
  const stays = new Set<string>();
  const add = (id: string): void => {
    if (stays.has(id)) return;
    stays.add(id);
    for (const need of steps.find((step) => step.id === id)?.needs ?? []) add(need);
  };
  for (const { id, reversible } of steps) if (!reversible) add(id);
  return stays;
}

export const failure: Group = ({ test }) => {
  test('a step that fails takes back those before it, or they are said to stay', async ({
    plan,
    harness,
    provider,
    options,
    fixture,
    limits,
    assert,
    reportOf,
  }) => {
    const made = await plan(harness.intent);
    const order = orderSteps(made);
    const untouched = await fixture.state();
    const stays = mayStay(made);
    /** Left by the failures before this one, where nothing is taken back. */
    const earlier = new Set<string>();
    for (const [index, step] of order.entries()) {
      const faulty = withFaults(provider, [{ method: 'doStep', step: step.id, error: broken }]);
      const report = await reportOf(apply(made, faulty, options));
      assert.deepEqual([report.code, report.failed], ['apply-failed', step.id]);
      if (limits.undo) {
        const stayed = report.left.filter((change) => !stays.has(change.step));
        assert.deepEqual(stayed, [], `nothing stays after a failure at step ${index + 1}`);
        if (stays.size > 0) continue;
        assert.deepEqual(await fixture.state(), untouched, `as before, after a failure at step ${index + 1}`);
      } else {
        const changed = report.left.map((change) => change.step);
        assert.deepEqual(report.undone, []);
        assert.ok(
          report.done.every((id) => changed.includes(id) || earlier.has(id)),
          'all that was done is said to stay',
        );
        for (const id of changed) earlier.add(id);
      }
    }
  });

  test('an update is taken back to exactly what was there', async ({
    applyIntent,
    plan,
    harness,
    provider,
    options,
    fixture,
    limits,
    assert,
    reportOf,
  }) => {
    await applyIntent();
    await fixture.addForeign();
    const before = await fixture.state();
    const operation = apply(await plan(harness.changed), provider, options);
    await operation;
    const back = undo(JSON.parse(JSON.stringify(operation)), provider, options);
    if (limits.undo) {
      await back;
      assert.deepEqual(await fixture.state(), before);
    } else {
      assert.ok((await reportOf(back)).left.length > 0);
    }
  });

  test('with onFailure keep, what was done stays and is named', async ({
    plan,
    provider,
    options,
    assert,
    reportOf,
  }) => {
    const made = await plan();
    const last = orderSteps(made).at(-1);
    const faulty = withFaults(provider, [{ method: 'doStep', step: last?.id ?? '', error: broken }]);
    const { left } = await reportOf(apply(made, faulty, { ...options, onFailure: 'keep' }));
    assert.deepEqual(left.length, made.steps.length - 1);
  });
};
