/** Shares of a GPU on the real Nova, with the files that vmgpu writes: one type of mediated device, then two. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apply, undo } from '@vmgpu/core/engine';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  bringUp,
  configOf,
  gpuHost,
  leftovers,
  openCloud,
  renderFragments,
  restartNova,
  restoreNova,
  smallVm,
  sql,
  stateDirectory,
} from './cloud.ts';
import { cleanCloud } from './rest.ts';

/** Mediated devices on the host: type and card. */
function mdevs(): readonly string[] {
  const path = join(stateDirectory, 'nova', 'gpu-host-1', 'libvirt.json');
  const { mdevs = [] } = JSON.parse(readFileSync(path, 'utf8')) as {
    mdevs?: readonly { type: string; parent: string }[];
  };
  return mdevs.map(({ type, parent }) => `${type} on ${parent}`);
}

function used(): Promise<readonly (readonly string[])[]> {
  return sql(
    "select p.name, c.name, a.used from placement.allocations a join placement.resource_classes c on c.id = a.resource_class_id join placement.resource_providers p on p.id = a.resource_provider_id where c.name like '%GPU%' order by 1, 2",
  );
}

async function walk(vm: ReturnType<typeof smallVm>, fragments: Readonly<Record<string, string>>) {
  const { provider } = openCloud({ hosts: [gpuHost], config: configOf(fragments) });
  const { name } = vm.metadata;
  const plan = provider.translate.plan(vm, await provider.snapshot('platform', { vm: { name } }));
  expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
  const operation = apply(plan, provider);
  await operation;
  const native = await provider.describe({ name });
  return { provider, operation, native };
}

describe('one type of vGPU', () => {
  const vm = smallVm('share-1', [{ name: 'vgpu0', mode: 'vgpu', profile: 'P4-1Q' }]);
  const fragments = renderFragments(vm);
  beforeAll(async () => {
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
  });
  // Also when it fails: the next try begins with an empty cloud.
  afterEach(cleanCloud);
  afterAll(restoreNova);

  it('is made on a card, reads back, and is given back', async () => {
    const { provider, operation, native } = await walk(vm, fragments);
    expect(native.server.status).toBe('ACTIVE');
    expect((await used()).map(([, name, amount]) => [name, amount])).toEqual([['VGPU', '1']]);
    expect(mdevs()).toEqual([expect.stringMatching(/^nvidia-63 on pci_0000_c[12]_00_0/)]);
    const { intent } = provider.translate.toIntent(native, await provider.snapshot('vm'));
    expect(intent.spec.gpus).toEqual([expect.objectContaining({ mode: 'vgpu' })]);
    await undo(operation.toJSON(), provider);
    expect(await leftovers()).toEqual([]);
    await provider.close?.();
  });
});

describe('two types of vGPU', () => {
  const both = smallVm(
    'both',
    [
      { name: 'small', mode: 'vgpu', profile: 'P4-1Q', device: { address: '0000:c1:00.0' } },
      { name: 'large', mode: 'vgpu', profile: 'P4-2Q', device: { address: '0000:c2:00.0' } },
    ],
    { gpus: { large: { resourceClass: 'CUSTOM_VGPU_LARGE' } } },
  );
  const fragments = renderFragments(both);
  const share = (name: string, profile: string, resourceClass: string) =>
    smallVm(name, [{ name: 'vgpu0', mode: 'vgpu', profile, device: { name: resourceClass } }]);
  beforeAll(async () => {
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
  });
  afterAll(restoreNova);

  it('come each from its card, under resource classes of their own', async () => {
    const small = await walk(share('share-2', 'P4-1Q', 'CUSTOM_VGPU_P4_1Q'), fragments);
    const large = await walk(share('share-3', 'P4-2Q', 'CUSTOM_VGPU_LARGE'), fragments);
    expect([small, large].map(({ native }) => native.server.status)).toEqual(['ACTIVE', 'ACTIVE']);
    expect(await used()).toEqual([
      ['gpu-host-1_pci_0000_c1_00_0', 'CUSTOM_VGPU_P4_1Q', '1'],
      ['gpu-host-1_pci_0000_c2_00_0', 'CUSTOM_VGPU_LARGE', '1'],
    ]);
    expect([...mdevs()].sort()).toEqual(['nvidia-63 on pci_0000_c1_00_0', 'nvidia-64 on pci_0000_c2_00_0']);
    for (const { provider, operation } of [large, small]) {
      await undo(operation.toJSON(), provider);
      await provider.close?.();
    }
    expect(await leftovers()).toEqual([]);
  });

  it('do not both reach one server before Nova 33, and the plan says so', async () => {
    // Nova keeps the mediated devices of servers that are gone.
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
    const { provider, operation, native } = await walk(both, fragments);
    expect(operation.toJSON().plan.diagnostics).toContainEqual(
      expect.objectContaining({ kind: 'unsupported', code: 'openstack.several-vgpu-classes' }),
    );
    expect(native.server.status).toBe('ACTIVE');
    expect(await used()).toHaveLength(2);
    expect(mdevs()).toHaveLength(1);
    await undo(operation.toJSON(), provider);
    await provider.close?.();
  });
});
