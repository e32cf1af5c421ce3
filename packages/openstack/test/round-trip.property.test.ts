import { type Diagnostic, type GpuVm, parseBytes, parseGpuVm, printBytes } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Deployment,
  type FlavorState,
  novaReleases,
  type OpenStackNative,
  offlineSnapshot,
  openstackTranslator,
  parseOslo,
  printOslo,
  type ServerState,
} from '../src/index.ts';
import { openstackLinters } from '../src/lint/index.ts';
import { extraSpecProblem } from '../src/translate/extra-specs.ts';
import { printOsloOption } from '../src/translate/oslo-config.ts';
import { gpu, host, nativeOf } from './support.ts';

const hosts = [
  host(
    'gpu01',
    gpu('0000:41:00.0', '10de:2236', { sriovTotal: 32 }),
    gpu('0000:5e:00.0', '10de:1df6', { sriovTotal: null }),
    gpu('0000:c1:00.0', '10de:1bb3', {
      vgpuFramework: 'mdev',
      vgpuTypes: [
        { typeId: 'nvidia-63', name: 'GRID P4-1Q', available: 8, maxInstances: 8 },
        { typeId: 'nvidia-64', name: 'GRID P4-2Q', available: 4, maxInstances: 4 },
      ],
    }),
  ),
];
const snapshots = fc
  .record({
    release: fc.constantFrom(...novaReleases),
    deployment: fc.constantFrom<Deployment>('packages', 'kolla-ansible', 'openstack-ansible', 'devstack'),
    hosts: fc.constantFrom([], hosts),
  })
  .map(({ release, ...rest }) => offlineSnapshot({ version: String(release.nova), ...rest }));

const request = fc.oneof(
  fc.record(
    {
      mode: fc.constant('passthrough'),
      device: fc.oneof(
        fc.record({ id: fc.constantFrom('10de:2236', '10de:1df6', '10de:1eb8', '1002:740f') }),
        fc.record({ name: fc.constantFrom('a10', 't4', 'CUSTOM_GPU_A10') }),
        fc.record({ name: fc.constantFrom('big', 'small'), id: fc.constantFrom('10de:2236', '10de:20b5') }),
        fc.record({ address: fc.constant('0000:41:00.0') }),
      ),
      count: fc.integer({ min: 1, max: 8 }),
      companions: fc.constantFrom('include', 'exclude'),
    },
    { requiredKeys: ['mode', 'device'] },
  ),
  fc.record(
    {
      mode: fc.constant('vgpu'),
      profile: fc.constantFrom('P4-1Q', 'P4-2Q', 'nvidia-558', 'A10-24Q'),
      count: fc.integer({ min: 1, max: 3 }),
      display: fc.boolean(),
    },
    { requiredKeys: ['mode', 'profile'] },
  ),
);
const bool = fc.boolean();
const intents: fc.Arbitrary<GpuVm> = fc
  .record(
    {
      guestOs: fc.constantFrom('linux', 'windows'),
      cpu: fc.record(
        {
          cores: fc.integer({ min: 1, max: 256 }),
          sockets: fc.integer({ min: 1, max: 4 }),
          threads: fc.integer({ min: 1, max: 2 }),
          model: fc.constant('host'),
          dedicated: bool,
        },
        { requiredKeys: ['cores'] },
      ),
      memory: fc.integer({ min: 1, max: 2048 }).map((size) => `${size}GiB`),
      hugepages: fc.constantFrom('2MiB', '1GiB'),
      machine: fc.constantFrom('q35', 'pc'),
      firmware: fc.record(
        { type: fc.constantFrom('uefi', 'bios'), secureBoot: bool, tpm: bool },
        { requiredKeys: ['type'] },
      ),
      numa: fc.record({ gpuAffinity: fc.constantFrom('none', 'preferred', 'required') }),
      hideHypervisor: bool,
      disks: fc.tuple(
        fc.record(
          {
            name: fc.constant('root'),
            image: fc.constantFrom('ubuntu-24.04', 'win'),
            size: fc.integer({ min: 1, max: 900 }).map((size) => `${size}GiB`),
          },
          { requiredKeys: ['name', 'image'] },
        ),
      ),
      networks: fc
        .uniqueArray(fc.constantFrom('default', 'lan', 'net_2'), { maxLength: 2 })
        .map((names) => names.map((name) => ({ name }))),
      userData: fc.constantFrom('#cloud-config\n', 'ünïcode\n'),
      gpus: fc
        .array(request, { minLength: 1, maxLength: 3 })
        .map((gpus) => gpus.map((one, index) => ({ name: `g${index}`, ...one }))),
    },
    { requiredKeys: ['cpu', 'memory', 'disks', 'gpus'] },
  )
  .map((spec) =>
    parseGpuVm({
      apiVersion: 'vmgpu/v1',
      kind: 'GpuVm',
      metadata: { name: 'vm-1', labels: { team: 'ml' } },
      spec,
    }),
  );

