import { describe, expect, it } from 'vitest';
import {
  type Hardware,
  type Scenario,
  sampleNamespace,
  sampleNode,
  sampleScenario,
  twoA10,
} from '../src/kube/index.ts';
import { type Body, type clientOf, kubevirt, nodes, withKube } from './kube-client.ts';

const policy = '/apis/nvidia.com/v1/clusterpolicies/cluster-policy';
const operatorPods = '/api/v1/namespaces/gpu-operator/pods';
const long = 1000;
const vgpuManager = {
  enabled: true,
  repository: 'registry.example.com/nvidia',
  image: 'vgpu-manager',
  version: '580.95.02',
};

type Client = ReturnType<typeof clientOf>;

/** Labels of a node after the operator had its time, with sandbox workloads on. */
async function labelled(
  { get, merge }: Client,
  simulator: { advance(ms: number): void },
  labels: Body,
): Promise<Body> {
  await merge(policy, { spec: { sandboxWorkloads: { enabled: true }, vgpuManager } });
  await merge(`${nodes}/gpu-1`, { metadata: { labels } });
  simulator.advance(long);
  return (await get(`${nodes}/gpu-1`)).body;
}

const workload = (mode: string, config?: string) => ({
  'nvidia.com/gpu.workload.config': mode,
  ...(config && { 'nvidia.com/vgpu.config': config }),
});
const withHardware = (hardware: Hardware): Scenario => ({
  ...sampleScenario(),
  hardware: { 'gpu-1': hardware },
});

