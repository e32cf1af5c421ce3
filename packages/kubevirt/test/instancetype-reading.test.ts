import { type GpuVm, parseGpuVm } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { kubevirtTranslator as translator } from '../src/translate/index.ts';
import { type Manifest, objectAt } from '../src/translate/manifest.ts';
import { type OfflineOptions, offlineSnapshot } from '../src/translate/snapshot.ts';
import { a10, instancetype, namingVm, preference } from './instancetype-support.ts';
import { smallCatalog as catalog, codes, vmOf } from './support.ts';

const gpus = [{ name: 'gpu0', deviceName: a10 }];
const gpuType = instancetype({ gpus });
const linux = preference({
  annotations: { 'vm.kubevirt.io/os': 'linux' },
  cpu: { preferredCPUTopology: 'cores' },
  firmware: { preferredEfi: { secureBoot: false } },
});
const list = (...items: Manifest[]) => ({ apiVersion: 'v1', kind: 'List', items });
const read = (native: unknown, options: OfflineOptions = {}) =>
  translator.toIntent(native, offlineSnapshot(options), { catalog });
const reading = read(list(namingVm(), gpuType, linux));
const changed = (spec: Partial<GpuVm['spec']>): GpuVm => ({
  ...reading.intent,
  spec: { ...reading.intent.spec, ...spec },
});

describe('reading a VM with an instance type', () => {
  it('says what it gives, and where that comes from', () => {
    const { providerOptions, ...spec } = reading.intent.spec;
    expect(spec).toEqual({
      guestOs: 'linux',
      cpu: { cores: 4, sockets: 1, threads: 1 },
      memory: '8GiB',
      firmware: { type: 'uefi', secureBoot: false },
      gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }],
    });
    expect(providerOptions?.kubevirt).toMatchObject({
      given: { memory: { value: '8GiB' }, gpus: { value: spec.gpus } },
      patch: { spec: { instancetype: { name: 'gpu.large' }, preference: { name: 'linux' } } },
    });
    expect(codes(reading)).toEqual(['approximated kubevirt.instancetype-expanded']);
    expect(reading.diagnostics[0]?.message).toMatch(
      /^guestOs, cpu, memory, firmware, gpus are given by VirtualMachineClusterInstancetype gpu\.large and VirtualMachineClusterPreference linux;/,
    );
    expect(parseGpuVm(structuredClone(reading.intent))).toEqual(reading.intent);
  });

  it('finds the objects in the snapshot as well', () => {
    const again = read(namingVm(), { instancetypes: [gpuType, linux] });
    expect(again).toEqual(reading);
  });

  it('takes virt-api’s expansion before its own', () => {
    const { instancetype: _, preference: __, ...spec } = namingVm().spec as Record<string, unknown>;
    const domain = { cpu: { cores: 2, sockets: 1, threads: 1 }, memory: { guest: '3Gi' }, devices: { gpus } };
    const twin = { ...namingVm(), spec: { ...spec, template: { spec: { domain } } } };
    const { intent } = read(list(twin, namingVm(), gpuType, linux));
    expect(intent.spec).toMatchObject({ cpu: { cores: 2 }, memory: '3GiB', gpus: [{ name: 'gpu0' }] });
    expect(vmOf(translator.plan(intent, offlineSnapshot()))).toEqual(namingVm());
  });

  it('without the objects it says that they are not known, and in whose words', () => {
    const status = {
      kind: 'Status',
      message: 'virtualmachineclusterinstancetypes "gpu.large" is forbidden',
      details: { name: 'gpu.large' },
    };
    const { intent, diagnostics } = read(list(namingVm(), status as Manifest));
    expect(intent.spec.gpus).toBeUndefined();
    expect(codes({ diagnostics })).toEqual([
      'lossy kubevirt.instancetype-unread',
      'lossy kubevirt.instancetype-unread',
    ]);
    expect(diagnostics[0]?.message).toContain('gpu.large gives are not known here: virtual');
    expect(vmOf(translator.plan(intent, offlineSnapshot()))).toEqual(namingVm());
  });

  it('a VM that says the same as its instance type is told so, in KubeVirt’s words', () => {
    const vm = namingVm({ domain: { cpu: { cores: 2 }, devices: { gpus } } });
    const { diagnostics, intent } = read(list(vm, gpuType, linux));
    const conflicts = diagnostics.filter(({ code }) => code === 'kubevirt.instancetype-conflict');
    expect(conflicts).toMatchObject([
      { kind: 'blocked', path: 'spec.template.spec.domain.cpu.cores' },
      { kind: 'blocked', path: 'spec.template.spec.domain.devices.gpus' },
    ]);
    const plan = translator.plan(intent, offlineSnapshot({ instancetypes: [gpuType, linux] }));
    expect(codes(plan)).toContain('blocked kubevirt.instancetype-conflict');
    const unknown = translator.plan(intent, offlineSnapshot());
    expect(unknown.diagnostics.filter(({ code }) => code.endsWith('-conflict'))).toMatchObject([
      { path: 'spec.cpu' },
    ]);
  });

  it('a list without a VM, or with two, is refused', () => {
    expect(() => read(list(gpuType))).toThrow('no VM in the list');
    const other = { ...namingVm(), metadata: { name: 'x' } };
    expect(() => read(list(namingVm(), other))).toThrow('more than one VM');
  });
});

