import { deepFreeze, stableJson } from '@vmgpu/core';
import { orderSteps } from '@vmgpu/core/engine';
import { type Group, throughJson } from '../suite.ts';

export const planning: Group = ({ test }) => {
  test('makes no calls, and the same bytes for the same input', async ({
    provider,
    fixture,
    harness,
    assert,
  }) => {
    const seen = deepFreeze(await provider.snapshot('platform'));
    const intent = deepFreeze(throughJson(harness.intent));
    const before = fixture.requests();
    const first = JSON.stringify(provider.translate.plan(intent, seen));
    const second = JSON.stringify(provider.translate.plan(throughJson(intent), throughJson(seen)));
    assert.deepEqual(second, first);
    assert.deepEqual(fixture.requests(), before);
  });

  test('makes frozen JSON', async ({ plan, assert }) => {
    const made = await plan();
    assert.deepEqual(throughJson(made), made, 'the plan survives JSON');
    assert.ok(isFrozen(made), 'the plan is frozen in depth');
  });

  test('gives steps ids, an order, summaries, and a reason to be there', async ({ plan, assert }) => {
    const made = await plan();
    assert.ok(made.steps.length >= 3, 'the harness has a plan of three steps at least');
    assert.deepEqual(orderSteps(made).length, made.steps.length);
    for (const { summary, target } of made.steps) {
      assert.ok(summary.length > 0 && !summary.includes('\n'), `one line: ${summary}`);
      assert.ok(target.name.length > 0);
    }
  });

  test('splits by scope without a rest', async ({ plan, harness, assert }) => {
    const ids = async (scope?: 'platform' | 'vm') =>
      (await plan(harness.intent, scope ? { scope } : {})).steps.map(({ id }) => id);
    const parts = [...(await ids('platform')), ...(await ids('vm'))];
    assert.deepEqual(parts.sort(), (await ids()).sort());
  });

  test('renders what it plans, the same each time', async ({ plan, provider, assert }) => {
    const made = await plan();
    const files = provider.translate.render(made);
    assert.deepEqual(stableJson(provider.translate.render(throughJson(made))), stableJson(files));
    for (const { path } of files)
      assert.ok(!path.startsWith('/') && !path.includes('..'), `relative: ${path}`);
  });
};

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}
