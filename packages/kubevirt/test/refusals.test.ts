import type { GpuVm, VmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import {
  type KubeObject,
  type Scenario,
  sampleClusterPolicy,
  sampleKubeVirt,
  sampleScenario,
} from '@vmgpu/simulators/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeVirtLive } from '../src/index.ts';
import { quickClock, startCluster, type TestCluster, type UserName } from './cluster/cluster.ts';
import { intentOf, smallCatalog } from './support.ts';

/*
 * What KubeVirt 1.9.0 accepts and leaves hanging is refused before anything is created; what only shows later fails with
 * its cause.
 */

const resource = 'nvidia.com/GA102GL_A10';
const permitted = {
  permittedHostDevices: {
    pciHostDevices: [
      { pciVendorSelector: '10DE:2236', resourceName: resource, externalResourceProvider: true },
    ],
  },
};

/** Two nodes with two A10 each, ready for passthrough. */
function prepared(configuration: object, failures: Scenario['launcherFailures'] = []): Scenario {
  const { objects = [], ...rest } = sampleScenario();
  const label = (object: KubeObject): KubeObject =>
    object.kind === 'Node' && object.metadata.name !== 'cpu-1'
      ? {
          ...object,
          metadata: {
            ...object.metadata,
            labels: { ...object.metadata.labels, 'nvidia.com/gpu.workload.config': 'vm-passthrough' },
          },
        }
      : object;
  const others = objects.filter(({ kind }) => kind !== 'KubeVirt' && kind !== 'ClusterPolicy').map(label);
  const policy = sampleClusterPolicy({ sandboxWorkloads: { enabled: true } });
  return { ...rest, objects: [...others, policy, sampleKubeVirt(configuration)], launcherFailures: failures };
}

const gpu = (device: object, count = 1) => ({ name: 'gpu0', mode: 'passthrough', device, count });
const vm = (device: object, count?: number, name?: string): GpuVm =>
  intentOf({ memory: '4GiB', gpus: [gpu(device, count)] }, name);

async function published(cluster: TestCluster): Promise<void> {
  const isDone = () =>
    cluster.kube.objects('nodes').filter(({ status }) => status?.allocatable?.[resource] === '2').length ===
    2;
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function refusal(
  cluster: TestCluster,
  intent: GpuVm,
  user: UserName = 'ops',
  scope?: 'vm',
): Promise<VmgpuError> {
  const provider = await cluster.connect(user);
  const snapshot = await provider.snapshot(scope ?? 'platform', { vm: { name: intent.metadata.name } });
  const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog, ...(scope && { scope }) });
  return apply(plan, provider, { clock: quickClock }).then(
    () => expect.fail('it was not refused'),
    (error) => error,
  );
}

