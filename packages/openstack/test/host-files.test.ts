import { type GpuVmSpec, type Step, type StepContext, type StepNote, VmgpuError } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import {
  type FileHost,
  type FileSet,
  filesOnHosts,
  type HostFiles,
  offlineSnapshot,
  openstackTranslator,
} from '../src/index.ts';
import { reportsOf } from '../src/steps/reported.ts';
import { full, vm } from './support.ts';

/** A host in memory; what really happens on hosts is proved in host-prep and on the real cloud. */
function memoryHost(name: string, files: Record<string, string> = {}, fails = false) {
  const kept = new Map<string, Record<string, string>>();
  const sets: FileSet[] = [];
  const host: FileHost & { readonly files: Record<string, string>; readonly sets: readonly FileSet[] } = {
    name,
    files,
    sets,
    read: async (path) => files[path],
    apply: async (set) => {
      if (fails) throw new VmgpuError('refused', `${name}: nova-compute does not run`);
      const key = set.name + set.version;
      if (kept.has(key)) return { status: 'unchanged' };
      kept.set(key, { ...files });
      for (const { path, content } of set.files) files[path] = content;
      sets.push(set);
      return { status: 'changed' };
    },
    undo: async (set) => {
      const before = kept.get(set.name + set.version);
      if (!before) return;
      for (const path of Object.keys(files)) delete files[path];
      Object.assign(files, before);
      kept.delete(set.name + set.version);
    },
  };
  return host;
}

function context() {
  const notes: StepNote[] = [];
  const said: string[] = [];
  const made = {
    signal: new AbortController().signal,
    noted: undefined,
    note: async (note: StepNote) => void notes.push(note),
    emit: ({ message }: { message?: string }) => void said.push(message ?? ''),
  } as unknown as StepContext;
  return { made, notes, said };
}

const spec: GpuVmSpec = {
  ...full,
  gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } }],
  providerOptions: { openstack: { gpus: { gpu0: { deviceType: 'type-PF' } } } },
};
function steps(
  deployment: NonNullable<Parameters<typeof offlineSnapshot>[0]>['deployment'] = 'packages',
): readonly Step[] {
  const snapshot = offlineSnapshot({ version: '2025.2', ...(deployment ? { deployment } : {}) });
  return openstackTranslator
    .plan(vm(spec), snapshot, { scope: 'platform' })
    .steps.filter(({ kind }) => kind === 'openstack.config');
}
async function applyAll(all: readonly Step[], options: HostFiles) {
  const work = filesOnHosts(options);
  const outcomes = [];
  for (const step of all) outcomes.push(await work.doStep(step, context().made));
  return { work, outcomes };
}
const failureOf = (work: Promise<unknown>): Promise<VmgpuError> =>
  work.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: VmgpuError) => error,
  );

