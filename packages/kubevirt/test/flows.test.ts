import type { GpuVm } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import {
  type KubeObject,
  type Scenario,
  sampleKubeVirt,
  sampleNamespace,
  sampleScenario,
} from '@vmgpu/simulators/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { quickClock, startCluster, type TestCluster } from './cluster/cluster.ts';
import { intentOf, smallCatalog } from './support.ts';

let open: TestCluster | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function run(scenario: Scenario, intent: GpuVm) {
  const cluster = await startCluster({ scenario });
  open = cluster;
  const provider = await cluster.connect('ops');
  const snapshot = await provider.snapshot('platform', { vm: { name: 'train-1' } });
  const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog });
  const operation = apply(plan, provider, { clock: quickClock });
  const result = await operation;
  return { cluster, provider, snapshot, plan, operation, result };
}

/** Resources of the one launcher pod, and where it runs. */
function launcher({ kube }: TestCluster) {
  const pods = kube.objects('pods').filter(({ metadata }) => metadata.name.startsWith('virt-launcher-'));
  expect(pods).toHaveLength(1);
  const compute = pods[0]?.spec.containers.find(({ name }: { name: string }) => name === 'compute');
  return { node: pods[0]?.spec.nodeName, phase: pods[0]?.status.phase, limits: compute.resources.limits };
}

const passthrough = intentOf({
  memory: '8GiB',
  gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' }, count: 2 }],
  providerOptions: { kubevirt: { nodes: ['gpu-1'] } },
});

const vgpu = intentOf({
  memory: '8GiB',
  gpus: [{ name: 'vgpu0', mode: 'vgpu', profile: 'A10-24Q' }],
  providerOptions: {
    kubevirt: {
      nodes: ['gpu-2'],
      vgpuManager: { repository: 'registry.example.com/nvidia', version: '550.90.05' },
      vgpuConfig: { configMap: 'vgpu-types', name: 'A10-24Q', devices: { 'A10-24Q': 1 } },
    },
  },
});

describe('from labels over the allow-list and allocatable to the launcher pod', () => {
  it('whole GPUs, as in the GPU Operator guide', async () => {
    const { cluster } = await run(sampleScenario(), passthrough);
    expect(launcher(cluster)).toMatchObject({
      node: 'gpu-1',
      phase: 'Running',
      limits: { 'nvidia.com/GA102GL_A10': '2' },
    });
  });

  it('vGPUs with a table of our own, as in the DaoCloud guide, where KubeVirt lives in virtnest-system', async () => {
    const { objects = [], ...rest } = sampleScenario();
    const cr = sampleKubeVirt();
    const moved = { ...cr, metadata: { ...cr.metadata, namespace: 'virtnest-system' } };
    const others = objects.filter(({ kind }) => kind !== 'KubeVirt');
    const scenario = { ...rest, objects: [...others, sampleNamespace('virtnest-system'), moved] };
    const { cluster, provider, snapshot, operation, result } = await run(scenario, vgpu);
    expect(snapshot.distribution).toBe('virtnest');
    expect(result.steps.map(({ step }) => step)).toEqual([
      'vgpu-config',
      'gpu-operator',
      'node/gpu-2',
      'config',
      'vm/vms/train-1',
    ]);
    const { limits, node } = launcher(cluster);
    expect([node, limits['nvidia.com/NVIDIA_A10-24Q']]).toEqual(['gpu-2', '1']);
    await undo(operation.toJSON(), provider, { clock: quickClock });
    expect(
      cluster.kube.objects('configmaps').filter(({ metadata }) => metadata.name === 'vgpu-types'),
    ).toEqual([]);
    expect(cluster.kube.objects('kubevirts.kubevirt.io')[0]?.spec.configuration).toEqual({});
  });

  it('on OpenShift through HyperConverged, whose operator hands the entries on', async () => {
    const { objects = [], products = [], ...rest } = sampleScenario();
    const cr = sampleKubeVirt();
    const owned = {
      ...cr,
      metadata: { name: 'kubevirt-kubevirt-hyperconverged', namespace: 'openshift-cnv' },
    };
    const hco: KubeObject = {
      apiVersion: 'hco.kubevirt.io/v1beta1',
      kind: 'HyperConverged',
      metadata: { name: 'kubevirt-hyperconverged', namespace: 'openshift-cnv' },
      spec: {},
    };
    const scenario: Scenario = {
      ...rest,
      products: [...products, 'hco'],
      objects: [
        ...objects.filter(({ kind }) => kind !== 'KubeVirt'),
        sampleNamespace('openshift-cnv'),
        owned,
        hco,
      ],
    };
    const { cluster, snapshot, plan } = await run(scenario, passthrough);
    expect(snapshot.distribution).toBe('openshift');
    expect(plan.steps.find(({ id }) => id === 'config')?.target.type).toBe('HyperConverged');
    expect(launcher(cluster).phase).toBe('Running');
    expect(cluster.kube.requests.counts).not.toHaveProperty('update kubevirts.kubevirt.io');
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