describe('GPU Operator', () => {
  it('is for containers until sandbox workloads are on', () =>
    withKube({}, async ({ get }, simulator) => {
      simulator.advance(long);
      const { body } = await get(`${nodes}/gpu-1`);
      expect(body.metadata.labels['nvidia.com/gpu.deploy.device-plugin']).toBe('true');
      expect(body.status.allocatable['nvidia.com/gpu']).toBe('2');
      expect((await get(policy)).body.status.state).toBe('ready');
      expect((await get(`${nodes}/cpu-1`)).body.metadata.labels['nvidia.com/gpu.present']).toBeUndefined();
    }));

  it('makes a node ready for passthrough: labels, pods, allocatable', () =>
    withKube({}, async (client, simulator) => {
      const node = await labelled(client, simulator, workload('vm-passthrough'));
      expect(node.metadata.labels).toMatchObject({
        'nvidia.com/gpu.deploy.vfio-manager': 'true',
        'nvidia.com/gpu.deploy.sandbox-device-plugin': 'true',
      });
      expect(node.metadata.labels['nvidia.com/gpu.deploy.device-plugin']).toBeUndefined();
      expect(node.status.allocatable['nvidia.com/GA102GL_A10']).toBe('2');
      const { items } = (await client.get(`${operatorPods}?fieldSelector=spec.nodeName=gpu-1`)).body;
      expect(items.map(({ metadata }: Body) => metadata.labels.app).sort()).toEqual([
        'nvidia-sandbox-device-plugin-daemonset',
        'nvidia-sandbox-validator',
        'nvidia-vfio-manager',
      ]);
      const sets = (await client.get('/apis/apps/v1/daemonsets')).body.items;
      const vfio = sets.find(({ metadata }: Body) => metadata.name === 'nvidia-vfio-manager');
      expect(vfio.status).toMatchObject({ desiredNumberScheduled: 1, numberReady: 1 });
    }));

  it('goes through pending to success with a vGPU config, and does nothing when the label goes', () =>
    withKube({}, async (client, simulator) => {
      const stream = await client.watch(`${nodes}?watch=1&fieldSelector=metadata.name=gpu-1`);
      const node = await labelled(client, simulator, workload('vm-vgpu', 'A10-12Q'));
      expect(node.status.allocatable['nvidia.com/NVIDIA_A10-12Q']).toBe('4');
      const states = stream.events.map(
        ({ object }) => object.metadata.labels['nvidia.com/vgpu.config.state'],
      );
      expect([...new Set(states)]).toEqual([undefined, 'pending', 'success']);
      stream.close();
      await client.merge(`${nodes}/gpu-1`, { metadata: { labels: { 'nvidia.com/vgpu.config': null } } });
      simulator.advance(long);
      const after = (await client.get(`${nodes}/gpu-1`)).body;
      expect(after.status.allocatable['nvidia.com/NVIDIA_A10-12Q']).toBe('4');
      const passthrough = await labelled(client, simulator, workload('vm-passthrough'));
      expect(passthrough.status.allocatable).toMatchObject({
        'nvidia.com/NVIDIA_A10-12Q': '0',
        'nvidia.com/GA102GL_A10': '2',
      });
    }));

  it('takes configs from a ConfigMap of one’s own', () =>
    withKube({}, async (client, simulator) => {
      const yaml = `version: v1
vgpu-configs:
  mixed:   # two kinds
    - device-filter: ["0x223610DE"]
      devices: [0]
      vgpu-devices:
        A10-24Q: 1
    - device-filter: "0x223610DE"
      devices: [1]
      vgpu-devices: { "A10-4Q": 6 }
  none:
    - devices: all
      vgpu-devices: {}
`;
      await client.post('/api/v1/namespaces/gpu-operator/configmaps', {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'own' },
        data: { 'config.yaml': yaml },
      });
      await client.merge(policy, {
        spec: { vgpuDeviceManager: { config: { name: 'own', default: 'none' } } },
      });
      const node = await labelled(client, simulator, workload('vm-vgpu', 'mixed'));
      expect(node.status.allocatable).toMatchObject({
        'nvidia.com/NVIDIA_A10-24Q': '1',
        'nvidia.com/NVIDIA_A10-4Q': '6',
      });
      const unknown = await labelled(client, simulator, workload('vm-vgpu', 'A10-24Q'));
      expect(unknown.metadata.labels['nvidia.com/vgpu.config.state']).toBe('failed');
    }));

  it('fails at once for an unknown config, after a while for what the cards cannot do', async () => {
    const state = async (hardware: Hardware, config: string) => {
      let answer: Body;
      await withKube({ scenario: withHardware(hardware) }, async (client, simulator) => {
        const { metadata } = await labelled(client, simulator, workload('vm-vgpu', config));
        answer = [metadata.labels['nvidia.com/vgpu.config.state'], simulator.operatorLog.at(-1)];
      });
      return answer;
    };
    expect(await state({ cards: [twoA10] }, 'no such thing'.replaceAll(' ', '-'))).toEqual([
      'failed',
      'specified vgpu config "no-such-thing" is not in the config map',
    ]);
    expect(await state({ cards: [twoA10] }, 'T4-8Q')).toEqual([
      'failed',
      'vGPU type T4-8Q is not supported on GPU (index=0)',
    ]);
    const vendor = { ...twoA10, vgpu: { framework: 'vendor-vfio' as const, types: { 'L40S-48Q': 1 } } };
    expect(await state({ cards: [vendor] }, 'L40S-48Q')).toEqual([
      'failed',
      "no parent devices found for GPU at index '0'",
    ]);
  });

  it('shows the failures of the field: host driver, wrong workload, missing image, another name', async () => {
    const host = { cards: [twoA10], preInstalledDriver: true };
    await withKube({ scenario: withHardware(host) }, async (client, simulator) => {
      const node = await labelled(client, simulator, workload('vm-passthrough'));
      expect(node.metadata.labels['nvidia.com/gpu.deploy.driver']).toBe('pre-installed');
      expect(node.status.allocatable['nvidia.com/GA102GL_A10']).toBeUndefined();
      expect((await client.get(policy)).body.status.state).toBe('notReady');
    });
    await withKube({}, async (client, simulator) => {
      const node = await labelled(client, simulator, workload('vm-gpu'));
      expect(node.metadata.labels['nvidia.com/gpu.deploy.device-plugin']).toBe('true');
      expect(simulator.operatorLog[0]).toContain('invalid GPU workload config "vm-gpu"');
      await client.merge(policy, { spec: { vgpuManager: { version: null } } });
      await labelled(client, simulator, workload('vm-vgpu'));
      await client.merge(policy, { spec: { vgpuManager: { version: null } } });
      simulator.advance(long);
      const { body } = await client.get(`${operatorPods}/nvidia-vgpu-manager-daemonset-gpu-1`);
      expect(body.status.containerStatuses[0].state.waiting.reason).toBe('ImagePullBackOff');
    });
    const renamed = { cards: [{ ...twoA10, resourceName: 'nvidia.com/2236' }] };
    await withKube({ scenario: withHardware(renamed) }, async (client, simulator) => {
      const node = await labelled(client, simulator, workload('vm-passthrough'));
      expect(node.status.allocatable).toMatchObject({ 'nvidia.com/2236': '2' });
      expect(node.status.allocatable).not.toHaveProperty(['nvidia.com/GA102GL_A10']);
    });
  });

  it('leaves cards to KubeVirt’s own plugin when nobody else publishes them', () => {
    const cards = [{ ...twoA10, boundToVfio: true }];
    const scenario = {
      objects: [sampleNamespace('kubevirt'), sampleNode('gpu-1')],
      hardware: { 'gpu-1': { cards } },
    };
    return withKube({ scenario }, async ({ get, post }, simulator) => {
      const pciHostDevices = [{ pciVendorSelector: '10de:2236', resourceName: 'example.com/a10' }];
      await post('/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts', {
        apiVersion: 'kubevirt.io/v1',
        kind: 'KubeVirt',
        metadata: { name: 'kubevirt' },
        spec: { configuration: { permittedHostDevices: { pciHostDevices } } },
      });
      simulator.advance(long);
      expect((await get(`${nodes}/gpu-1`)).body.status.allocatable['example.com/a10']).toBe('2');
      expect((await get(kubevirt)).body.status).toMatchObject({
        phase: 'Deployed',
        observedKubeVirtVersion: 'v1.9.0',
      });
    });
  });
});

