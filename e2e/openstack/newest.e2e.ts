/**
 * The newest Nova, from PyPI, in a cloud of its own: whole GPUs are scheduled through Placement, which Debian's Nova cannot.
 */
import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isVmgpuError } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Ports beside those of the other cloud. The settings hold for everything this process starts. */
Object.assign(process.env, {
  NOVA_RELEASE: '34.0.0',
  GPU_OPENSTACK_STATE:
    process.env.GPU_OPENSTACK_NEWEST_STATE ?? join(homedir(), '.local', 'state', 'gpu-openstack-newest'),
  KEYSTONE_PORT: '5001',
  NOVA_PORT: '8784',
  PLACEMENT_PORT: '8788',
  GLANCE_PORT: '9293',
  NEUTRON_PORT: '9697',
  RABBIT_PORT: '5673',
  RABBIT_DIST_PORT: '25673',
  EPMD_PORT: '14370',
});
const cloud = await import('./cloud.ts');

const a10 = '10de:2236';
const vm = (name: string, count?: number) => cloud.smallVm(name, [cloud.passthrough(a10, 'gpu0', count)]);
const fragments = cloud.renderFragments(vm('train-1'));
const facts = { hosts: [cloud.gpuHost], config: cloud.configOf(fragments) };

/** Used devices by resource class, as Placement has them. */
async function used(): Promise<Readonly<Record<string, number>>> {
  const rows = await cloud.sql(
    'select c.name, sum(a.used) from placement.allocations a join placement.resource_classes c on c.id = a.resource_class_id group by c.name',
  );
  return Object.fromEntries(rows.map(([name = '', count]) => [name, Number(count)]));
}

describe('Nova 34: a whole GPU through Placement', () => {
  beforeAll(async () => {
    execFileSync(join(import.meta.dirname, 'openstack-up'), { stdio: ['ignore', 'ignore', 'inherit'] });
    expect(await cloud.restartNova(fragments)).toMatchObject({ ok: true });
  });
  afterAll(() => {
    execFileSync(join(import.meta.dirname, 'openstack-down'), { stdio: 'ignore' });
  });

  async function start(name: string, count?: number) {
    const { provider } = cloud.openCloud(facts);
    const snapshot = await provider.snapshot('platform', { vm: { name } });
    const plan = provider.translate.plan(vm(name, count), snapshot);
    return { provider, plan, snapshot, operation: apply(plan, provider) };
  }

  it('is the release that it should be, and reports its devices', async () => {
    const { provider } = cloud.openCloud(facts);
    const snapshot = await provider.snapshot('platform');
    expect(snapshot.version).toMatch(/^34\./);
    const classes = await cloud.sql(
      "select c.name, sum(i.total) from placement.inventories i join placement.resource_classes c on c.id = i.resource_class_id where c.name like 'CUSTOM_PCI%' group by c.name",
    );
    expect(classes).toEqual([['CUSTOM_PCI_10DE_2236', '2']]);
    await provider.close?.();
  });

  it('gets an ACTIVE server with the device allocated, and gives it back', async () => {
    const { provider, operation } = await start('train-1');
    await operation;
    const { server } = await provider.describe({ name: 'train-1' });
    expect(server.status).toBe('ACTIVE');
    expect(Object.values(await cloud.claimedDevices())).toEqual([server.id]);
    expect(await used()).toMatchObject({ CUSTOM_PCI_10DE_2236: 1 });
    await undo(operation.toJSON(), provider);
    expect(await cloud.leftovers()).toEqual([]);
    await provider.close?.();
  });

  it('says which resource Placement lacks when one more is asked than there is', async () => {
    const first = await start('train-1', 2);
    await first.operation;
    const second = await start('train-2');
    const error = await second.operation.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    const cause = (error as { cause?: unknown } | undefined)?.cause;
    expect(isVmgpuError(cause) && cause.code).toBe('capacity');
    expect(isVmgpuError(cause) && cause.details).toMatchObject({ stage: 'placement' });
    await undo(first.operation.toJSON(), first.provider);
    expect(await cloud.leftovers()).toEqual([]);
    for (const { provider } of [first, second]) await provider.close?.();
  });
});
