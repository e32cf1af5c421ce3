import { apply } from '@vmgpu/core/engine';
import type { Group } from '../suite.ts';

export const retry: Group = ({ test }) => {
  for (const kind of ['rate-limited', 'unavailable', 'connection'] as const) {
    for (const on of ['read', 'write'] as const) {
      test(`${kind}: a ${on} is sent again`, async ({ plan, provider, fixture, options, assert }) => {
        const made = await plan();
        void fixture.inject({ kind, on, times: 2 });
        const retries: unknown[] = [];
        const result = await apply(made, provider, {
          ...options,
          onEvent: (event) => event.type === 'step-retry' && retries.push(event),
        });
        assert.ok(result.changed);
        assert.deepEqual(retries.length, 2, 'both tries that failed are told');
      });
    }
  }

  test('an order that was not taken is sent again', async ({ applyIntent, fixture, assert }) => {
    void fixture.inject({ kind: 'connection', on: 'order' });
    await applyIntent();
    assert.deepEqual(new Set(fixture.orders()).size, fixture.orders().length, 'each order was taken once');
  });

  test('an order whose answer was lost is never sent again', async ({
    plan,
    provider,
    options,
    fixture,
    assert,
  }) => {
    void fixture.inject({ kind: 'lost-answer', on: 'order' });
    await apply(await plan(), provider, { ...options, onFailure: 'keep' }).then(
      () => undefined,
      () => undefined,
    );
    assert.deepEqual(new Set(fixture.orders()).size, fixture.orders().length, 'no order was taken twice');
  });

  test('a write whose answer was lost is found done, or taken back', async (bench) => {
    const { plan, provider, options, fixture, limits, assert } = bench;
    const before = await fixture.state();
    const made = await plan();
    void fixture.inject({ kind: 'lost-answer', on: 'write' });
    const done = await apply(made, provider, options).then(
      () => true,
      () => false,
    );
    if (done) assert.ok(!(await bench.applyIntent()).changed, 'all is as planned');
    else if (limits.undo) assert.deepEqual(await fixture.state(), before, 'all is as it was');
  });

  for (const kind of ['invalid', 'forbidden', 'unauthenticated'] as const) {
    test(`${kind}: is final at the first try`, async ({
      plan,
      provider,
      fixture,
      options,
      assert,
      failureOf,
    }) => {
      const made = await plan();
      void fixture.inject({ kind, on: 'write' });
      const writes = fixture.writes();
      await failureOf(apply(made, provider, { ...options, onFailure: 'keep' }));
      assert.deepEqual(fixture.writes(), writes + 1, 'one write, and no second');
    });
  }
};
