import type { Cards, Hardware, Scenario } from './scenario.ts';
import type { Dict, KubeObject } from './types.ts';

export interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** On top of what every node of these has. */
  readonly allocatable?: Readonly<Record<string, string>>;
  readonly cpu?: string;
  readonly memory?: string;
  /** The PCI function 10de is there, as node feature discovery labels it. Default: false. */
  readonly nvidia?: boolean;
}

/** A node that KubeVirt takes: labels, kvm devices, conditions. */
export function sampleNode(name: string, options: NodeOptions = {}): KubeObject {
  const allocatable = {
    cpu: options.cpu ?? '64',
    memory: options.memory ?? '512Gi',
    pods: '250',
    'ephemeral-storage': '500Gi',
    'devices.kubevirt.io/kvm': '1k',
    'devices.kubevirt.io/tun': '1k',
    'devices.kubevirt.io/vhost-net': '1k',
    ...options.allocatable,
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubevirt.io/schedulable': 'true',
        'machine-type.node.kubevirt.io/q35': 'true',
        ...(options.nvidia && { 'feature.node.kubernetes.io/pci-10de.present': 'true' }),
        ...options.labels,
      },
    },
    spec: {},
    status: {
      capacity: allocatable,
      allocatable,
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      nodeInfo: { architecture: 'amd64', operatingSystem: 'linux', kubeletVersion: 'v1.36.2' },
    },
  };
}

export const sampleNamespace = (name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Active' },
});

/** The KubeVirt CR of a running installation. */
export const sampleKubeVirt = (configuration: Dict = {}): KubeObject => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'KubeVirt',
  metadata: { name: 'kubevirt', namespace: 'kubevirt' },
  spec: { configuration },
  status: { phase: 'Deployed', observedKubeVirtVersion: 'v1.9.0', defaultArchitecture: 'amd64' },
});

export const sampleClusterPolicy = (spec: Dict = {}): KubeObject => ({
  apiVersion: 'nvidia.com/v1',
  kind: 'ClusterPolicy',
  metadata: { name: 'cluster-policy', labels: { 'app.kubernetes.io/version': 'v26.7.0' } },
  spec: {
    daemonsets: {},
    dcgm: {},
    dcgmExporter: {},
    devicePlugin: {},
    driver: {},
    gfd: {},
    nodeStatusExporter: {},
    operator: {},
    toolkit: {},
    sandboxWorkloads: { enabled: false, defaultWorkload: 'container' },
    ...spec,
  },
});

/** Two A10 in a node: passthrough name of plugin v1.6.0, and their vGPU types by mdev. */
export const twoA10: Cards = {
  id: '10de:2236',
  count: 2,
  resourceName: 'nvidia.com/GA102GL_A10',
  vgpu: { framework: 'mdev', types: { 'A10-24Q': 1, 'A10-12Q': 2, 'A10-8Q': 3, 'A10-4Q': 6 } },
};

/** Three nodes, two of them with two A10 each; KubeVirt and the GPU Operator installed, no GPU set up yet. */
export function sampleScenario(): Scenario {
  const hardware: Record<string, Hardware> = { 'gpu-1': { cards: [twoA10] }, 'gpu-2': { cards: [twoA10] } };
  return {
    products: ['kubevirt', 'gpu-operator', 'cdi'],
    hardware,
    objects: [
      ...['default', 'kubevirt', 'gpu-operator', 'vms'].map(sampleNamespace),
      sampleNode('cpu-1'),
      ...Object.keys(hardware).map((name) => sampleNode(name, { nvidia: true })),
      sampleKubeVirt(),
      sampleClusterPolicy(),
      {
        apiVersion: 'storage.k8s.io/v1',
        kind: 'StorageClass',
        metadata: {
          name: 'standard',
          annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
        },
        provisioner: 'example.com/disk',
      },
    ],
  };
}