describe('refused before anything is created', () => {
  let cluster: TestCluster;
  let provider: KubeVirtLive;
  beforeAll(async () => {
    cluster = await startCluster({ scenario: prepared(permitted) });
    await published(cluster);
    provider = await cluster.connect('ops');
  });
  afterAll(() => cluster.close());

  const cases: readonly (readonly [string, GpuVm, RegExp])[] = [
    ['a resource that no node has', vm({ name: 'nvidia.com/H100' }), /no node publishes nvidia\.com\/H100/],
    [
      'a resource that is misspelt',
      vm({ name: 'nvidia.com/GA102GL_A1O' }),
      /nearest: nvidia\.com\/GA102GL_A10/,
    ],
    ['more than any node has', vm({ id: '10de:2236' }, 3), /no ready node has 3/],
    ["the container plugin's resource", vm({ name: 'nvidia.com/gpu' }), /published for containers/],
  ];
  it.each(cases)('%s', async (_name, intent, text) => {
    const error = await refusal(cluster, intent);
    expect([error.code, error.message]).toEqual(['blocked', expect.stringMatching(text)]);
    expect(cluster.kube.objects('virtualmachines.kubevirt.io')).toEqual([]);
  });

  it('a place that is free nowhere, with who has how many', async () => {
    const made: string[] = [];
    for (const name of ['first', 'second']) {
      const intent = vm({ id: '10de:2236' }, 2, name);
      const snapshot = await provider.snapshot('vm', { vm: { name } });
      await apply(provider.translate.plan(intent, snapshot, { catalog: smallCatalog }), provider, {
        clock: quickClock,
      });
      made.push(name);
    }
    const error = await refusal(cluster, vm({ id: '10de:2236' }, 1, 'third'));
    expect(error).toMatchObject({ code: 'blocked' });
    expect(error.message).toContain(`gpu-1 0 of 2 ${resource}`);
    expect(cluster.kube.objects('virtualmachines.kubevirt.io').map(({ metadata }) => metadata.name)).toEqual(
      made,
    );
  });

  it('unless it may wait: then it is made, and starts once a GPU is free', async () => {
    const wish = vm({ id: '10de:2236' }, 1, 'patient');
    const intent: GpuVm = {
      ...wish,
      spec: { ...wish.spec, providerOptions: { kubevirt: { acceptWaiting: true } } },
    };
    const planOf = async () =>
      provider.translate.plan(intent, await provider.snapshot('vm', { vm: { name: 'patient' } }), {
        catalog: smallCatalog,
      });
    const plan = await planOf();
    expect(plan.diagnostics).toContainEqual(
      expect.objectContaining({ kind: 'approximated', code: 'kubevirt.no-node-free' }),
    );
    const messages: string[] = [];
    const result = await apply(plan, provider, {
      clock: quickClock,
      onEvent: (event) => void (event.type === 'step-progress' && messages.push(event.message ?? '')),
    });
    expect(result.steps.at(-1)?.status).toBe('created');
    expect(messages.join('\n')).toMatch(/patient waits: .*Insufficient nvidia\.com\/GA102GL_A10/);
    const state = async () =>
      ((await provider.describe({ name: 'patient' })) as { status: { printableStatus: string } }).status
        .printableStatus;
    expect(await state()).toBe('ErrorUnschedulable');
    expect((await apply(await planOf(), provider, { clock: quickClock })).changed).toBe(false);
    await provider.power({ name: 'first' }, 'stop');
    while ((await state()) !== 'Running') await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe('a tenant', () => {
  it('is told what he may not see, and what an administrator has to do first', async () => {
    const cluster = await startCluster({
      scenario: prepared({ permittedHostDevices: { pciHostDevices: [] } }),
    });
    await published(cluster);
    const provider = await cluster.connect('tenant');
    const snapshot = await provider.snapshot('vm', { vm: { name: 'train-1' } });
    expect(snapshot.gaps?.map(({ what }) => what)).toEqual([
      'ClusterPolicy objects',
      'KubeVirt objects',
      'nodes',
    ]);
    expect([snapshot.crs, snapshot.nodes]).toEqual([undefined, undefined]);
    expect((await refusal(cluster, vm({ id: '10de:2236' }), 'ops', 'vm')).message).toMatch(
      /has to be changed first/,
    );
    // Without a look at the allow-list the VM is made, fails with the cause, and is taken away again.
    const error = await refusal(cluster, vm({ id: '10de:2236' }), 'tenant', 'vm');
    expect(error).toMatchObject({ code: 'apply-failed', details: { failure: { code: 'refused' } } });
    expect(error.message).toMatch(/is not permitted in permittedHostDevices/);
    expect(cluster.kube.objects('virtualmachines.kubevirt.io')).toEqual([]);
    await cluster.close();
  });

  it('gets his VM with his own rights alone', async () => {
    const cluster = await startCluster({ scenario: prepared(permitted) });
    await published(cluster);
    const provider = await cluster.connect('tenant');
    const snapshot = await provider.snapshot('vm', { vm: { name: 'train-1' } });
    const intent = intentOf({
      memory: '4GiB',
      gpus: [gpu({ id: '10de:2236' })],
      userData: '#cloud-config\npassword: hunter22\n',
    });
    const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog, scope: 'vm' });
    const result = await apply(plan, provider, { clock: quickClock });
    expect(result.steps.every(({ status }) => status === 'created')).toBe(true);
    expect(JSON.stringify(result)).not.toContain('hunter22');
    const again = await apply(plan, provider, { clock: quickClock });
    expect(again.changed).toBe(false);
    await cluster.close();
  });
});

describe('what shows only later', () => {
  it('a launcher that cannot start: with what its text means, and the VM is taken away', async () => {
    const message = 'number of device plugin GPU/s do not match';
    const cluster = await startCluster({
      scenario: prepared(permitted, [{ at: 'sync', vm: 'train-1', message }]),
    });
    await published(cluster);
    const error = await refusal(cluster, vm({ id: '10de:2236' }));
    expect(error).toMatchObject({
      details: {
        failure: { code: 'host-not-ready', hint: expect.stringContaining('hands out no addresses') },
      },
    });
    expect(cluster.kube.objects('virtualmachines.kubevirt.io')).toEqual([]);
    await cluster.close();
  });

  it('a host with a driver of its own: the node says so, and its label goes', async () => {
    const scenario = sampleScenario();
    const hardware = {
      ...scenario.hardware,
      'gpu-1': { ...scenario.hardware?.['gpu-1'], preInstalledDriver: true },
    };
    const cluster = await startCluster({
      scenario: { ...scenario, hardware: hardware as Scenario['hardware'] & {} },
    });
    const intent = intentOf({
      memory: '4GiB',
      gpus: [gpu({ id: '10de:2236' })],
      providerOptions: { kubevirt: { nodes: ['gpu-1'] } },
    });
    const error = await refusal(cluster, intent);
    expect(error.message).toMatch(/node gpu-1 has a GPU driver of its own/);
    const node = cluster.kube.objects('nodes').find(({ metadata }) => metadata.name === 'gpu-1');
    expect(node?.metadata.labels).not.toHaveProperty('nvidia.com/gpu.workload.config');
    await cluster.close();
  });
});