describe('a plan’s configuration on hosts', () => {
  it('of plain packages: drop-in files, and back', async () => {
    const [gpu, control] = [memoryHost('gpu-1'), memoryHost('ctl-1', { '/etc/nova/nova.conf': 'theirs' })];
    const all = steps();
    const { work, outcomes } = await applyAll(all, { compute: [gpu], control: [control] });
    expect(outcomes.map(({ status }) => status)).toEqual(all.map(() => 'updated'));
    const folder = '/etc/nova/nova.conf.d';
    expect(Object.keys(gpu.files)).toEqual([
      `${folder}/50-vmgpu-alias.conf`,
      `${folder}/50-vmgpu-compute.conf`,
    ]);
    expect(Object.keys(control.files).sort()).toEqual([
      '/etc/nova/nova.conf',
      ...['alias', 'api', 'conductor', 'scheduler'].map((name) => `${folder}/50-vmgpu-${name}.conf`),
    ]);
    expect(gpu.files[`${folder}/50-vmgpu-compute.conf`]).toMatch(
      /device_spec = .*2236.*\nreport_in_placement = true/,
    );
    // An alias in two files would count twice.
    expect(
      Object.values(control.files)
        .join('')
        .match(/^alias/gm),
    ).toHaveLength(1);
    expect(gpu.sets.flatMap(({ services }) => services.map(({ name }) => name))).toEqual(['nova-compute']);

    for (const [index, step] of [...all].reverse().entries()) {
      const outcome = outcomes[all.length - 1 - index];
      if (outcome) await work.undoStep?.(step, outcome, context().made);
    }
    expect(gpu.files).toEqual({});
    expect(control.files).toEqual({ '/etc/nova/nova.conf': 'theirs' });
  });

  it('is noted before the first write, and done once', async () => {
    const gpu = memoryHost('gpu-1');
    const [step] = steps() as [Step];
    const first = context();
    const work = filesOnHosts({ compute: [gpu] });
    await work.doStep(step, first.made);
    expect(first.notes).toEqual([{ before: { hosts: ['gpu-1'] } }]);
    const second = context();
    expect(await work.doStep(step, second.made)).toEqual({ status: 'unchanged' });
    expect(second.notes).toEqual([]);
  });

  it('begins with one host, and is taken back everywhere when another one fails', async () => {
    const hosts = ['gpu-1', 'gpu-2', 'gpu-3', 'gpu-4'].map((name) => memoryHost(name, {}, name === 'gpu-3'));
    const [step] = steps() as [Step];
    const error = await failureOf(filesOnHosts({ compute: hosts }).doStep(step, context().made));
    expect(error.message).toContain('gpu-3');
    expect(hosts.map(({ files }) => files)).toEqual([{}, {}, {}, {}]);
    const canary = [memoryHost('gpu-1', {}, true), memoryHost('gpu-2')] as const;
    await failureOf(filesOnHosts({ compute: canary }).doStep(step, context().made));
    expect(canary[1].sets).toEqual([]);
  });

  it('of one host goes there and nowhere else', async () => {
    const [first] = steps() as [Step];
    const step = { ...first, after: { ...(first.after as object), host: 'gpu-2' } };
    const hosts = [memoryHost('gpu-1'), memoryHost('gpu-2.example.org')] as const;
    await filesOnHosts({ compute: hosts }).doStep(step, context().made);
    expect(hosts[0].files).toEqual({});
    expect(Object.keys(hosts[1].files)).toContain('/etc/nova/nova.conf.d/60-vmgpu-compute.conf');
    const error = await failureOf(filesOnHosts({ compute: [hosts[0]] }).doStep(step, context().made));
    expect(error).toMatchObject({ code: 'bad-input', found: 'gpu-1', expected: 'gpu-2' });
  });

  it('of kolla-ansible is merged where it is run from, which then takes it over', async () => {
    const path = '/etc/kolla/config/nova/nova-compute.conf';
    const deploy = memoryHost('deploy', { [path]: '[libvirt]\ncpu_mode = host-model\n' });
    const reconfigure = ['kolla-ansible', 'reconfigure', '-i', 'multinode', '-t', 'nova'];
    await applyAll(steps('kolla-ansible'), { deploy, reconfigure });
    expect(deploy.files[path]).toMatch(/^\[libvirt\]\ncpu_mode = host-model\n\n\[pci\]\n/);
    expect(Object.keys(deploy.files)).toContain('/etc/kolla/config/nova/nova-api.conf');
    expect(deploy.sets[0]?.services).toEqual([{ name: 'kolla-ansible', restart: reconfigure }]);
    const [step] = steps('kolla-ansible') as [Step];
    const error = await failureOf(filesOnHosts({ deploy }).doStep(step, context().made));
    expect(error).toMatchObject({ code: 'unsupported', hint: expect.stringContaining('reconfigure') });
  });

  it('of DevStack goes into the files that its units name', async () => {
    const all = memoryHost('stack', { '/etc/nova/nova.conf': '[DEFAULT]\ndebug = true\n' });
    await applyAll(steps('devstack'), { compute: [all], control: [all] });
    expect(Object.keys(all.files).sort()).toEqual(['/etc/nova/nova-cpu.conf', '/etc/nova/nova.conf']);
    expect(all.files['/etc/nova/nova.conf']).toContain('debug = true');
    expect(all.sets.flatMap(({ services }) => services.map(({ name }) => name))).toContain(
      'devstack@n-sch.service',
    );
  });

  it('of openstack-ansible is left to its playbooks', async () => {
    const [step] = steps('openstack-ansible') as [Step];
    const error = await failureOf(filesOnHosts({ compute: [memoryHost('a')] }).doStep(step, context().made));
    expect(error).toMatchObject({ code: 'unsupported', hint: expect.stringContaining('playbooks') });
  });
});

