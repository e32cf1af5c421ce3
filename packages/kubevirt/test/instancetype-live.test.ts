import { isVmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import { type KubeObject, type Scenario, sampleScenario, startKube } from '@vmgpu/simulators/kube';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { kubeconfigTransport } from '../src/client-node/index.ts';
import { createKubePort, type KubeVirtLive } from '../src/index.ts';
import { expandVm } from '../src/translate/expand.ts';
import { type Manifest, objectAt } from '../src/translate/manifest.ts';
import { quickClock, startCluster, type TestCluster } from './cluster/cluster.ts';
import { instancetypeOf, preferenceOf, templateOf } from './instancetype-arbitraries.ts';
import { a10, instancetype, namingVm, preference } from './instancetype-support.ts';
import { smallCatalog as catalog, codes, vmOf } from './support.ts';

const types = [
  instancetype({ gpus: [{ name: 'gpu0', deviceName: a10 }] }),
  preference({ cpu: { preferredCPUTopology: 'cores' } }),
] as const;
const own = { ...types[0], kind: 'VirtualMachineInstancetype', metadata: { name: 'own', namespace: 'vms' } };
const ownVm = namingVm(
  {},
  { instancetype: { kind: 'VirtualMachineInstancetype', name: 'own' }, runStrategy: 'Halted' },
);
const clusterVm = namingVm({}, { runStrategy: 'Halted' });

function scenario(...objects: readonly Manifest[]): Scenario {
  const { objects: others = [], ...rest } = sampleScenario();
  return { ...rest, objects: [...others, ...(objects as readonly unknown[] as KubeObject[])] };
}

let cluster: TestCluster | undefined;
afterEach(() => cluster?.close());

async function connect(vm: Manifest, { expand = true, beside = types as readonly Manifest[] } = {}) {
  cluster = await startCluster({ scenario: scenario(...beside, vm) });
  if (!expand) {
    const role = cluster.kube.objects('clusterroles.rbac.authorization.k8s.io');
    for (const one of role.filter(({ metadata }) => metadata.name.startsWith('vmgpu-'))) {
      const rules = one.rules.filter(
        ({ resources }: { resources: string[] }) => !resources.includes('virtualmachines/expand-spec'),
      );
      cluster.kube.put({ ...one, rules });
    }
  }
  return cluster.connect('tenant');
}

async function read(provider: KubeVirtLive) {
  const native = await provider.describe({ name: 'train-1' });
  return provider.translate.toIntent(native, undefined, { catalog });
}

const asked = () =>
  (cluster?.kube.requests.entries ?? [])
    .map(({ path, status }) => `${path.split('/').slice(-2).join('/')} ${status}`)
    .filter((line) => !line.startsWith('virtualmachines/'));

describe('describing a VM with an instance type', () => {
  it('takes virt-api’s expansion, with the tenant’s role', async () => {
    const { intent, diagnostics } = await read(await connect(ownVm, { beside: [own, types[1]] }));
    expect(asked()).toEqual(['train-1/expand-spec 200']);
    expect(intent.spec).toMatchObject({
      cpu: { cores: 4, sockets: 1 },
      memory: '8GiB',
      gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }],
    });
    expect(codes({ diagnostics })).toEqual(['approximated kubevirt.instancetype-expanded']);
  });

  it('expands it itself from what everybody may read, to the same', async () => {
    const expanded = await read(await connect(clusterVm));
    await cluster?.close();
    const again = await read(await connect(clusterVm, { expand: false }));
    expect(asked()).toEqual([
      'train-1/expand-spec 403',
      'virtualmachineclusterinstancetypes/gpu.large 200',
      'virtualmachineclusterpreferences/linux 200',
    ]);
    expect(again).toEqual(expanded);
  });

  it('says what nobody lets it read, and guesses nothing', async () => {
    const provider = await connect(ownVm, { expand: false, beside: [own, types[1]] });
    const { intent, diagnostics } = await read(provider);
    const [unread] = diagnostics.filter(({ code }) => code === 'kubevirt.instancetype-unread');
    expect(intent.spec.gpus).toBeUndefined();
    expect(unread).toMatchObject({ kind: 'lossy', path: 'spec.instancetype' });
    expect(unread?.message).toContain('cannot get resource "virtualmachineinstancetypes"');
    const { gaps } = await provider.snapshot('vm', { vm: { name: 'train-1' } });
    const gap = gaps?.find(({ what }) => what === 'VirtualMachineInstancetype own');
    expect(gap?.why).toContain('cannot get resource "virtualmachines/expand-spec"');
    expect(gap?.why).toContain('cannot get resource "virtualmachineinstancetypes"');
  });

  it('goes by the revision that the VM has, and says where it may not', async () => {
    const revision: Manifest = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name: 'kept',
        namespace: 'vms',
        labels: { 'instancetype.kubevirt.io/object-name': 'gpu.large' },
      },
      data: instancetype({ cpu: { guest: 2 } }),
    };
    const status = { instancetypeRef: { name: 'gpu.large', controllerRevisionRef: { name: 'kept' } } };
    const options = { beside: [...types, revision] };
    const known = await read(await connect({ ...clusterVm, status }, options));
    expect(known.intent.spec.cpu?.cores).toBe(2);
    await cluster?.close();
    const unknown = await read(await connect({ ...clusterVm, status }, { ...options, expand: false }));
    expect(unknown.intent.spec.cpu?.cores).toBe(4);
    expect(unknown.diagnostics).toContainEqual(
      expect.objectContaining({
        code: 'kubevirt.instancetype-revision',
        message: expect.stringContaining('cannot get resource "controllerrevisions"'),
      }),
    );
  });

  it('a conflict that virt-api only calls an internal error is named', async () => {
    const vm = namingVm({ domain: { cpu: { cores: 2 }, devices: {} } }, { runStrategy: 'Halted' });
    const { diagnostics } = await read(await connect(vm));
    expect(asked()[0]).toBe('train-1/expand-spec 500');
    expect(diagnostics).toContainEqual(
      expect.objectContaining({ kind: 'blocked', path: 'spec.template.spec.domain.cpu.cores' }),
    );
  });
});

