import type { GpuVm } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import {
  type KubeObject,
  type Scenario,
  sampleClusterPolicy,
  sampleKubeVirt,
  sampleNamespace,
  sampleNode,
  sampleScenario,
} from '@vmgpu/simulators/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { quickClock, startCluster, type TestCluster } from './cluster/cluster.ts';
import { openShift } from './cluster/scenarios.ts';
import { intentOf, smallCatalog } from './support.ts';

let open: TestCluster | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** Plans and applies with the rights of both roles, and notes how the cluster stands after each step. */
async function run(scenario: Scenario, intent: GpuVm, among?: TestCluster) {
  const cluster = among ?? (await startCluster({ scenario }));
  open = cluster;
  const provider = await cluster.connect('ops');
  const snapshot = await provider.snapshot('platform', { vm: { name: intent.metadata.name } });
  const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog });
  const after: Record<string, Stand> = {};
  const operation = apply(plan, provider, {
    clock: quickClock,
    onEvent(event) {
      if (event.type === 'step-end') after[event.step] = standOf(cluster);
    },
  });
  const before = standOf(cluster);
  const result = await operation;
  return { cluster, provider, snapshot, plan, operation, result, before, after };
}

/** How a cluster stands, as far as the guides speak of it. */
interface Stand {
  /** By node: labels of workload and configuration, and GPUs that it publishes. */
  readonly labels: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly allocatable: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What the KubeVirt object configures. */
  readonly configuration: unknown;
  readonly policy: KubeObject | undefined;
  readonly tables: Readonly<Record<string, string>>;
  readonly machines: readonly string[];
}

