/** The provider on simulated clouds of several kinds: what fails is told with its cause, and leaves nothing. */
import type { GpuVm, Plan, VmgpuError } from '@vmgpu/core';
import { apply, resume, undo } from '@vmgpu/core/engine';
import type { ConfigText } from '@vmgpu/simulators/openstack';
import { afterEach, describe, expect, it } from 'vitest';
import {
  canaryScenario,
  configFor,
  fullSpec,
  handWritten,
  namedSpec,
  onEveryService,
  passwordLogin,
  type SimBench,
  simBench,
} from './sim-bench.ts';
import { vm } from './support.ts';

let bench: SimBench;
afterEach(() => bench.close());

const options = () => ({ clock: bench.clock, random: () => 0.5 });
const gpus = (spec: GpuVm['spec'], from: number, to: number) => spec.gpus?.slice(from, to) ?? [];
const card = { ...fullSpec, gpus: gpus(fullSpec, 0, 1) };
const share = { ...namedSpec, gpus: gpus(namedSpec, 1, 2) };

async function planFor(intent: GpuVm, provider = bench.provider): Promise<Plan> {
  const snapshot = await provider.snapshot('platform', { vm: { name: intent.metadata.name } });
  return provider.translate.plan(intent, snapshot);
}

const blocked = ({ diagnostics }: Plan) => diagnostics.filter(({ kind }) => kind === 'blocked');

async function make(intent: GpuVm, provider = bench.provider) {
  return carryOut(await planFor(intent, provider), provider);
}

async function carryOut(plan: Plan, provider = bench.provider) {
  expect(blocked(plan)).toEqual([]);
  const operation = apply(plan, provider, options());
  await operation;
  // An operation is awaited where it is returned.
  return { undo: () => undo(operation.toJSON(), provider, options()) };
}

/** The cause of an apply that has to fail and to leave all as it was. */
function failureOf(intent: GpuVm, provider = bench.provider): Promise<VmgpuError> {
  return failureIn(() => make(intent, provider));
}

async function failureIn(work: () => Promise<unknown>): Promise<VmgpuError> {
  const before = bench.lies();
  const error = await work().then(
    () => undefined,
    (reason: VmgpuError) => reason,
  );
  expect(error?.code, String(error)).toBe('apply-failed');
  expect(bench.lies()).toEqual(before);
  return (error as VmgpuError).cause as VmgpuError;
}

describe('GPUs by tracker (Nova 26)', () => {
  it('as many servers as there are cards, then a refusal that names the stage', async () => {
    bench = await simBench({ scenario: canaryScenario(26, configFor(26, vm(card))) });
    const made = [await make(vm(card, 'train-1')), await make(vm(card, 'train-2'))];
    expect(Object.keys(bench.sim.state.claims)).toEqual([
      'gpu-host-1 0000:41:00.0',
      'gpu-host-1 0000:42:00.0',
    ]);
    const cause = await failureOf(vm(card, 'train-3'));
    expect([cause.code, cause.details?.stage]).toEqual(['capacity', 'filters']);
    for (const operation of made.reverse()) await operation.undo();
    expect(bench.sim.state).toMatchObject({ servers: [], claims: {}, allocations: {}, volumes: [] });
  });

  const text = (change: (text: string) => string) => onEveryService(change(handWritten));
  const mistakes: readonly (readonly [string, readonly ConfigText[], GpuVm['spec'], string])[] = [
    [
      'type-PCI for a card with SR-IOV',
      text((one) => one.replace('type-PF', 'type-PCI')),
      namedSpec,
      'filters',
    ],
    [
      'a device_spec of another product',
      text((one) => one.replace('"2236"}\n', '"2237"}\n')),
      namedSpec,
      'filters',
    ],
    [
      'the alias on nova-compute only',
      text((one) => one).map((one) =>
        one.service === 'nova-api' ? { ...one, text: one.text.replace(/alias = .*\n/, '') } : one,
      ),
      namedSpec,
      'api',
    ],
    [
      'an alias that Nova refuses',
      text((one) =>
        one.replace(
          'alias = {"name": "a10", "vendor_id": "10de"',
          'alias = {"name": "a10", "vendor_id": "0x10de"',
        ),
      ),
      namedSpec,
      'api',
    ],
    [
      'no mdev type enabled',
      text((one) => one.replace('enabled_mdev_types = nvidia-63', '')),
      share,
      'placement',
    ],
  ];
  it.each(mistakes)('%s is diagnosed', async (_name, config, spec, stage) => {
    bench = await simBench({ scenario: { ...canaryScenario(), config } });
    // Who knows nova.conf is told by the plan already.
    const cause = await failureOf(vm(spec), bench.connect({ config: [] }));
    expect([cause.details?.stage, cause.message]).toEqual([stage, expect.any(String)]);
    expect(cause.hint, String(cause)).toBeTruthy();
  });

  it('more vGPUs than there are is seen before anything is ordered', async () => {
    bench = await simBench();
    bench.sim.state.hosts = bench.sim.state.hosts.map((host) => ({
      ...host,
      devices: host.devices.map((device) =>
        device.mdevTypes ? { ...device, mdevTypes: { 'nvidia-63': 1 } } : device,
      ),
    }));
    for (const name of ['one', 'two']) await make(vm({ ...share, cpu: { cores: 2 } }, name));
    const orders = bench.orders.length;
    const cause = await failureOf(vm(share, 'three'));
    expect([cause.code, cause.details?.stage, cause.details?.resource]).toEqual([
      'capacity',
      'placement',
      'VGPU',
    ]);
    expect(bench.orders.length).toBe(orders);
  });
});