describe('planning it back', () => {
  const present = offlineSnapshot({ virtualMachines: [namingVm()], instancetypes: [gpuType, linux] });
  const blocked = (intent: GpuVm, snapshot = present, vm?: string) =>
    translator
      .plan(intent, snapshot, { catalog, ...(vm === undefined ? {} : { vm }) })
      .diagnostics.filter(({ kind }) => kind === 'blocked');

  it('gives the same VM, with nothing twice', () => {
    const plan = translator.plan(reading.intent, present, { catalog, vm: 'train-1' });
    expect(vmOf(plan)).toEqual(namingVm());
    expect(plan.steps.find(({ kind }) => kind === 'kubevirt.virtual-machine')?.before).toEqual(namingVm());
    expect(codes(plan).filter((code) => /instancetype|blocked/.test(code))).toEqual([]);
  });

  it('still permits the GPUs that the instance type gives', () => {
    const plan = translator.plan(reading.intent, offlineSnapshot({ crs: [{ spec: {} }] }), { catalog });
    expect(JSON.stringify(plan.steps.find(({ kind }) => kind === 'kubevirt.config')?.after)).toContain(a10);
    expect(plan.requirements.length).toBeGreaterThan(0);
  });

  it.each([
    ['gpus', { gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:25b6' } }] }],
    ['gpus', { gpus: [] }],
    ['memory', { memory: '16GiB' }],
    ['cpu', { cpu: { cores: 8 } }],
  ] as const)('refuses a change of %s, and says what to do', (field, spec) => {
    const found = blocked(changed(spec as Partial<GpuVm['spec']>));
    expect(found).toMatchObject([{ code: 'kubevirt.instancetype-gives', path: `spec.${field}` }]);
    expect(found[0]?.remedy).toContain('providerOptions.kubevirt.patch.spec');
  });

  it('leaves the VM the last word beside a preference, and in what the instance type does not give', () => {
    const vm = namingVm({ domain: { cpu: { model: 'host-model' }, devices: {} } });
    const { intent } = read(list(vm, gpuType, linux));
    expect(intent.spec.cpu).toEqual({ cores: 4, sockets: 1, threads: 1, model: 'host-model' });
    const cpu = { ...intent.spec.cpu, model: 'host' };
    const firmware = { type: 'bios' } as const;
    const plan = translator.plan({ ...intent, spec: { ...intent.spec, cpu, firmware } }, present, {
      catalog,
    });
    expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([]);
    const { domain } = objectAt(vmOf(plan), 'spec', 'template', 'spec') as { domain: object };
    expect(domain).toEqual({
      cpu: { model: 'host-passthrough' },
      firmware: { bootloader: { bios: {} } },
      devices: {},
    });
  });

  it.each([
    ['other GPUs', [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }], 'lists its own'],
    ['none', [], 'changes nothing'],
  ] as const)('refuses an attachment of %s', (_, wanted, why) => {
    const attachment = parseGpuVm({ ...changed({}), spec: { gpus: wanted } });
    const found = blocked(attachment, present, 'train-1');
    expect(found).toMatchObject([{ code: 'kubevirt.instancetype-gives', path: 'spec.gpus' }]);
    expect(found[0]?.message).toContain(why);
  });

  it('attaches GPUs beside an instance type that gives none, and warns where nobody could look', () => {
    const attachment = parseGpuVm({ ...changed({}), spec: { gpus: reading.intent.spec.gpus } });
    const plain = offlineSnapshot({
      virtualMachines: [namingVm()],
      instancetypes: [instancetype({}), linux],
    });
    const without = (snapshot: typeof plain) =>
      codes(translator.plan(attachment, snapshot, { catalog, vm: 'train-1' })).filter((code) =>
        code.includes('instancetype'),
      );
    expect(without(plain)).toEqual([]);
    expect(without(offlineSnapshot({ virtualMachines: [namingVm()] }))).toEqual([
      'approximated kubevirt.instancetype-unread',
    ]);
  });

  it('takes the instance type from a VM that is to say everything itself', () => {
    const intent = { ...reading.intent, spec: { ...reading.intent.spec, providerOptions: {} } };
    const plan = translator.plan(intent, present, { catalog, vm: 'train-1' });
    expect(codes(plan)).toContain('approximated kubevirt.instancetype-taken');
    expect(vmOf(plan).spec).toMatchObject({
      instancetype: null,
      template: { spec: { domain: { cpu: { cores: 4 }, memory: { guest: '8Gi' }, devices: { gpus } } } },
    });
  });

  it('tells what another instance type gives instead', () => {
    const options = reading.intent.spec.providerOptions?.kubevirt as Record<string, unknown>;
    const kubevirt = { ...options, patch: { spec: { instancetype: { name: 'gpu.small' } } } };
    const small = instancetype({ memory: { guest: '2Gi' }, gpus }, 'gpu.small');
    const snapshot = offlineSnapshot({ instancetypes: [small, linux] });
    const plan = translator.plan(changed({ providerOptions: { kubevirt } } as never), snapshot, { catalog });
    expect(plan.diagnostics.filter(({ code }) => code.endsWith('differs'))).toMatchObject([
      { kind: 'approximated', path: 'spec.cpu' },
      { kind: 'approximated', path: 'spec.memory' },
    ]);
  });

  it('keeps GPUs of the VM’s own beside those of the instance type', () => {
    const audio = { name: 'extra', deviceName: 'nvidia.com/GA107GL_A2__A16' };
    const vm = namingVm({ domain: { devices: { hostDevices: [audio] } } });
    const { intent } = read(list(vm, gpuType, linux));
    expect(intent.spec.gpus?.map(({ name }) => name)).toEqual(['gpu0', 'extra']);
    expect(vmOf(translator.plan(intent, offlineSnapshot(), { catalog }))).toEqual(vm);
  });
});
