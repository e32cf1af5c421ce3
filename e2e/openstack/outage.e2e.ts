/**
 * Services that die in the middle of an apply and come back, a login that expires in it, and the least rights of both scopes,
 * on the real services.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isVmgpuError, type Plan, Secret, type VmgpuError } from '@vmgpu/core';
import { apply, type Operation, undo } from '@vmgpu/core/engine';
import { createAxiosPort, type HttpPort } from '@vmgpu/http';
import type { OpenStackProvider } from '@vmgpu/openstack';
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
  sql,
  startStopped,
  stateDirectory,
} from './cloud.ts';
import { cleanCloud, testUser } from './rest.ts';

const vm = smallVm('train-1', [passthrough('10de:2236')]);
const fragments = renderFragments(vm);
const facts = { hosts: [gpuHost], config: configOf(fragments) };

/** Kills a service and all its workers, as the kernel would. */
function kill(unit: string): void {
  const [pid] = readFileSync(join(stateDirectory, 'pid', `${unit}.pid`), 'utf8').split(' ');
  process.kill(-Number(pid), 'SIGKILL');
}

async function planned(provider: OpenStackProvider, scope?: 'platform' | 'vm'): Promise<Plan> {
  const snapshot = await provider.snapshot(scope ?? 'platform', { vm: { name: 'train-1' } });
  return provider.translate.plan(vm, snapshot, scope ? { scope } : {});
}

/** Resolves when the step of this kind has begun, and has told something when it is a task. */
async function reached(operation: Operation, kind: string): Promise<void> {
  const { steps } = operation.toJSON().plan;
  for await (const event of operation) {
    const step = 'step' in event ? steps.find(({ id }) => id === event.step) : undefined;
    if (step?.kind !== kind) continue;
    if (event.type === 'step-progress' || kind !== 'openstack.server') return;
  }
}

const orphans = () =>
  sql(
    "select concat('server ', uuid) from nova.instances where deleted = 0 and display_name <> 'train-1' union all select concat('allocation ', consumer_id) from placement.allocations where consumer_id not in (select uuid from nova.instances where deleted = 0)",
  );

beforeAll(async () => {
  await bringUp();
  expect(await restartNova(fragments)).toMatchObject({ ok: true });
});
afterEach(cleanCloud);
afterAll(restoreNova);

describe('a service dies in the middle of an apply, and comes back', () => {
  for (const unit of ['nova-api', 'nova-scheduler', 'nova-compute-gpu-host-1', 'keystone']) {
    it(`${unit}: it ends right, with no orphan`, async () => {
      const { provider } = openCloud(facts);
      const operation = apply(await planned(provider), provider);
      const ended = operation.then(
        () => 'done',
        (error: unknown) =>
          isVmgpuError(error)
            ? `${error.code}: ${String((error.cause as Error | undefined)?.message)}`
            : String(error),
      );
      await reached(operation, unit === 'nova-scheduler' ? 'openstack.flavor' : 'openstack.server');
      kill(unit);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      await startStopped();
      const end = await ended;
      console.log(`${unit} killed and restarted: ${end}`);
      if (end !== 'done') {
        // It said that it failed, and has taken back what it did; again, it works.
        expect(end).toMatch(/^apply-failed/);
        expect(await leftovers()).toEqual([]);
        await apply(await planned(provider), provider);
      }
      const { server } = await provider.describe({ name: 'train-1' });
      expect(server.status).toBe('ACTIVE');
      expect(Object.values(await claimedDevices())).toEqual([server.id]);
      expect(await orphans()).toEqual([]);
      await provider.close?.();
    });
  }
});

/** As if the token had run out: from then on it is not the one that Keystone gave, until there is a new login. */
function expiring(wire: HttpPort): {
  readonly port: HttpPort;
  expire(): void;
  readonly logins: () => number;
} {
  let stale: string | undefined;
  let latest: string | undefined;
  let logins = 0;
  return {
    port: {
      async request(request) {
        const sent = request.headers?.['x-auth-token'];
        const token = sent instanceof Secret ? sent.reveal() : sent;
        const headers = { ...request.headers, 'x-auth-token': 'expired' };
        const response = await wire.request(
          token !== undefined && token === stale ? { ...request, headers } : request,
        );
        const given = response.headers['x-subject-token'];
        if (given !== undefined) {
          latest = given;
          logins += 1;
        }
        return response;
      },
    },
    expire() {
      stale = latest;
    },
    logins: () => logins,
  };
}

describe('the login', () => {
  it('is renewed once when the token expires in the middle of an apply', async () => {
    const { port, expire, logins } = expiring(createAxiosPort());
    const { provider } = openCloud(facts, port);
    const operation = apply(await planned(provider), provider);
    await reached(operation, 'openstack.server');
    expire();
    await operation;
    expect(logins()).toBe(2);
    expect((await provider.describe({ name: 'train-1' })).server.status).toBe('ACTIVE');
    expect(await orphans()).toEqual([]);
    await provider.close?.();
  });
});

describe('least rights', () => {
  it('a member applies the part of scope vm, and nothing of scope platform', async () => {
    const member = await testUser('vmgpu-member', 'member', 'vmgpu-tenant');
    const admin = openCloud(facts).provider;
    const tenant = openCloud({ ...facts, login: member.login }).provider;

    const whole = await planned(admin);
    const refused = await apply(
      { ...whole, steps: whole.steps.filter(({ kind }) => kind === 'openstack.flavor') },
      tenant,
    ).then(
      () => undefined,
      (error: VmgpuError) => error.cause as VmgpuError,
    );
    expect(refused?.code).toBe('permission-denied');

    const platform = apply(await planned(admin, 'platform'), admin);
    await platform;
    const plan = await planned(tenant, 'vm');
    expect(plan.steps.map(({ kind }) => kind)).toEqual(['openstack.server']);
    const made = apply(plan, tenant);
    await made;
    expect((await tenant.describe({ name: 'train-1' })).server.status).toBe('ACTIVE');
    expect(Object.keys(await claimedDevices())).toHaveLength(1);
    expect((await apply(await planned(tenant, 'vm'), tenant)).changed).toBe(false);
    await undo(made.toJSON(), tenant);
    await undo(platform.toJSON(), admin);
    expect(await leftovers()).toEqual([]);
    for (const provider of [admin, tenant]) await provider.close?.();
  });
});