describe('such a VM on its cluster', () => {
  it('does not change when it is read and applied again', async () => {
    const provider = await connect(clusterVm);
    const state = () => cluster?.kube.objects('virtualmachines.kubevirt.io').map(({ spec }) => spec);
    const before = state();
    const snapshot = await provider.snapshot('vm', { vm: { name: 'train-1' } });
    const { intent } = provider.translate.toIntent(await provider.describe({ name: 'train-1' }), snapshot, {
      catalog,
    });
    const plan = provider.translate.plan(intent, snapshot, { vm: 'train-1', scope: 'vm', catalog });
    expect((await apply(plan, provider, { clock: quickClock })).changed).toBe(false);
    expect(state()).toEqual(before);
  });

  it('is refused GPUs of its own before anything is sent', async () => {
    const provider = await connect(clusterVm);
    const snapshot = await provider.snapshot('vm', { vm: { name: 'train-1' } });
    const { intent } = await read(provider);
    const wish = { ...intent, spec: { gpus: intent.spec.gpus ?? [] } };
    const plan = provider.translate.plan(wish, snapshot, { vm: 'train-1', scope: 'vm', catalog });
    const gives = plan.diagnostics.find(({ code }) => code === 'kubevirt.instancetype-gives');
    expect(gives).toMatchObject({ kind: 'blocked', path: 'spec.gpus' });
    // What would have come of it.
    const failure = await (await cluster?.port('tenant'))
      ?.create(
        {
          group: 'kubevirt.io',
          version: 'v1',
          plural: 'virtualmachines',
          kind: 'VirtualMachine',
          namespaced: true,
        },
        {
          ...(vmOf(plan) as Manifest),
          metadata: { name: 'other', namespace: 'vms' },
          spec: { ...objectAt(clusterVm, 'spec'), ...objectAt(vmOf(plan), 'spec') },
        },
      )
      .catch((error: unknown) => error);
    expect(isVmgpuError(failure) && failure.message).toContain(
      'VM field(s) spec.template.spec.domain.devices.gpus conflicts with selected instance type',
    );
  });
});

describe('virt-api’s expansion and ours', () => {
  it('are the same', async () => {
    const kube = await startKube({ scenario: scenario(), controllers: { virtController: false } });
    const transport = await kubeconfigTransport({ content: JSON.stringify(kube.kubeconfig('admin')) });
    const port = createKubePort(transport);
    const path = '/apis/subresources.kubevirt.io/v1/namespaces/vms/virtualmachines/train-1/expand-spec';
    let refused = 0;
    try {
      await fc.assert(
        fc.asyncProperty(instancetypeOf, preferenceOf, templateOf, async (type, wishes, vmi) => {
          const vm = namingVm(vmi);
          for (const object of [type, wishes, vm]) kube.put(structuredClone(object) as unknown as KubeObject);
          const theirs = await port.read(path).catch((error: unknown) => error);
          const ours = expandVm(vm, [type, wishes]);
          if (isVmgpuError(theirs)) {
            refused += 1;
            const fields = ours?.conflicts.map(({ field }) => field).join(', ');
            const { message } = ours?.conflicts[0] ?? {};
            expect(theirs.message).toContain(
              fields?.startsWith('spec') ? `VM field(s) ${fields} conflicts` : message,
            );
          } else {
            expect(ours?.conflicts).toEqual([]);
            expect(withoutEmpty(ours?.template)).toEqual(withoutEmpty(objectAt(theirs, 'spec', 'template')));
          }
        }),
        { numRuns: 300 },
      );
    } finally {
      port.close();
      await kube.close();
    }
    expect(refused).toBeGreaterThan(20);
  });

  /** KubeVirt leaves empty objects where it looked for something. */
  const withoutEmpty = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(withoutEmpty);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, item]) => [key, withoutEmpty(item)] as const);
    const kept = entries.filter(([key, item]) => JSON.stringify(item) !== '{}' || !structs.includes(key));
    return Object.fromEntries(kept);
  };
  const structs = ['metadata', 'features', 'firmware', 'bootloader', 'cpu', 'hyperv'];
});
