import { isVmgpuError } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import {
  mergeKubeVirt,
  offlineSnapshot,
  parseSnapshot,
  kubevirtTranslator as translator,
} from '../src/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import type { KubeVirtNode } from '../src/translate/snapshot.ts';
import { smallCatalog as catalog, codes, intentOf, passthrough, stepOf, vgpu, vmOf } from './support.ts';

const spec = { memory: '8GiB', gpus: [passthrough] };
const withOptions = (kubevirt: unknown, rest: object = spec) =>
  intentOf({ ...rest, providerOptions: { kubevirt } });
const plan = (intent: ReturnType<typeof intentOf>, options: Parameters<typeof offlineSnapshot>[0] = {}) =>
  translator.plan(intent, offlineSnapshot(options), { catalog });
const node = (
  name: string,
  allocatable: Record<string, string>,
  allocated: Record<string, number> = {},
): KubeVirtNode => ({
  name,
  ready: true,
  labels: {},
  allocatable,
  allocated,
});
const configSpec = (made: ReturnType<typeof plan>) =>
  (stepOf(made, 'config') as { after: Manifest }).after.spec;
const a10 = 'nvidia.com/GA102GL_A10';
const entry = { pciVendorSelector: '10DE:2236', resourceName: a10, externalResourceProvider: true };
const cr = (configuration: object): Manifest => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'KubeVirt',
  metadata: { name: 'kubevirt', namespace: 'kubevirt' },
  spec: { configuration },
});

