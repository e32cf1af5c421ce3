import { sameJson } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import type { Group } from '../suite.ts';

export const roundTrip: Group = ({ test }) => {
  test('what was applied reads back as the same intent, but for declared losses', async ({
    applyIntent,
    provider,
    harness,
    limits,
    assert,
  }) => {
    await applyIntent();
    const { name } = harness.intent.metadata;
    const native = await provider.describe({ name });
    const { intent, diagnostics } = provider.translate.toIntent(native, await provider.snapshot('platform'));
    for (const [field, wanted] of Object.entries(harness.intent.spec)) {
      const found = intent.spec[field as keyof typeof intent.spec];
      if (!limits.lost.includes(field)) {
        assert.ok(sameJson(found, wanted), `spec.${field} reads back: ${JSON.stringify(found)}`);
      } else if (!sameJson(found, wanted)) {
        assert.ok(
          diagnostics.some(({ path }) => path.includes(field)),
          `the loss of spec.${field} has a diagnostic`,
        );
      }
    }
  });

  test('what was read and is planned again changes nothing', async ({
    applyIntent,
    provider,
    harness,
    options,
    fixture,
    assert,
  }) => {
    await applyIntent();
    await fixture.addForeign();
    const before = await fixture.state();
    const { name } = harness.intent.metadata;
    const snapshot = await provider.snapshot('platform', { vm: { name } });
    const { intent } = provider.translate.toIntent(await provider.describe({ name }), snapshot);
    const result = await apply(provider.translate.plan(intent, snapshot, { vm: name }), provider, options);
    assert.ok(!result.changed, `nothing changed: ${JSON.stringify(result.steps)}`);
    assert.deepEqual(await fixture.state(), before);
  });
};
