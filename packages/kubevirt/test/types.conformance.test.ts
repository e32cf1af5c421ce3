import type {
  V1KubeVirtConfiguration,
  V1VirtualMachine,
  V1VirtualMachineInstance,
} from '@kubevirt-ui-ext/kubevirt-api/kubevirt';
import { expect, it } from 'vitest';
import { offlineSnapshot, kubevirtTranslator as translator } from '../src/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import { smallCatalog as catalog, intentOf, stepOf, vmOf } from './support.ts';

/*
 * What the planner writes, held twice: the compiler compares these objects with types generated from KubeVirt's OpenAPI
 * document, the test compares them with what is written.
 */

const everything = {
  guestOs: 'linux',
  cpu: { cores: 16, sockets: 2, threads: 2, model: 'host', dedicated: true },
  memory: '64GiB',
  hugepages: '1GiB',
  machine: 'q35',
  firmware: { type: 'uefi', secureBoot: true, tpm: true },
  numa: { gpuAffinity: 'preferred' },
  hideHypervisor: true,
  disks: [
    { name: 'root', size: '100GiB', image: 'quay.io/containerdisks/ubuntu:24.04' },
    { name: 'data', image: 'claim-1' },
  ],
  networks: [{ name: 'default' }, { name: 'storage' }],
  userData: '#cloud-config\n',
  gpus: [
    { name: 'vgpu0', mode: 'vgpu', profile: 'A10-24Q', display: true },
    { name: 'vgpu1', mode: 'vgpu', profile: 'A10-24Q', display: true },
    { name: 'vgpu2', mode: 'vgpu', profile: 'A10-24Q', display: false },
  ],
};

const spec = {
  domain: {
    cpu: {
      cores: 4,
      sockets: 2,
      threads: 2,
      model: 'host-passthrough',
      dedicatedCpuPlacement: true,
      numa: { guestMappingPassthrough: {} },
    },
    devices: {
      disks: [
        { name: 'root', disk: { bus: 'virtio' } },
        { name: 'data', disk: { bus: 'virtio' } },
        { name: 'cloudinitdisk', disk: { bus: 'virtio' } },
      ],
      interfaces: [
        { name: 'default', masquerade: {} },
        { name: 'storage', bridge: {} },
      ],
      gpus: [
        {
          name: 'vgpu0',
          deviceName: 'nvidia.com/NVIDIA_A10-24Q',
          virtualGPUOptions: { display: { enabled: true, ramFB: { enabled: true } } },
        },
        {
          name: 'vgpu1',
          deviceName: 'nvidia.com/NVIDIA_A10-24Q',
          virtualGPUOptions: { display: { enabled: true, ramFB: { enabled: false } } },
        },
        {
          name: 'vgpu2',
          deviceName: 'nvidia.com/NVIDIA_A10-24Q',
          virtualGPUOptions: { display: { enabled: false } },
        },
      ],
      tpm: {},
    },
    features: { kvm: { hidden: true }, smm: { enabled: true } },
    firmware: { bootloader: { efi: { secureBoot: true } } },
    machine: { type: 'q35' },
    memory: { guest: '64Gi', hugepages: { pageSize: '1Gi' } },
  },
  evictionStrategy: 'None',
  networks: [
    { name: 'default', pod: {} },
    { name: 'storage', multus: { networkName: 'storage' } },
  ],
  volumes: [
    { name: 'root', dataVolume: { name: 'train-1-root' } },
    { name: 'data', persistentVolumeClaim: { claimName: 'claim-1' } },
    { name: 'cloudinitdisk', cloudInitNoCloud: { userData: '#cloud-config\n' } },
  ],
};

it('a VirtualMachine', () => {
  const expected = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name: 'train-1', namespace: 'default' },
    spec: {
      runStrategy: 'RerunOnFailure',
      dataVolumeTemplates: [
        {
          metadata: { name: 'train-1-root' },
          spec: {
            storage: { resources: { requests: { storage: '100Gi' } } },
            source: { registry: { url: 'docker://quay.io/containerdisks/ubuntu:24.04' } },
          },
        },
      ],
      template: { metadata: { annotations: { 'vm.kubevirt.io/os': 'linux' } }, spec },
    },
  } satisfies V1VirtualMachine;
  expect(vmOf(translator.plan(intentOf(everything), offlineSnapshot(), { catalog }))).toEqual(expected);
});

it('a VirtualMachineInstance', () => {
  const expected = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'train-1', namespace: 'ml', annotations: { 'vm.kubevirt.io/os': 'linux' } },
    spec,
  } satisfies V1VirtualMachineInstance;
  const providerOptions = { kubevirt: { kind: 'VirtualMachineInstance', namespace: 'ml' } };
  const plan = translator.plan(intentOf({ ...everything, providerOptions }), offlineSnapshot(), { catalog });
  expect(vmOf(plan)).toEqual(expected);
  expect(plan.steps.map(({ id }) => id)).toContain('datavolume/ml/train-1-root');
});

it('claims of DRA', () => {
  const expected = {
    resourceClaims: [{ name: 'gpu0', resourceClaimTemplateName: 'train-1-gpu0' }],
    domain: {
      devices: { gpus: [{ name: 'gpu0', claimName: 'gpu0', requestName: 'gpu0' }] },
      memory: { guest: '8Gi' },
    },
    evictionStrategy: 'None',
  } satisfies V1VirtualMachineInstance['spec'];
  const gpus = [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }];
  const providerOptions = { kubevirt: { kind: 'VirtualMachineInstance' } };
  const plan = translator.plan(
    intentOf({ memory: '8GiB', gpus, providerOptions }),
    offlineSnapshot({ provider: 'dra' }),
  );
  expect(vmOf(plan).spec).toEqual(expected);
});

it('the settings of a KubeVirt object', () => {
  const expected = {
    mediatedDevicesConfiguration: {
      nodeMediatedDeviceTypes: [
        { nodeSelector: { 'kubernetes.io/hostname': 'n1' }, mediatedDeviceTypes: ['NVIDIA_A10-24Q'] },
      ],
    },
    permittedHostDevices: {
      pciHostDevices: [{ pciVendorSelector: '10DE:1BB3', resourceName: 'nvidia.com/GP104GL_TESLA_P4' }],
      mediatedDevices: [{ mdevNameSelector: 'NVIDIA A10-24Q', resourceName: 'nvidia.com/NVIDIA_A10-24Q' }],
    },
  } satisfies V1KubeVirtConfiguration;
  const gpus = [
    { name: 'a', mode: 'passthrough', device: { id: '10de:1bb3' } },
    { name: 'b', mode: 'vgpu', profile: 'A10-24Q' },
  ];
  const intent = intentOf({ memory: '8GiB', gpus, providerOptions: { kubevirt: { nodes: ['n1'] } } });
  const plan = translator.plan(intent, offlineSnapshot({ provider: 'kubevirt-builtin' }), { catalog });
  const config = stepOf(plan, 'config')?.after as Manifest & { spec: { configuration: unknown } };
  expect(config.spec.configuration).toEqual(expected);
});