describe('what the KubeVirt object must say', () => {
  it.each([
    ['v1.9.0', { mediatedDevicesConfiguration: { enabled: false } }],
    ['v1.8.0', { mediatedDevicesConfiguration: { enabled: false } }],
    ['v1.7.2', { developerConfiguration: { featureGates: ['DisableMDEVConfiguration'] } }],
    ['v1.4.0', { developerConfiguration: { featureGates: ['DisableMDEVConfiguration'] } }],
    ['v1.3.1', { developerConfiguration: { featureGates: ['GPU', 'DisableMDEVConfiguration'] } }],
    ['v0.58.0', { developerConfiguration: { featureGates: ['GPU'] } }],
  ])('%s: gates and who makes mediated devices', (version, wanted) => {
    const made = plan(intentOf({ memory: '8GiB', gpus: [vgpu] }), { version });
    expect(configSpec(made)).toEqual({
      configuration: {
        ...wanted,
        permittedHostDevices: {
          mediatedDevices: [
            {
              mdevNameSelector: 'NVIDIA A10-24Q',
              resourceName: 'nvidia.com/NVIDIA_A10-24Q',
              externalResourceProvider: true,
            },
          ],
        },
      },
    });
  });

  it('host devices need their gate on every release', () => {
    const made = plan(withOptions({ hostDevices: ['gpu0'] }));
    expect(stepOf(made, 'config')?.after).toMatchObject({
      spec: { configuration: { developerConfiguration: { featureGates: ['HostDevices'] } } },
    });
    expect(vmOf(made)).toMatchObject({
      spec: {
        template: { spec: { domain: { devices: { hostDevices: [{ name: 'gpu0', deviceName: a10 }] } } } },
      },
    });
  });

  it("KubeVirt's own plugin gets no flag, and makes the types on the nodes named", () => {
    const made = plan(withOptions({ nodes: ['n1'] }, { memory: '8GiB', gpus: [vgpu] }), {
      provider: 'kubevirt-builtin',
    });
    expect(configSpec(made)).toEqual({
      configuration: {
        mediatedDevicesConfiguration: {
          nodeMediatedDeviceTypes: [
            { nodeSelector: { 'kubernetes.io/hostname': 'n1' }, mediatedDeviceTypes: ['NVIDIA_A10-24Q'] },
          ],
        },
        permittedHostDevices: {
          mediatedDevices: [
            { mdevNameSelector: 'NVIDIA A10-24Q', resourceName: 'nvidia.com/NVIDIA_A10-24Q' },
          ],
        },
      },
    });
    expect(stepOf(made, 'config')?.risk).toBe('vm-restart');
  });

  const hco = (apiVersion: string, version: string): Manifest => ({
    apiVersion,
    kind: 'HyperConverged',
    metadata: { name: 'kubevirt-hyperconverged', namespace: 'openshift-cnv' },
    status: { versions: [{ name: 'operator', version }] },
  });
  const permitted = {
    mediatedDevices: [
      {
        mdevNameSelector: 'NVIDIA A10-24Q',
        resourceName: 'nvidia.com/NVIDIA_A10-24Q',
        externalResourceProvider: true,
      },
    ],
  };
  it.each([
    [
      'hco.kubevirt.io/v1beta1',
      '1.18.1',
      { featureGates: { disableMDevConfiguration: true }, permittedHostDevices: permitted },
    ],
    [
      'hco.kubevirt.io/v1',
      '1.18.1',
      {
        featureGates: [{ name: 'disableMDevConfiguration', state: 'Enabled' }],
        virtualization: { permittedHostDevices: permitted },
      },
    ],
    [
      'hco.kubevirt.io/v1',
      '1.20.0',
      {
        virtualization: { mediatedDevicesConfiguration: { enabled: false }, permittedHostDevices: permitted },
      },
    ],
  ])('HyperConverged %s of operator %s', (apiVersion, version, wanted) => {
    const made = plan(intentOf({ memory: '8GiB', gpus: [vgpu] }), {
      hco: hco(apiVersion, version),
      distribution: 'openshift',
    });
    expect(configSpec(made)).toEqual(wanted);
    expect(translator.render(made).map(({ path }) => path)).toContain('kubevirt/hyperconverged.yaml');
  });

  it('HyperConverged says pciDeviceSelector', () => {
    const made = plan(intentOf(spec), { distribution: 'openshift' });
    expect(stepOf(made, 'config')?.after).toMatchObject({
      spec: { permittedHostDevices: { pciHostDevices: [{ pciDeviceSelector: '10DE:2236' }] } },
    });
  });

  it('is left alone when it says it already, and on Harvester', () => {
    expect(
      stepOf(
        plan(intentOf(spec), { crs: [cr({ permittedHostDevices: { pciHostDevices: [entry] } })] }),
        'config',
      ),
    ).toBeUndefined();
    expect(stepOf(plan(intentOf(spec), { distribution: 'harvester' }), 'config')).toBeUndefined();
  });

  it('another name for the same device is a conflict, told before anything is written', () => {
    const other = { ...entry, resourceName: 'nvidia.com/OTHER', pciVendorSelector: '10de:2236' };
    const crs = [cr({ permittedHostDevices: { pciHostDevices: [other] } })];
    const named = { ...passthrough, device: { id: '10de:2236', name: a10 } };
    expect(codes(plan(intentOf({ memory: '8GiB', gpus: [named] }), { crs }))).toContain(
      'blocked kubevirt.permission-conflict',
    );
    expect(vmOf(plan(intentOf(spec), { crs }))).toMatchObject({
      spec: { template: { spec: { domain: { devices: { gpus: [{ deviceName: 'nvidia.com/OTHER' }] } } } } },
    });
  });

  it('a gate that somebody switched off blocks', () => {
    const crs = [cr({ developerConfiguration: { disabledFeatureGates: ['HostDevices'] } })];
    expect(codes(plan(withOptions({ hostDevices: ['gpu0'] }), { crs }))).toContain(
      'blocked kubevirt.gate-disabled',
    );
  });

  it('two KubeVirt objects are refused', () => {
    expect(() => plan(intentOf(spec), { crs: [cr({}), cr({})] })).toThrow(/more than one KubeVirt/);
  });
});

