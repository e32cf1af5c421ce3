import { describeProvider, type Fixture, type Harness } from '@vmgpu/conformance';
import type { KubeObject } from '@vmgpu/simulators/kube';
import { assert, describe, it } from 'vitest';
import type { KubeVirtLive, KubeVirtSnapshot } from '../src/index.ts';
import { quickClock, startCluster, type TestCluster, tokens } from './cluster/cluster.ts';
import { createFaultyTransport, type FaultyTransport, type Traffic } from './cluster/faulty-transport.ts';
import { intentOf, smallCatalog } from './support.ts';

const gpu = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } } as const;

/** KubeVirt's adapter on a cluster of its own, with the rights of `ops` and no more. */
const harness: Harness<KubeVirtSnapshot, unknown> = {
  intent: intentOf({ cpu: { cores: 4 }, memory: '8GiB', gpus: [{ ...gpu, count: 2 }] }),
  changed: intentOf({ cpu: { cores: 8 }, memory: '8GiB', gpus: [gpu] }),
  impossible: intentOf({ memory: '8GiB', gpus: [{ ...gpu, companions: 'include' }] }),
  create,
};

/** The suite plans without a catalogue; with one the name of the resource is known. */
function withCatalog(provider: KubeVirtLive): KubeVirtLive {
  const { translate } = provider;
  const plan: typeof translate.plan = (intent, snapshot, options) =>
    translate.plan(intent, snapshot, { catalog: smallCatalog, ...options });
  return { ...provider, translate: { ...translate, plan } };
}

async function create(): Promise<Fixture<KubeVirtSnapshot, unknown>> {
  const cluster = await startCluster();
  labelNode(cluster, 'gpu-1');
  const traffic: Traffic = { requests: 0, writes: 0, orders: [] };
  let transport: FaultyTransport | undefined;
  const connect = async () =>
    withCatalog(
      await cluster.connect('ops', {
        wrap(inner) {
          transport = createFaultyTransport(inner, traffic, tokens.ops);
          return transport;
        },
      }),
    );
  return {
    provider: await connect(),
    clock: quickClock,
    secrets: Object.values(tokens),
    requests: () => traffic.requests,
    writes: () => traffic.writes,
    orders: () => [...traffic.orders],
    state: async () => stateOf(cluster),
    inject: (fault) => transport?.inject(fault) ?? Promise.resolve(),
    restart: connect,
    addForeign: async () => addForeign(cluster),
    async disturb() {
      const vm = only(cluster, 'virtualmachines.kubevirt.io');
      const changed = structuredClone(vm);
      changed.spec.template.spec.domain.cpu.cores = 3;
      cluster.kube.put(changed);
    },
    close: () => cluster.close(),
  };
}

function labelNode({ kube }: TestCluster, name: string): void {
  const node = structuredClone(
    kube.objects('nodes').find(({ metadata }) => metadata.name === name),
  ) as KubeObject;
  node.metadata.labels = { ...node.metadata.labels, 'nvidia.com/gpu.workload.config': 'vm-passthrough' };
  kube.put(node);
}

function only({ kube }: TestCluster, kind: string): KubeObject {
  const [object] = kube.objects(kind);
  if (!object) throw new Error(`there is no ${kind}`);
  return object;
}

/** Somebody else's entry in the allow-list, mark on a node, label of the VM, and VM. */
function addForeign(cluster: TestCluster): void {
  const cr = structuredClone(only(cluster, 'kubevirts.kubevirt.io'));
  cr.spec.configuration.permittedHostDevices ??= {};
  cr.spec.configuration.permittedHostDevices.pciHostDevices = [
    ...(cr.spec.configuration.permittedHostDevices.pciHostDevices ?? []),
    { pciVendorSelector: '1002:74B5', resourceName: 'amd.com/MI300X', externalResourceProvider: true },
  ];
  cluster.kube.put(cr);
  const vm = (name: string): KubeObject => ({
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name, namespace: 'vms' },
    spec: {
      runStrategy: 'Halted',
      template: { spec: { domain: { devices: {}, memory: { guest: '1Gi' } } } },
    },
  });
  cluster.kube.put(vm('of-somebody'));
  const own = cluster.kube
    .objects('virtualmachines.kubevirt.io')
    .find(({ metadata }) => metadata.name === 'train-1');
  const labelled = structuredClone(own ?? vm('train-1'));
  labelled.metadata.labels = { ...labelled.metadata.labels, owner: 'somebody' };
  cluster.kube.put(labelled);
}

/** All that plans may change, and what lies beside it; without what the server and controllers fill in. */
function stateOf({ kube }: TestCluster): unknown {
  const labelsOf = ({ metadata }: KubeObject) =>
    Object.fromEntries(
      Object.entries(metadata.labels ?? {}).filter(([key]) => !key.startsWith('nvidia.com/gpu.deploy.')),
    );
  const pick = (kind: string, fields: (object: KubeObject) => object) =>
    Object.fromEntries(kube.objects(kind).map((object) => [object.metadata.name, fields(object)]));
  return JSON.parse(
    JSON.stringify({
      nodes: pick('nodes', (node) => ({ labels: labelsOf(node) })),
      kubevirts: pick('kubevirts.kubevirt.io', ({ spec }) => ({ spec })),
      policies: pick('clusterpolicies.nvidia.com', ({ spec }) => ({ spec })),
      secrets: pick('secrets', ({ data }) => ({ data })),
      machines: pick('virtualmachines.kubevirt.io', (vm) => {
        const spec = structuredClone(vm.spec);
        delete spec.template?.spec?.domain?.firmware;
        return { labels: labelsOf(vm), spec, deleted: vm.metadata.deletionTimestamp !== undefined };
      }),
    }),
  );
}

describe('the KubeVirt adapter keeps the contract', () => {
  describeProvider({ describe, it, assert }, harness, {
    killPoints: 10,
    stopsWithinMs: 20_000,
  });
});