function standOf({ kube }: TestCluster): Stand {
  const nodes = kube
    .objects('nodes')
    .map(({ metadata, status }) => [metadata.name, metadata, status] as const);
  return structuredClone({
    labels: Object.fromEntries(
      nodes.map(([name, { labels }]) => [name, pick(labels, /^nvidia\.com\/(gpu\.workload|vgpu)\.config$/)]),
    ),
    allocatable: Object.fromEntries(
      nodes.map(([name, , status]) => [name, published(pick(status.allocatable, /^nvidia\.com\//))]),
    ),
    configuration: kube.objects('kubevirts.kubevirt.io')[0]?.spec.configuration,
    policy: kube.objects('clusterpolicies.nvidia.com')[0],
    tables: Object.fromEntries(
      kube.objects('configmaps').map(({ metadata, data }) => [metadata.name, data?.['config.yaml']]),
    ),
    machines: kube.objects('virtualmachines.kubevirt.io').map(({ metadata }) => metadata.name),
  });
}

const pick = (all: Readonly<Record<string, string>> = {}, wanted: RegExp) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => wanted.test(key)));
const published = (all: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(all).filter(([, amount]) => amount !== '0'));

/** The launcher pod of a VM, as it asks for devices and where it runs. */
function launcher({ kube }: TestCluster, vm = 'train-1') {
  const pods = kube
    .objects('pods')
    .filter(({ metadata }) => metadata.name.startsWith(`virt-launcher-${vm}-`));
  expect(pods).toHaveLength(1);
  const compute = pods[0]?.spec.containers.find(({ name }: { name: string }) => name === 'compute');
  const { limits, requests } = compute.resources;
  return { node: pods[0]?.spec.nodeName, phase: pods[0]?.status.phase, limits, requests };
}

function operandsOn({ kube }: TestCluster, node: string): readonly string[] {
  const own = kube
    .objects('pods')
    .filter(({ metadata, spec }) => metadata.namespace === 'gpu-operator' && spec.nodeName === node);
  return own.map(({ metadata, status }) => `${metadata.labels?.app} ${status.phase}`).sort();
}

const only = ({ kube }: TestCluster, kind: string, name: string) =>
  kube.objects(kind).find(({ metadata }) => metadata.name === name);

const passthrough = intentOf({
  memory: '8GiB',
  gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' }, count: 2 }],
  providerOptions: { kubevirt: { nodes: ['gpu-1'] } },
});

const vgpuManager = { repository: 'registry.example.com/nvidia', version: '550.90.05' };

describe('the GPU Operator guide', () => {
  const a10 = {
    pciVendorSelector: '10DE:2236',
    resourceName: 'nvidia.com/GA102GL_A10',
    externalResourceProvider: true,
  };

  it('whole GPUs: operator, label, allocatable, allow-list, VM, instance, launcher pod, in this order', async () => {
    const { cluster, before, after, provider, operation } = await run(sampleScenario(), passthrough);
    expect(before).toMatchObject({
      configuration: {},
      machines: [],
      policy: { spec: { sandboxWorkloads: { enabled: false } } },
    });
    expect([before.labels['gpu-1'], before.allocatable['gpu-1']?.['nvidia.com/GA102GL_A10']]).toEqual([
      {},
      undefined,
    ]);
    expect(Object.keys(after)).toEqual(['gpu-operator', 'node/gpu-1', 'config', 'vm/vms/train-1']);

    expect(after['gpu-operator']).toMatchObject({
      policy: { spec: { sandboxWorkloads: { enabled: true, defaultWorkload: 'container' } } },
      configuration: {},
      machines: [],
    });
    expect(after['gpu-operator']?.labels['gpu-1']).toEqual({});

    const prepared = after['node/gpu-1'];
    expect(prepared?.labels['gpu-1']).toEqual({ 'nvidia.com/gpu.workload.config': 'vm-passthrough' });
    expect(prepared?.allocatable['gpu-1']).toEqual({ 'nvidia.com/GA102GL_A10': '2' });
    expect(prepared?.labels['gpu-2']).toEqual({});
    expect(prepared).toMatchObject({ configuration: {}, machines: [] });

    expect(after.config?.configuration).toEqual({ permittedHostDevices: { pciHostDevices: [a10] } });
    expect(after.config?.machines).toEqual([]);

    expect(after['vm/vms/train-1']?.policy?.status).toMatchObject({ state: 'ready' });
    expect(operandsOn(cluster, 'gpu-1')).toEqual([
      'nvidia-sandbox-device-plugin-daemonset Running',
      'nvidia-sandbox-validator Running',
      'nvidia-vfio-manager Running',
    ]);
    const vm = only(cluster, 'virtualmachines.kubevirt.io', 'train-1');
    expect(vm?.spec.template.spec.domain.devices.gpus).toEqual([
      { name: 'gpu0-0', deviceName: 'nvidia.com/GA102GL_A10' },
      { name: 'gpu0-1', deviceName: 'nvidia.com/GA102GL_A10' },
    ]);
    expect(vm?.status).toMatchObject({ printableStatus: 'Running', ready: true });
    const vmi = only(cluster, 'virtualmachineinstances.kubevirt.io', 'train-1');
    expect(vmi?.status).toMatchObject({ phase: 'Running', nodeName: 'gpu-1' });
    expect(launcher(cluster)).toMatchObject({
      node: 'gpu-1',
      phase: 'Running',
      limits: { 'nvidia.com/GA102GL_A10': '2', 'devices.kubevirt.io/kvm': '1' },
      requests: { 'nvidia.com/GA102GL_A10': '2' },
    });
    expect((await provider.snapshot('platform')).nodes?.find(({ name }) => name === 'gpu-1')).toMatchObject({
      allocatable: { 'nvidia.com/GA102GL_A10': '2' },
      allocated: { 'nvidia.com/GA102GL_A10': 2 },
    });

    await undo(operation.toJSON(), provider, { clock: quickClock });
    const { labels, configuration, machines, policy } = standOf(cluster);
    expect([labels, configuration, machines, policy?.spec]).toEqual([
      before.labels,
      {},
      [],
      before.policy?.spec,
    ]);
  });

  it('vGPUs: A10-24Q by its table, then A10-4Q, as many as a card takes', async () => {
    const vgpu = (profile: string) =>
      intentOf({
        memory: '8GiB',
        gpus: [{ name: 'vgpu0', mode: 'vgpu', profile }],
        providerOptions: { kubevirt: { nodes: ['gpu-2'], vgpuManager } },
      });
    const { cluster, after, provider, operation } = await run(sampleScenario(), vgpu('A10-24Q'));
    expect(after['gpu-operator']?.policy?.spec).toMatchObject({
      sandboxWorkloads: { enabled: true },
      vgpuManager: { enabled: true, image: 'vgpu-manager', ...vgpuManager },
    });
    expect(after['node/gpu-2']?.labels['gpu-2']).toEqual({
      'nvidia.com/gpu.workload.config': 'vm-vgpu',
      'nvidia.com/vgpu.config': 'A10-24Q',
    });
    expect(after['node/gpu-2']?.allocatable['gpu-2']).toEqual({ 'nvidia.com/NVIDIA_A10-24Q': '2' });
    const entry = (profile: string) => ({
      mdevNameSelector: `NVIDIA ${profile}`,
      resourceName: `nvidia.com/NVIDIA_${profile}`,
      externalResourceProvider: true,
    });
    expect(after.config?.configuration).toMatchObject({
      permittedHostDevices: { mediatedDevices: [entry('A10-24Q')] },
    });
    expect(operandsOn(cluster, 'gpu-2')).toEqual([
      'nvidia-sandbox-device-plugin-daemonset Running',
      'nvidia-sandbox-validator Running',
      'nvidia-vgpu-device-manager Running',
      'nvidia-vgpu-manager-daemonset Running',
    ]);
    expect(launcher(cluster)).toMatchObject({ node: 'gpu-2', limits: { 'nvidia.com/NVIDIA_A10-24Q': '1' } });

    // Switching takes that no vGPU of the node is in use.
    await undo(operation.toJSON(), provider, { clock: quickClock });
    const again = await run(sampleScenario(), vgpu('A10-4Q'), cluster);
    expect(again.after['node/gpu-2']?.allocatable['gpu-2']).toEqual({ 'nvidia.com/NVIDIA_A10-4Q': '12' });
    expect(again.after.config?.configuration).toMatchObject({
      permittedHostDevices: { mediatedDevices: [entry('A10-4Q')] },
    });
    expect(launcher(cluster).limits).toMatchObject({ 'nvidia.com/NVIDIA_A10-4Q': '1' });
  });
});

describe("DaoCloud's guide", () => {
  /** Three nodes, one for containers, one with two whole Tesla P4, one with a P4 in eight parts; KubeVirt in virtnest-system. */
  function virtnest(): Scenario {
    const p4 = { id: '10de:1bb3', resourceName: 'nvidia.com/GP104GL_TESLA_P4' };
    const vgpu = { framework: 'mdev', types: { 'P4-1Q': 8, 'P4-2Q': 4 }, brand: 'GRID' } as const;
    const workers = ['work-node-1', 'work-node-2'];
    return {
      products: ['kubevirt', 'gpu-operator', 'cdi'],
      hardware: {
        'work-node-1': { cards: [{ ...p4, count: 2 }] },
        'work-node-2': { cards: [{ ...p4, count: 1, vgpu }] },
      },
      objects: [
        ...['default', 'virtnest-system', 'gpu-operator', 'vms'].map(sampleNamespace),
        sampleNode('controller-node-1'),
        ...workers.map((name) => sampleNode(name, { nvidia: true })),
        { ...sampleKubeVirt(), metadata: { name: 'kubevirt', namespace: 'virtnest-system' } },
        sampleClusterPolicy(),
      ],
    };
  }
  const p4 = {
    pciVendorSelector: '10DE:1BB3',
    resourceName: 'nvidia.com/GP104GL_TESLA_P4',
    externalResourceProvider: true,
  };
  const p41q = {
    mdevNameSelector: 'GRID P4-1Q',
    resourceName: 'nvidia.com/GRID_P4-1Q',
    externalResourceProvider: true,
  };

  it('two whole Tesla P4 for one VM, an eighth of one for another', async () => {
    const whole = intentOf(
      {
        cpu: { cores: 1 },
        memory: '2GiB',
        disks: [{ name: 'root', size: '10GiB', image: 'quay.io/containerdisks/debian:12' }],
        gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:1bb3' }, count: 2 }],
        providerOptions: { kubevirt: { nodes: ['work-node-1'] } },
      },
      'testvm-gpu1',
    );
    const first = await run(virtnest(), whole);
    const { cluster } = first;
    expect(first.snapshot.distribution).toBe('virtnest');
    expect(first.before.allocatable['work-node-1']?.[p4.resourceName]).toBeUndefined();
    expect(first.after['node/work-node-1']).toMatchObject({
      labels: {
        'controller-node-1': {},
        'work-node-1': { 'nvidia.com/gpu.workload.config': 'vm-passthrough' },
        'work-node-2': {},
      },
      configuration: {},
    });
    expect(first.after['node/work-node-1']?.allocatable['work-node-1']).toEqual({ [p4.resourceName]: '2' });
    expect(first.after.config?.configuration).toEqual({ permittedHostDevices: { pciHostDevices: [p4] } });
    expect(launcher(cluster, 'testvm-gpu1')).toMatchObject({
      node: 'work-node-1',
      phase: 'Running',
      limits: { [p4.resourceName]: '2' },
    });
    const volume = only(cluster, 'datavolumes.cdi.kubevirt.io', 'testvm-gpu1-root');
    expect(volume?.status.phase).toBe('Succeeded');

    const part = intentOf(
      {
        memory: '2GiB',
        gpus: [{ name: 'vgpu0', mode: 'vgpu', profile: 'P4-1Q' }],
        providerOptions: {
          kubevirt: {
            nodes: ['work-node-2'],
            vgpuManager,
            vgpuConfig: { configMap: 'vgpu-types', name: 'eighths', devices: { 'P4-1Q': 8 } },
          },
        },
      },
      'testvm-gpu2',
    );
    const second = await run(virtnest(), part, cluster);
    expect(Object.keys(second.after)).toEqual([
      'vgpu-config',
      'gpu-operator',
      'node/work-node-2',
      'config',
      'vm/vms/testvm-gpu2',
    ]);
    // `default` is what the operator takes for nodes that name none.
    const entry = ['        - devices: all', '          vgpu-devices:', '            "P4-1Q": 8'];
    const table = [
      'version: v1',
      'vgpu-configs:',
      '    "eighths":',
      ...entry,
      '    "default":',
      ...entry,
      '',
    ];
    expect(second.after['vgpu-config']?.tables['vgpu-types']).toBe(table.join('\n'));
    expect(second.after['gpu-operator']?.policy?.spec).toMatchObject({
      vgpuManager: { enabled: true, ...vgpuManager },
      vgpuDeviceManager: { enabled: true, config: { name: 'vgpu-types' } },
    });
    expect(second.after['node/work-node-2']?.labels['work-node-2']).toEqual({
      'nvidia.com/gpu.workload.config': 'vm-vgpu',
      'nvidia.com/vgpu.config': 'eighths',
    });
    expect(second.after['node/work-node-2']?.allocatable['work-node-2']).toEqual({
      [p41q.resourceName]: '8',
    });
    expect(second.after.config?.configuration).toMatchObject({
      permittedHostDevices: { pciHostDevices: [p4], mediatedDevices: [p41q] },
    });
    expect(launcher(cluster, 'testvm-gpu2')).toMatchObject({
      node: 'work-node-2',
      limits: { [p41q.resourceName]: '1' },
    });
    expect(launcher(cluster, 'testvm-gpu1').phase).toBe('Running');

    await undo(second.operation.toJSON(), second.provider, { clock: quickClock });
    expect(standOf(cluster)).toMatchObject({
      configuration: { permittedHostDevices: { pciHostDevices: [p4] } },
      machines: ['testvm-gpu1'],
    });
    expect(standOf(cluster).tables).not.toHaveProperty('vgpu-types');
  });
});

describe('OpenShift', () => {
  it('is changed through HyperConverged, whose operator hands the entries on', async () => {
    const foreign = {
      pciDeviceSelector: '1002:74B5',
      resourceName: 'amd.com/MI300X',
      externalResourceProvider: true,
    };
    const scenario = openShift({ permittedHostDevices: { pciHostDevices: [foreign] } });
    const { cluster, snapshot, plan, operation, provider } = await run(scenario, passthrough);
    expect(snapshot.distribution).toBe('openshift');
    expect(plan.steps.find(({ id }) => id === 'config')?.target.type).toBe('HyperConverged');
    const hco = () => cluster.kube.objects('hyperconvergeds.hco.kubevirt.io')[0]?.spec.permittedHostDevices;
    expect(hco()).toEqual({
      pciHostDevices: [
        foreign,
        {
          pciDeviceSelector: '10DE:2236',
          resourceName: 'nvidia.com/GA102GL_A10',
          externalResourceProvider: true,
        },
      ],
    });
    expect(standOf(cluster).configuration).toMatchObject({
      permittedHostDevices: {
        pciHostDevices: [
          { resourceName: foreign.resourceName, pciVendorSelector: '1002:74B5' },
          { resourceName: 'nvidia.com/GA102GL_A10', pciVendorSelector: '10DE:2236' },
        ],
      },
    });
    expect(launcher(cluster).phase).toBe('Running');
    expect(cluster.kube.requests.counts).not.toHaveProperty('update kubevirts.kubevirt.io');
    await undo(operation.toJSON(), provider, { clock: quickClock });
    expect(hco()).toEqual({ pciHostDevices: [foreign] });
  });
});

describe('a change of a running VM', () => {
  it('restarts it once where that is needed, and not at all when that is not wanted', async () => {
    const { cluster, provider } = await run(sampleScenario(), passthrough);
    const uid = () => cluster.kube.objects('virtualmachineinstances.kubevirt.io')[0]?.metadata.uid;
    const change = async (through: typeof provider, spec: unknown) => {
      const snapshot = await through.snapshot('vm', { vm: { name: 'train-1' } });
      const plan = through.translate.plan(intentOf(spec), snapshot, {
        catalog: smallCatalog,
        vm: 'train-1',
        scope: 'vm',
      });
      return apply(plan, through, { clock: quickClock });
    };
    const first = uid();
    await change(provider, { gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }] });
    const second = uid();
    expect(second).not.toBe(first);
    expect(launcher(cluster).limits).toMatchObject({ 'nvidia.com/GA102GL_A10': '1' });
    const patient = await cluster.connect('ops', { restart: 'never' });
    const { changed } = await change(patient, { gpus: [] });
    expect([changed, uid()]).toEqual([true, second]);
    const vm = cluster.kube.objects('virtualmachines.kubevirt.io')[0];
    expect(vm?.spec.template.spec.domain.devices).not.toHaveProperty('gpus');
  });
});