describe('joining it with what is there', () => {
  const managed = cr({
    developerConfiguration: { featureGates: ['HostDevices'] },
    permittedHostDevices: { pciHostDevices: [entry] },
  });
  const foreign = { pciVendorSelector: '15B3:1018', resourceName: 'mellanox.com/vf' };
  const existing: Manifest = {
    ...cr({
      developerConfiguration: { featureGates: ['Sidecar'], logVerbosity: { virtAPI: 4 } },
      permittedHostDevices: {
        pciHostDevices: [foreign, { pciVendorSelector: '10de:2236', resourceName: a10 }],
        usb: [{ resourceName: 'k.io/usb', selectors: [{ vendor: '46f4', product: '0001' }] }],
      },
    }),
    status: { phase: 'Deployed' },
  };

  it('keeps the entries, gates and fields of others', () => {
    expect(mergeKubeVirt(existing, managed)).toEqual({
      ...existing,
      spec: {
        configuration: {
          developerConfiguration: { featureGates: ['Sidecar', 'HostDevices'], logVerbosity: { virtAPI: 4 } },
          permittedHostDevices: {
            pciHostDevices: [foreign, { ...entry }],
            usb: [{ resourceName: 'k.io/usb', selectors: [{ vendor: '46f4', product: '0001' }] }],
          },
        },
      },
    });
  });

  it('changes nothing the second time', () => {
    const once = mergeKubeVirt(existing, managed);
    expect(mergeKubeVirt(once, managed)).toEqual(once);
  });

  it('does not overwrite another name of the same device', () => {
    const other = cr({ permittedHostDevices: { pciHostDevices: [{ ...entry, resourceName: 'x.com/y' }] } });
    expect(() => mergeKubeVirt(other, managed)).toThrow(/another resource name/);
  });
});

describe('names that are surer than the prediction', () => {
  const of = (options: Parameters<typeof offlineSnapshot>[0]) =>
    vmOf(plan(intentOf(spec), options)) as unknown as {
      spec: { template: { spec: { domain: { devices: { gpus: { deviceName: string }[] } } } } };
    };
  const name = (options: Parameters<typeof offlineSnapshot>[0]) =>
    of(options).spec.template.spec.domain.devices.gpus[0]?.deviceName;

  it('what a node publishes: the bare id, another case', () => {
    expect(name({ nodes: [node('n1', { 'nvidia.com/2236': '1' })] })).toBe('nvidia.com/2236');
    expect(name({ nodes: [node('n1', { 'nvidia.com/GA102GL_a10': '1' })] })).toBe('nvidia.com/GA102GL_a10');
  });

  it('without catalogue, host or node nothing is guessed', () => {
    const made = translator.plan(intentOf(spec), offlineSnapshot());
    expect(codes(made)).toContain('blocked kubevirt.resource-unknown');
  });

  it('nearest names are shown when no node has it', () => {
    const made = plan(withOptions({ resources: { gpu0: 'nvidia.com/GA102GL_A40' } }), {
      nodes: [node('n1', { [a10]: '2' })],
      clusterPolicy: { metadata: { name: 'cluster-policy' }, spec: { sandboxWorkloads: { enabled: true } } },
    });
    expect(made.diagnostics).toContainEqual(
      expect.objectContaining({
        kind: 'blocked',
        code: 'kubevirt.resource-absent',
        message: expect.stringContaining(a10),
      }),
    );
  });

  it('a VM cannot be split over nodes, and is refused when all are taken', () => {
    const three = intentOf({ memory: '8GiB', gpus: [{ ...passthrough, count: 3 }] });
    const nodes = [node('n1', { [a10]: '2' }), node('n2', { [a10]: '2' })];
    expect(codes(plan(three, { nodes }))).toContain('blocked kubevirt.no-node-fits');
    const taken = [node('n1', { [a10]: '1' }, { [a10]: 1 })];
    expect(codes(plan(intentOf(spec), { nodes: taken }))).toContain('blocked kubevirt.no-node-free');
  });
});