describe('traits of vGPU providers', () => {
  const step = (name: string, ...traits: readonly string[]): Step => ({
    id: 'provider-config/gpu-1',
    kind: 'openstack.provider-config',
    target: { type: 'provider.yaml', name: 'vmgpu.yaml', in: 'gpu-1' },
    after: {
      deployment: 'packages',
      host: 'gpu-1',
      document: {
        meta: { schema_version: '1.0' },
        providers: [{ identification: { name }, traits: { additional: traits } }],
      },
    },
    scope: 'platform',
    risk: 'service-restart',
    reversible: true,
    summary: 'traits',
  });
  const path = '/etc/nova/provider_config/vmgpu.yaml';
  const namesIn = (text = '') =>
    (
      JSON.parse(text.replace(/^#.*\n/, '')) as { providers: readonly { identification: { name: string } }[] }
    ).providers.map(({ identification }) => identification.name);

  it('of several plans lie in one file', async () => {
    const gpu = memoryHost('gpu-1');
    await applyAll([step('a', 'CUSTOM_A'), step('b', 'CUSTOM_B'), step('a', 'CUSTOM_C')], { compute: [gpu] });
    expect(namesIn(gpu.files[path])).toEqual(['b', 'a']);
    expect(gpu.files[path]).not.toContain('CUSTOM_A');
  });

  it('are not written over a file of somebody else', async () => {
    const gpu = memoryHost('gpu-1', { [path]: 'meta:\n  schema_version: "1.0"\n' });
    const error = await failureOf(filesOnHosts({ compute: [gpu] }).doStep(step('a'), context().made));
    expect(error).toMatchObject({ code: 'conflict', where: { file: path } });
  });
});

describe('what Placement must show', () => {
  const step = (service: string, ...options: readonly (readonly [string, string, string])[]) =>
    ({
      kind: 'openstack.config',
      after: {
        service,
        sections: options.map(([section, key, value]) => ({ section, options: [{ key, values: [value] }] })),
      },
    }) as unknown as Step;
  const classes = (...options: readonly (readonly [string, string, string])[]) =>
    reportsOf(step('nova-compute', ...options)).map(({ resource }) => resource);
  const inPlacement = ['pci', 'report_in_placement', 'true'] as const;

  it('is told from the settings', () => {
    const a10 = ['pci', 'device_spec', '{"vendor_id":"10de","product_id":"25b6"}'] as const;
    expect(classes(a10)).toEqual([]);
    expect(classes(a10, inPlacement)).toEqual(['CUSTOM_PCI_10DE_25B6']);
    expect(
      classes(['pci', 'device_spec', '{"address":"0000:41:00.0","resource_class":"gpu x"}'], inPlacement),
    ).toEqual(['CUSTOM_GPU_X']);
    expect(classes(['pci', 'device_spec', '{"broken'], inPlacement)).toEqual([]);
    expect(
      classes(
        ['devices', 'enabled_mdev_types', 'nvidia-63,nvidia-64'],
        ['mdev_nvidia-64', 'mdev_class', 'CUSTOM_P4'],
      ),
    ).toEqual(['VGPU', 'CUSTOM_P4']);
    expect(reportsOf(step('nova-api', inPlacement))).toEqual([]);
  });
});
