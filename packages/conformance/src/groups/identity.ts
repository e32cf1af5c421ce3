import { acceptProvider } from '@vmgpu/core/engine';
import type { Group } from '../suite.ts';

export const identity: Group = ({ test }) => {
  test('is accepted at the door, and has a name that fits into files and codes', async ({
    provider,
    assert,
  }) => {
    acceptProvider(provider);
    assert.ok(
      /^[a-z][a-z0-9-]*$/.test(provider.platform),
      `platform is lower-case letters: ${provider.platform}`,
    );
    assert.deepEqual(
      provider.translate.platform,
      provider.platform,
      'the translator is of the same platform',
    );
  });

  test('makes plans and diagnostics of its own name', async ({ provider, plan, harness, assert }) => {
    const made = await plan(harness.impossible);
    assert.deepEqual(made.platform, provider.platform);
    for (const { code } of made.diagnostics) {
      assert.ok(code.startsWith(`${provider.platform}.`), `the code ${code} starts with the platform`);
    }
  });
};
