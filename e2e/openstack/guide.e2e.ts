/**
 * The way of the Kolla guide (a whole GPU through alias, filter and flavor) on the real Nova, with the files that vmgpu writes.
 */
import { isVmgpuError } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  bringUp,
  claimedDevices,
  configOf,
  gpuHost,
  leftovers,
  openCloud,
  passthrough,
  renderFragments,
  restartNova,
  restoreNova,
  smallVm,
} from './cloud.ts';
import { cleanCloud } from './rest.ts';

const a10 = '10de:2236';
const vm = (name: string) => smallVm(name, [passthrough(a10)]);
const fragments = renderFragments(vm('train-1'));
const facts = { hosts: [gpuHost], config: configOf(fragments) };

describe('a whole GPU, by alias and filter', () => {
  beforeAll(async () => {
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
  });
  // Also when it fails: the next try begins with an empty cloud.
  afterEach(cleanCloud);
  afterAll(restoreNova);

  async function planFor(name: string, scope?: 'platform' | 'vm') {
    const { provider, entries } = openCloud(facts);
    const snapshot = await provider.snapshot('platform', { vm: { name } });
    return { provider, entries, plan: provider.translate.plan(vm(name), snapshot, scope ? { scope } : {}) };
  }

  it('makes flavor and server, claims the card, says unchanged the second time, and leaves nothing', async () => {
    const { provider, plan } = await planFor('train-1');
    expect(plan.steps.map(({ kind }) => kind)).toEqual([
      'openstack.config',
      'openstack.config',
      'openstack.config',
      'openstack.flavor',
      'openstack.server',
    ]);
    const operation = apply(plan, provider);
    const result = await operation;
    // Nova read our files; the plan saw them, so that its own steps of configuration were done already.
    expect(result.steps.map(({ status }) => status)).toEqual([
      'unchanged',
      'unchanged',
      'unchanged',
      'created',
      'created',
    ]);

    const { server } = await provider.describe({ name: 'train-1' });
    expect(server.status).toBe('ACTIVE');
    expect(await claimedDevices()).toEqual({ '0000:41:00.0': server.id });

    const again = await planFor('train-1');
    expect((await apply(again.plan, again.provider)).changed).toBe(false);

    const reading = provider.translate.toIntent(
      await provider.describe({ name: 'train-1' }),
      await provider.snapshot('vm'),
    );
    expect(reading.intent).toEqual(vm('train-1'));

    await undo(operation.toJSON(), provider);
    expect(await leftovers()).toEqual([]);
    expect(await claimedDevices()).toEqual({});
    await provider.close?.();
  });

  it('refuses one more than there is, names the cause, and leaves no server in ERROR', async () => {
    const operations = [];
    for (const name of ['train-1', 'train-2']) {
      const { provider, plan } = await planFor(name);
      const operation = apply(plan, provider);
      await operation;
      operations.push({ operation, provider });
    }
    expect(Object.keys(await claimedDevices())).toEqual(['0000:41:00.0', '0000:42:00.0']);

    const { provider, plan } = await planFor('train-3');
    const before = await leftovers();
    const error = await apply(plan, provider).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(isVmgpuError(error) && error.code).toBe('apply-failed');
    const cause = (error as { cause?: unknown }).cause;
    expect(isVmgpuError(cause) && cause.code).toBe('capacity');
    expect(isVmgpuError(cause) && cause.details).toMatchObject({ stage: 'filters' });
    expect(String(isVmgpuError(cause) && cause.details?.causes)).toMatch(/all such devices are taken/);
    expect(await leftovers()).toEqual(before);

    for (const one of operations.reverse()) await undo(one.operation.toJSON(), one.provider);
    expect(await leftovers()).toEqual([]);
  });
});
