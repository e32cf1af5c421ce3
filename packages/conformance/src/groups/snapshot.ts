import { type Group, throughJson } from '../suite.ts';

export const snapshot: Group = ({ test }) => {
  const both = ['platform', 'vm'] as const;

  test('is JSON, of an empty platform too', async ({ provider, assert }) => {
    for (const scope of both) {
      const seen = await provider.snapshot(scope);
      assert.deepEqual(throughJson(seen), seen);
    }
  });

  test('is the same twice when nothing has changed', async ({ provider, applyIntent, assert }) => {
    await applyIntent();
    for (const scope of both) {
      assert.deepEqual(await provider.snapshot(scope), await provider.snapshot(scope));
    }
  });

  test('only reads', async ({ provider, fixture, applyIntent, harness, assert }) => {
    await applyIntent();
    const writes = fixture.writes();
    const { name } = harness.intent.metadata;
    for (const scope of both) await provider.snapshot(scope, { vm: { name } });
    await provider.describe({ name });
    assert.deepEqual(fixture.writes(), writes);
  });
};
