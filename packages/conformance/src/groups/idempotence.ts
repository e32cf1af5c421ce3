import { apply } from '@vmgpu/core/engine';
import type { Group } from '../suite.ts';

export const idempotence: Group = ({ test }) => {
  test('a second run of the same plan says unchanged everywhere, and writes nothing', async ({
    plan,
    applyIntent,
    provider,
    options,
    fixture,
    assert,
  }) => {
    const made = await plan();
    await applyIntent();
    const before = { state: await fixture.state(), writes: fixture.writes(), orders: fixture.orders() };
    const again = await apply(made, provider, options);
    assert.ok(!again.changed, `nothing changed: ${JSON.stringify(again.steps)}`);
    assert.deepEqual(
      { state: await fixture.state(), writes: fixture.writes(), orders: fixture.orders() },
      before,
    );
  });

  test('a new plan of the same intent says the same', async ({ applyIntent, fixture, assert }) => {
    await applyIntent();
    const writes = fixture.writes();
    const again = await applyIntent();
    assert.ok(!again.changed);
    assert.deepEqual(fixture.writes(), writes);
  });
};
