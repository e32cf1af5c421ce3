import type { VmgpuErrorCode } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import type { FaultKind } from '../harness.ts';
import type { Group } from '../suite.ts';

const table: readonly (readonly [FaultKind, VmgpuErrorCode])[] = [
  ['invalid', 'refused'],
  ['forbidden', 'permission-denied'],
  ['unauthenticated', 'auth-failed'],
  ['connection', 'unreachable'],
  ['unavailable', 'unreachable'],
  ['rate-limited', 'unreachable'],
];

export const errors: Group = ({ test }) => {
  for (const [kind, code] of table) {
    test(`${kind} is ${code}`, async ({ plan, provider, fixture, options, assert, reportOf }) => {
      const made = await plan();
      void fixture.inject({ kind, on: 'write', times: 999 });
      const report = await reportOf(apply(made, provider, { ...options, onFailure: 'keep' }));
      assert.deepEqual([report.code, report.failure?.code], ['apply-failed', code]);
    });
  }

  test('a VM that is not there is not-found', async ({ provider, assert, failureOf }) => {
    assert.deepEqual((await failureOf(provider.describe({ name: 'no-such-vm' }))).code, 'not-found');
  });

  test('a plan that is out of date is a conflict, and changes nothing', async (bench) => {
    const { plan, provider, fixture, options, harness, assert, reportOf } = bench;
    await bench.applyIntent();
    const stale = await plan(harness.changed);
    await fixture.disturb();
    const before = await fixture.state();
    const { failure } = await reportOf(apply(stale, provider, options));
    assert.deepEqual(failure?.code, 'conflict');
    assert.deepEqual(await fixture.state(), before);
  });
};