describe('GPUs in Placement', () => {
  it.each([29, 32, 34])('Nova %i: what the server holds is what its flavor asks for', async (release) => {
    bench = await simBench({ scenario: canaryScenario(release, configFor(release, vm(fullSpec))) });
    const operation = await make(vm(fullSpec));
    const { allocations = {}, providers = {} } = await bench.provider.describe({ name: 'train-1' });
    const held = Object.entries(allocations).map(([id, { resources }]) => [
      providers[id],
      Object.keys(resources),
    ]);
    expect(Object.fromEntries(held)).toEqual({
      'gpu-host-1': ['VCPU', 'MEMORY_MB', 'DISK_GB'],
      'gpu-host-1_0000:41:00.0': [expect.stringMatching(/^CUSTOM_/)],
      'gpu-host-1_pci_0000_c1_00_0': ['CUSTOM_VGPU_P4_1Q'],
      'gpu-host-1_pci_0000_c2_00_0': ['CUSTOM_VGPU_P4_2Q'],
    });
    const snapshot = await bench.provider.snapshot('platform');
    expect(snapshot.providers?.map(({ name, usages }) => [name, Object.values(usages)])).toContainEqual([
      'gpu-host-1_0000:41:00.0',
      [1],
    ]);
    await operation.undo();
    expect(bench.sim.state.allocations).toEqual({});
  });
});

describe('rights', () => {
  it('a member makes the server of a plan whose platform half an administrator has applied', async () => {
    bench = await simBench();
    const intent = vm(namedSpec);
    const plan = bench.provider.translate.plan(intent, await bench.provider.snapshot('platform'));
    const tenant = bench.connect({ login: passwordLogin('tenant') });
    const half = (scope: 'platform' | 'vm') => ({
      ...plan,
      steps: plan.steps.filter((step) => step.scope === scope),
    });
    const early = await apply({ ...plan, steps: half('platform').steps }, tenant, options()).then(
      () => undefined,
      (error: VmgpuError) => error.cause as VmgpuError,
    );
    expect(early?.code).toBe('permission-denied');
    await apply(half('platform'), bench.provider, options());
    const result = await apply(half('vm'), tenant, options());
    expect(result.steps.map(({ status }) => status)).toEqual(['created']);
    expect((await tenant.describe({ name: 'train-1' })).server.status).toBe('ACTIVE');
  });

  it('what a role may not see is a gap, and names the right', async () => {
    bench = await simBench();
    const tenant = bench.connect({ login: passwordLogin('tenant') });
    const { gaps = [], flavors = [], providers } = await tenant.snapshot('platform');
    expect(flavors.length).toBeGreaterThan(0);
    expect(providers).toBeUndefined();
    const needs = Object.fromEntries(gaps.map((gap) => [gap.path, gap.needs]));
    expect(needs).toMatchObject({
      aggregates: 'os_compute_api:os-aggregates:index',
      hypervisors: 'os_compute_api:os-hypervisors:list-detail',
      providers: 'placement:resource_providers:list',
      traits: 'placement:traits:list',
    });
  });

  it('a reader makes nothing', async () => {
    bench = await simBench();
    const plan = bench.provider.translate.plan(vm(share), await bench.provider.snapshot('platform'));
    await apply(
      { ...plan, steps: plan.steps.filter(({ scope }) => scope === 'platform') },
      bench.provider,
      options(),
    );
    const reader = bench.connect({ login: passwordLogin('auditor') });
    const error = await apply(
      { ...plan, steps: plan.steps.filter(({ scope }) => scope === 'vm') },
      reader,
      options(),
    ).then(
      () => undefined,
      (reason: VmgpuError) => reason.cause as VmgpuError,
    );
    expect(error?.code).toBe('permission-denied');
    expect(bench.sim.state.servers).toEqual([]);
  });
});