describe('KubeVirt CR', () => {
  it('is one only, and its webhook refuses little', () =>
    withKube({}, async ({ get, post, merge }) => {
      const { metadata: _, ...rest } = (await get(kubevirt)).body;
      const second = { ...rest, metadata: { name: 'second' } };
      const refused = await post('/apis/kubevirt.io/v1/namespaces/vms/kubevirts', second);
      expect(refused.body.message).toBe(
        'admission webhook "kubevirt-create-validator.kubevirt.io" denied the request: Kubevirt is already created',
      );
      const set = (configuration: Body) => merge(kubevirt, { spec: { configuration } });
      const gates = await set({ developerConfiguration: { featureGates: ['GPU', 'NoSuchGate'] } });
      expect(gates.status).toBe(200);
      expect(gates.headers.get('warning')).toContain('feature gate GPU is deprecated (feature state is');
      const again = await set({ imagePullPolicy: 'Always' });
      expect(again.headers.get('warning')).toBeNull();
      const both = await set({ developerConfiguration: { disabledFeatureGates: ['GPU'] } });
      expect(both.status).toBe(422);
      expect(both.body.message).toContain(
        'feature gate "GPU" exists on both "FeatureGates" and "DisabledFeatureGates"',
      );
      expect((await set({ tlsConfiguration: { ciphers: ['X'] } })).body.message).toContain(
        'You cannot specify ciphers',
      );
      const selectors = ['zz', 'zz'].map((pciVendorSelector, index) => ({
        pciVendorSelector,
        resourceName: `a/${index}`,
      }));
      expect((await set({ permittedHostDevices: { pciHostDevices: selectors } })).status).toBe(200);
    }));
});

describe('HyperConverged', () => {
  const hco =
    '/apis/hco.kubevirt.io/v1beta1/namespaces/openshift-cnv/hyperconvergeds/kubevirt-hyperconverged';
  const cr = '/apis/kubevirt.io/v1/namespaces/openshift-cnv/kubevirts/kubevirt-kubevirt-hyperconverged';
  const entry = {
    pciDeviceSelector: '10DE:2236',
    resourceName: 'nvidia.com/GA102GL_A10',
    externalResourceProvider: true,
  };
  const scenario: Scenario = {
    products: ['kubevirt', 'hco'],
    objects: [
      sampleNamespace('openshift-cnv'),
      {
        apiVersion: 'hco.kubevirt.io/v1beta1',
        kind: 'HyperConverged',
        metadata: { name: 'kubevirt-hyperconverged', namespace: 'openshift-cnv' },
        spec: {},
      },
    ],
  };

  it('writes its KubeVirt CR, and reverts what a hand changed there', () =>
    withKube({ scenario }, async ({ get, merge }, simulator) => {
      simulator.advance(long);
      await merge(hco, { spec: { permittedHostDevices: { pciHostDevices: [entry] } } });
      simulator.advance(long);
      const { pciDeviceSelector, ...rest } = entry;
      const wanted = { pciHostDevices: [{ pciVendorSelector: pciDeviceSelector, ...rest }] };
      const read = async () => (await get(cr)).body.spec.configuration;
      expect((await read()).permittedHostDevices).toEqual(wanted);
      expect((await read()).developerConfiguration.featureGates).toEqual(['HostDevices']);
      await merge(cr, { spec: { configuration: { permittedHostDevices: { pciHostDevices: [] } } } });
      expect((await read()).permittedHostDevices.pciHostDevices).toEqual([]);
      simulator.advance(long);
      expect((await read()).permittedHostDevices).toEqual(wanted);
    }));

  it('says the same in v1, where the fields lie elsewhere', () =>
    withKube({ scenario }, async ({ get, merge }) => {
      const v1 = hco.replace('v1beta1', 'v1');
      const virtualization = { permittedHostDevices: { pciHostDevices: [entry] } };
      expect((await merge(v1, { spec: { virtualization } })).body.spec).toEqual({ virtualization });
      expect((await get(hco)).body.spec).toEqual({ permittedHostDevices: { pciHostDevices: [entry] } });
    }));
});