describe('attachments', () => {
  const vm: Manifest = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name: 'db', namespace: 'prod' },
    spec: {
      runStrategy: 'Always',
      template: {
        spec: {
          domain: {
            devices: {
              gpus: [{ name: 'old', deviceName: 'nvidia.com/GRID_T4-8Q' }],
              hostDevices: [
                { name: 'nic', deviceName: 'mellanox.com/vf' },
                { name: 'card', deviceName: a10 },
              ],
            },
          },
        },
      },
    },
  };
  const change = (gpus: readonly unknown[]) =>
    translator.plan(intentOf({ gpus }), offlineSnapshot({ virtualMachines: [vm] }), {
      catalog,
      vm: 'prod/db',
    });

  it('changes the GPUs and nothing else; other host devices stay', () => {
    const made = change([passthrough]);
    expect(stepOf(made, 'virtual-machine')).toMatchObject({ id: 'vm/prod/db', risk: 'vm-restart' });
    expect(vmOf(made)).toEqual({
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachine',
      metadata: { name: 'db', namespace: 'prod' },
      spec: {
        template: {
          spec: {
            domain: {
              devices: {
                gpus: [{ name: 'gpu0', deviceName: a10 }],
                hostDevices: [{ name: 'nic', deviceName: 'mellanox.com/vf' }],
              },
            },
          },
        },
      },
    });
    expect(
      translator.render(made).find(({ path }) => path.endsWith('virtual-machine-patch.yaml'))?.apply,
    ).toBe(
      'kubectl -n prod patch virtualmachine db --type=merge --patch-file kubevirt/virtual-machine-patch.yaml',
    );
  });

  it('an empty list takes them away', () => {
    expect(vmOf(change([]))).toMatchObject({
      spec: { template: { spec: { domain: { devices: { gpus: null, hostDevices: [{ name: 'nic' }] } } } } },
    });
  });

  it('says when the VM is not there', () => {
    const snapshot = offlineSnapshot({ virtualMachines: [vm] });
    expect(() => translator.plan(intentOf({ gpus: [] }), snapshot, { vm: 'web' })).toThrow(/no VM web/);
  });
});

describe('the GPU Operator', () => {
  it('passthrough needs one switch and a label', () => {
    const made = plan(withOptions({ nodes: ['n1'] }));
    expect(stepOf(made, 'gpu-operator')?.after).toMatchObject({
      spec: { sandboxWorkloads: { enabled: true } },
    });
    expect(stepOf(made, 'node-labels')?.after).toEqual({
      'nvidia.com/gpu.workload.config': 'vm-passthrough',
    });
  });

  it("a type that the operator's table lacks needs a ConfigMap", () => {
    const p4 = { memory: '8GiB', gpus: [{ ...vgpu, profile: 'P4-1Q' }] };
    expect(codes(plan(intentOf(p4)))).toContain('blocked kubevirt.vgpu-config');
    const made = plan(withOptions({ vgpuConfig: { configMap: 'own' } }, p4));
    expect(stepOf(made, 'vgpu-config')?.after).toMatchObject({
      metadata: { name: 'own' },
      data: { 'config.yaml': expect.stringContaining('"P4-1Q": 8') },
    });
  });

  it('the build script quotes what it is given', () => {
    const vgpuManager = {
      repository: 'registry.example.com/n v',
      version: '580.95.02',
      osTag: "ubuntu'; rm -rf /",
    };
    const made = plan(withOptions({ vgpuManager }, { memory: '8GiB', gpus: [vgpu] }));
    const script = translator.render(made).find(({ path }) => path.endsWith('build-vgpu-manager.sh'));
    expect(script?.content).toMatchObject({ text: expect.stringContaining(`'ubuntu'\\''; rm -rf /'`) });
  });

  it('passthrough and vGPU do not share a node', () => {
    expect(codes(plan(intentOf({ memory: '8GiB', gpus: [passthrough, vgpu] })))).toContain(
      'blocked kubevirt.mixed-modes',
    );
  });
});

describe('DRA', () => {
  const two = {
    ...spec,
    gpus: [{ ...passthrough, count: 2, device: { id: '10de:2236', address: '0000:65:00.0' } }],
  };
  it('makes a claim template and asks it for one device each', () => {
    const made = plan(intentOf(two), { provider: 'dra', version: 'v1.7.0' });
    expect(vmOf(made)).toMatchObject({
      spec: {
        template: {
          spec: {
            resourceClaims: [{ name: 'gpu0', resourceClaimTemplateName: 'train-1-gpu0' }],
            domain: {
              devices: {
                gpus: [
                  { name: 'gpu0-0', claimName: 'gpu0', requestName: 'gpu0-0' },
                  { name: 'gpu0-1', claimName: 'gpu0', requestName: 'gpu0-1' },
                ],
              },
            },
          },
        },
      },
    });
    expect(stepOf(made, 'config')?.after).toMatchObject({
      spec: { configuration: { developerConfiguration: { featureGates: ['GPUsWithDRA'] } } },
    });
    expect(JSON.stringify(stepOf(made, 'object')?.after)).toContain('pciBusID == \\"0000:65:00.0\\"');
  });
  it('is too new for old releases and knows no vGPUs', () => {
    expect(codes(plan(intentOf(two), { provider: 'dra', version: 'v1.5.0' }))).toContain(
      'blocked kubevirt.dra-version',
    );
    expect(codes(plan(intentOf({ memory: '8GiB', gpus: [vgpu] }), { provider: 'dra' }))).toContain(
      'blocked kubevirt.vgpu-provider',
    );
  });
});