describe('planning', () => {
  it('keeps an intent through Nova and back, but for what it says is lost', () => {
    fc.assert(
      fc.property(intents, snapshots, (intent, snapshot) => {
        const plan = openstackTranslator.plan(intent, snapshot);
        const reading = openstackTranslator.toIntent(nativeOf(plan), snapshot);
        expect(reading.intent.spec.gpus).toEqual(intent.spec.gpus);
        const lost = [...plan.diagnostics, ...reading.diagnostics];
        for (const path of differences(neutral(intent), neutral(reading.intent))) {
          expect({ path, declared: lost.some((one) => covers(one, path)) }).toEqual({ path, declared: true });
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is deterministic and frozen, and every extra spec passes Nova’s checker', () => {
    fc.assert(
      fc.property(intents, snapshots, (intent, snapshot) => {
        const plan = openstackTranslator.plan(intent, snapshot);
        expect(
          JSON.stringify(openstackTranslator.plan(structuredClone(intent), structuredClone(snapshot))),
        ).toBe(JSON.stringify(plan));
        expect(Object.isFrozen(plan) && plan.steps.every((step) => Object.isFrozen(step.after))).toBe(true);
        for (const step of plan.steps) {
          if (step.kind !== 'openstack.flavor') continue;
          for (const [key, value] of Object.entries((step.after as FlavorState).extraSpecs)) {
            expect({ key, value, problem: extraSpecProblem(key, value) }).toEqual({ key, value });
          }
        }
        expect(new Set(plan.steps.map(({ id }) => id)).size).toBe(plan.steps.length);
      }),
      { numRuns: 300 },
    );
  });

  it('writes configuration that the linters have nothing to say about', () => {
    fc.assert(
      fc.property(intents, snapshots, (intent, snapshot) => {
        const plan = openstackTranslator.plan(intent, snapshot);
        if (plan.diagnostics.some(({ kind }) => kind === 'blocked')) return;
        const artifacts = openstackTranslator.render(plan);
        const files = artifacts.flatMap(({ path, content }) =>
          content.format === 'text' && path.endsWith('.conf') ? [{ path, text: content.text }] : [],
        );
        for (const file of files) {
          const linters = openstackLinters.filter((linter) => linter.recognises(file));
          const others = files.filter((other) => other !== file);
          const found = linters.flatMap((linter) =>
            linter.lint(file, { version: snapshot.version, files: others }),
          );
          expect({ text: file.text, found }).toEqual({ text: file.text, found: [] });
        }
      }),
      { numRuns: 300 },
    );
  });
});

const keys = [
  'pci_passthrough:alias',
  'resources:VGPU',
  'resources:CUSTOM_VGPU_A16_16A',
  'trait:CUSTOM_X',
  'hw:cpu_policy',
  'hw:numa_nodes',
  'hw:mem_page_size',
  'hw:pci_numa_affinity_policy',
  'hw:hide_hypervisor_id',
  'hide_hypervisor_id',
  'os:secure_boot',
  'hw:maxphysaddr_bits',
  'Accelerator:Type',
  'group_policy',
  'vmgpu:gpu:old',
];
const values = [
  'a10:1',
  ' a10 :1,t4:2',
  '1',
  '2',
  'dedicated',
  'mixed',
  '1GB',
  'large',
  'preferred',
  'socket',
  'true',
  'Yes',
  'required',
  'optional',
  '46',
  '{"as":"a10","mode":"passthrough","device":{"id":"10de:2236"}}',
];
const natives: fc.Arbitrary<OpenStackNative> = fc
  .record({
    specs: fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), { maxKeys: 8 }),
    vcpus: fc.integer({ min: 1, max: 64 }),
    ram: fc.integer({ min: 64, max: 1_000_000 }),
    disk: fc.integer({ min: 0, max: 500 }),
    swap: fc.constantFrom(0, '', 1024),
    ephemeral: fc.constantFrom(0, 20),
    image: fc.dictionary(
      fc.constantFrom(
        'hw_machine_type',
        'hw_firmware_type',
        'img_hide_hypervisor_id',
        'os_type',
        'hw_video_model',
      ),
      fc.constantFrom('q35', 'uefi', 'true', 'linux', 'none'),
    ),
    name: fc.constantFrom('vm-1', 'My VM', 'gpu/8c'),
    key_name: fc.constantFrom(null, 'key'),
    zone: fc.constantFrom('', 'nova', 'az1'),
    tags: fc.constantFrom([], ['a']),
    metadata: fc.constantFrom({}, { team: 'ml' }),
  })
  .map(({ specs, image, zone, vcpus, ram, disk, swap, ephemeral, ...server }) => ({
    server: {
      ...server,
      flavor: { original_name: 'gpu/8c/16g', vcpus, ram, disk, swap, ephemeral, extra_specs: specs },
      image: { id: 'img' },
      'OS-EXT-AZ:availability_zone': zone,
      addresses: { lan: [] },
    },
    image: { ...image, id: 'img', name: 'debian' },
  }));

describe('reading', () => {
  it('and planning on the same cloud gives the same flavor, image properties and request', () => {
    fc.assert(
      fc.property(natives, snapshots, (native, snapshot) => {
        const { intent } = openstackTranslator.toIntent(native, snapshot);
        const plan = openstackTranslator.plan(intent, snapshot);
        const flavor = plan.steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState;
        const { original_name, extra_specs, vcpus, ram, disk } = native.server.flavor;
        expect(flavor.extraSpecs).toEqual(extra_specs);
        expect(flavor.flavor).toMatchObject({ name: original_name, vcpus, ram, disk });
        const state = plan.steps.find(({ kind }) => kind === 'openstack.server');
        const server = (state?.after as ServerState | undefined)?.server;
        if (server === undefined) throw new Error('no server');
        expect(server.name).toBe(native.server.name);
        expect(server.key_name ?? null).toBe(native.server.key_name);
        expect(server.tags ?? []).toEqual(native.server.tags);
        expect(server.metadata ?? {}).toEqual(native.server.metadata);
        const image = plan.steps.find(({ kind }) => kind === 'openstack.image-properties')?.after as
          | { properties: Record<string, string> }
          | undefined;
        for (const [key, value] of Object.entries(image?.properties ?? {}))
          expect(native.image?.[key]).toBe(value);
        // And a second reading says the same.
        expect(openstackTranslator.toIntent(native, snapshot).intent).toEqual(intent);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('oslo.config', () => {
  it('prints every text back byte for byte', () => {
    const line = fc.constantFrom(
      '[pci]',
      'alias = {"a": 1}',
      'key: "v"',
      '  more',
      '# c',
      '',
      '[',
      'x',
      'a=',
      '\t b',
      'k = $$x\r',
    );
    fc.assert(fc.property(fc.array(line), (lines) => roundTrips(lines.join('\n'))));
    fc.assert(fc.property(fc.string(), roundTrips));
  });

  it('reads every printed value', () => {
    const value = fc.string({ unit: 'grapheme-ascii' }).map((text) => text.replace(/[\r\n]/g, ''));
    fc.assert(
      fc.property(value, (text) => {
        const [entry] = parseOslo(printOsloOption('key', text)).entries;
        expect(entry).toMatchObject({ kind: 'option', key: 'key', value: text.replaceAll('$', '$$$$') });
      }),
    );
  });
});

function roundTrips(text: string): void {
  const document = parseOslo(text);
  expect(printOslo(document)).toBe(text);
  for (const entry of document.entries) {
    if (entry.kind !== 'option') continue;
    expect(text.slice(entry.at.key, entry.at.key + entry.key.length)).toBe(entry.key);
    expect(text[entry.at.separator]).toBe(entry.separator);
  }
}

/** Amounts in one spelling, so that only meaning is compared. */
function neutral({ metadata, spec }: GpuVm): unknown {
  const amount = (text: string | undefined) =>
    text === undefined ? {} : { amount: printBytes(parseBytes(text)) };
  const { memory, hugepages, providerOptions: _, ...rest } = spec;
  return JSON.parse(
    JSON.stringify({ metadata, spec: { ...rest, memory: amount(memory), hugepages: amount(hugepages) } }),
  );
}

function differences(left: unknown, right: unknown, path = ''): string[] {
  if (JSON.stringify(left) === JSON.stringify(right)) return [];
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return [path];
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names.flatMap((name) => {
    const next = Array.isArray(left) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`;
    return differences(
      (left as Record<string, unknown>)[name],
      (right as Record<string, unknown>)[name],
      next,
    );
  });
}

function covers({ path }: Diagnostic, place: string): boolean {
  return place.startsWith(path) || path.startsWith(place);
}
