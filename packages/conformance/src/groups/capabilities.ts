import { type Group, throughJson } from '../suite.ts';

export const capabilities: Group = ({ test }) => {
  test('are plain data', async ({ provider, assert }) => {
    assert.deepEqual(throughJson(provider.capabilities), provider.capabilities);
  });

  test('declare every step kind that is planned, with its scope', async ({ provider, plan, assert }) => {
    for (const step of (await plan()).steps) {
      const kind = provider.capabilities.stepKinds[step.kind];
      assert.ok(kind, `${step.kind} is declared`);
      assert.deepEqual(step.scope, kind?.scope, `${step.kind} has the declared scope`);
      assert.ok(
        !step.reversible || kind?.undo,
        `${step.kind} is planned as reversible, so it is declared with undo`,
      );
    }
  });

  test('declare undo exactly when there is one', async ({ provider, limits, assert }) => {
    const declared = Object.values(provider.capabilities.stepKinds).some(({ undo }) => undo);
    assert.deepEqual(declared, provider.undoStep !== undefined);
    assert.deepEqual(declared, limits.undo, 'the limits say the same');
  });

  test('what cannot be said has a diagnostic with a path, and nothing is called for it', async ({
    harness,
    fixture,
    provider,
    assert,
  }) => {
    const { name } = harness.impossible.metadata;
    const snapshot = await provider.snapshot('platform', { vm: { name } });
    const before = fixture.requests();
    const { diagnostics } = provider.translate.plan(harness.impossible, snapshot);
    assert.ok(diagnostics.length > 0, 'there is a diagnostic');
    for (const { path, message } of diagnostics) {
      assert.ok(path.length > 0 && message.length > 0, 'it has a path and a sentence');
    }
    assert.deepEqual(fixture.requests(), before);
  });
};