describe('what KubeVirt cannot say', () => {
  it.each([
    ['lossy kubevirt.subsystem', { ...passthrough, device: { id: '10de:25b6:10de:159d' } }],
    ['lossy kubevirt.companions', { ...passthrough, companions: 'include' }],
    ['lossy kubevirt.address', { ...passthrough, device: { id: '10de:2236', address: '0000:65:00.0' } }],
    ['blocked kubevirt.container-resource', { ...passthrough, device: { name: 'nvidia.com/gpu' } }],
    ['blocked kubevirt.board-unknown', { ...passthrough, device: { board: 'NVIDIA Z9' } }],
    ['repaired kubevirt.resource-domain', { ...passthrough, device: { name: 'GA102GL_A10' } }],
  ])('%s', (code, gpu) => expect(codes(plan(intentOf({ memory: '8GiB', gpus: [gpu] })))).toContain(code));

  it.each([
    ['blocked kubevirt.memory', {}],
    ['blocked kubevirt.cpu-topology', { memory: '8GiB', cpu: { cores: 5, sockets: 2 } }],
    ['blocked kubevirt.numa-needs-dedicated', { memory: '8GiB', numa: { gpuAffinity: 'required' } }],
    ['blocked kubevirt.hugepages', { memory: '3GiB', hugepages: '2GiB' }],
    ['blocked kubevirt.disk-empty', { memory: '8GiB', disks: [{ name: 'root' }] }],
    [
      'approximated kubevirt.container-disk',
      { memory: '8GiB', disks: [{ name: 'r', image: 'quay.io/x:1' }] },
    ],
    ['approximated kubevirt.machine', { memory: '8GiB', machine: 'pc' }],
    ['approximated kubevirt.network-name', { memory: '8GiB', networks: [{ name: 'Vlan_7' }] }],
  ])('%s', (code, rest) => expect(codes(plan(intentOf(rest)))).toContain(code));

  it('long user data go into a Secret that only its owner may read', () => {
    const made = plan(intentOf({ ...spec, userData: `#cloud-config\n${'#'.repeat(2048)}` }));
    const secret = translator.render(made).find(({ path }) => path.endsWith('secret.yaml'));
    expect(secret?.mode).toBe(0o600);
    expect(stepOf(made, 'virtual-machine')?.needs).toContain('secret/default/train-1-cloudinit');
  });
});

describe('options and snapshots', () => {
  it('unknown keys are named', () => {
    try {
      plan(withOptions({ nodez: ['n1'] }));
      expect.unreachable();
    } catch (error) {
      expect(isVmgpuError(error) && error.message).toMatch(/unknown key "nodez"/);
    }
  });
  it('a scope leaves only its steps', () => {
    const snapshot = offlineSnapshot();
    const vm = translator.plan(intentOf(spec), snapshot, { catalog, scope: 'vm' });
    expect(new Set(vm.steps.map(({ scope }) => scope))).toEqual(new Set(['vm']));
    expect(vm.steps.flatMap(({ needs }) => needs ?? [])).toEqual([]);
  });
  it('a snapshot survives the disk, a damaged one is refused', () => {
    const snapshot = offlineSnapshot({ nodes: [node('n1', {})], crs: [cr({})] });
    expect(parseSnapshot(JSON.parse(JSON.stringify(snapshot)))).toEqual(snapshot);
    expect(() => parseSnapshot({ ...snapshot, provider: 'other' })).toThrow(/provider/);
  });
});