describe('the cloud misbehaves', () => {
  it('tokens that run out in the middle are renewed, once each', async () => {
    bench = await simBench({ tokenMs: 31_000 });
    await make(vm(namedSpec));
    expect(bench.sim.state.servers.map(({ status }) => status)).toEqual(['ACTIVE']);
    const before = bench.sim.counts()['identity POST /v3/auth/tokens'] ?? 0;
    bench.sim.expireTokens();
    await bench.provider.snapshot('platform');
    expect((bench.sim.counts()['identity POST /v3/auth/tokens'] ?? 0) - before).toBe(1);
  });

  it('a server that another one made under the same name is not touched', async () => {
    bench = await simBench();
    await make(vm(share));
    const before = bench.lies();
    const cause = await failureOf(vm({ ...share, memory: '4GiB' }));
    expect(cause.code).toBe('conflict');
    expect(bench.lies()).toEqual(before);
  });

  it('a server that was given up, and whose deletion was never answered, is ordered anew by the resume', async () => {
    bench = await simBench({ scenario: canaryScenario(26, configFor(26, vm(card))) });
    const operation = apply(await planFor(vm(card)), bench.provider, options());
    bench.intercept(async ({ signal }, { method }, pass) => {
      const answer = await pass();
      if (method !== 'DELETE') return answer;
      return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    });
    for await (const event of operation) {
      if (event.type !== 'step-progress') continue;
      operation.cancel({ inFlight: 'cancel-task' });
      break;
    }
    await expect(operation).rejects.toMatchObject({ code: 'aborted' });
    bench.intercept(undefined);
    const [first] = bench.sim.state.servers;
    expect(first?.task).toBe('deleting');

    expect((await resume(operation.toJSON(), bench.connect(), options())).changed).toBe(true);
    const [second, ...more] = bench.sim.state.servers;
    expect(more).toEqual([]);
    expect(second?.status).toBe('ACTIVE');
    expect(second?.id).not.toBe(first?.id);
  });

  it('quota is told as such: by the plan, and by Nova when it went down since', async () => {
    bench = await simBench({ scenario: canaryScenario() });
    const plan = await planFor(vm(share));
    Object.assign(bench.sim.state.scenario, { quota: { instances: 0 } });
    const cause = await failureIn(() => carryOut(plan));
    expect([cause.code, cause.message]).toEqual([
      'capacity',
      expect.stringContaining('Quota exceeded for instances'),
    ]);
    expect(blocked(await planFor(vm(share))).map(({ code }) => code)).toEqual(['openstack.quota']);
  });

  it('a host that goes down is a gap of the snapshot', async () => {
    bench = await simBench();
    bench.sim.state.hosts = bench.sim.state.hosts.map((host) => ({ ...host, state: 'down' }));
    const { gaps = [] } = await bench.provider.snapshot('platform');
    expect(gaps.map(({ path }) => path)).toContain('hypervisors.gpu-host-1');
  });
});
