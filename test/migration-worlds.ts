import {
  type Diagnostic,
  type GpuRequest,
  type GpuVm,
  type HostInventory,
  matchesPciId,
  type Plan,
  type PlatformName,
  parseBytes,
  parseGpuVm,
  parsePciId,
  type Reading,
  type Translator,
  tryParseVgpuProfile,
} from '@vmgpu/core';
import { catalog } from '@vmgpu/core/catalog';
import { type Migration, planMigration } from '@vmgpu/core/migrate';
import * as kubevirt from '@vmgpu/kubevirt/translate';
import * as openstack from '@vmgpu/openstack/translate';
import * as proxmox from '@vmgpu/proxmox/translate';
import fc from 'fast-check';
import { gpu, nativeOf } from '../packages/openstack/test/support.ts';

// Three platforms with the same cards, a way to read a VM back from each as if its plan had been applied, and a judge
// that finds what got lost on the way without a word.

const audio = (address: string) =>
  ({ address, id: '10de:0fb8', class: '0403', kind: 'audio', driver: 'snd_hda_intel' }) as never;
const vgpuTypes = [
  { typeId: 'nvidia-230', name: 'GRID T4-1Q', available: 16, maxInstances: 16 },
  { typeId: 'nvidia-232', name: 'GRID T4-4Q', available: 4, maxInstances: 4 },
];
const slots = (count: number, bus: number) =>
  Array.from({ length: count }, (_, index) => `0000:${(bus + index).toString(16)}:00.0`);
const hosts: readonly HostInventory[] = [
  {
    host: 'gpu01',
    gpus: [
      ...slots(8, 0x21).map((address, n) =>
        gpu(address, '10de:2236', { iommuGroup: 20 + n, sriovTotal: 32 }),
      ),
      ...slots(4, 0x41).map((address, n) =>
        gpu(address, '10de:1d01', { iommuGroup: 40 + n, companions: [audio(address.replace('.0', '.1'))] }),
      ),
      ...slots(4, 0x61).map((address, n) =>
        gpu(address, '10de:1eb8', { iommuGroup: 60 + n, vgpuFramework: 'mdev', vgpuTypes }),
      ),
    ],
  },
];

interface World {
  readonly translator: Translator<never, never>;
  readonly snapshot: unknown;
  /** Reads the VM that this plan would have made; undefined when the plan makes none. */
  readBack(plan: Plan): Reading | undefined;
}

const afterOf = (plan: Plan, kind: string) => plan.steps.find((step) => step.kind === kind)?.after;
const offline = {
  kubevirt: kubevirt.offlineSnapshot({ hosts }),
  openstack: openstack.offlineSnapshot({ hosts }),
  proxmox: proxmox.offlineSnapshot({ hosts }),
};

export const worlds: Readonly<Record<PlatformName, World>> = {
  kubevirt: {
    translator: kubevirt.kubevirtTranslator as never,
    snapshot: offline.kubevirt,
    readBack(plan) {
      const vm = afterOf(plan, 'kubevirt.virtual-machine');
      const config = afterOf(plan, 'kubevirt.config') as kubevirt.Manifest | undefined;
      const snapshot = { ...offline.kubevirt, ...(config === undefined ? {} : { crs: [config] }) };
      return vm === undefined ? undefined : kubevirt.kubevirtTranslator.toIntent(vm, snapshot, { catalog });
    },
  },
  openstack: {
    translator: openstack.openstackTranslator as never,
    snapshot: offline.openstack,
    readBack(plan) {
      if (afterOf(plan, 'openstack.server') === undefined) return undefined;
      return openstack.openstackTranslator.toIntent(nativeOf(plan), offline.openstack, { catalog });
    },
  },
  proxmox: {
    translator: proxmox.proxmoxTranslator as never,
    snapshot: offline.proxmox,
    readBack(plan) {
      const state = afterOf(plan, 'proxmox.vm') as proxmox.VmStepState | undefined;
      if (state === undefined) return undefined;
      const mappings = plan.steps
        .filter(({ kind }) => kind === 'proxmox.mapping')
        .map(({ after }) => after as proxmox.PciMapping);
      return proxmox.proxmoxTranslator.toIntent(
        { config: state.options, node: 'gpu01' },
        { ...offline.proxmox, mappings },
        { catalog },
      );
    },
  },
};

const bool = fc.boolean();
const amount = fc
  .tuple(fc.integer({ min: 1, max: 900 }), fc.constantFrom('GiB', 'GB', 'MiB'))
  .map(([size, unit]) => (unit === 'MiB' ? `${size * 512}MiB` : `${size}${unit}`));
const request = fc.oneof(
  fc.record(
    {
      mode: fc.constant('passthrough'),
      device: fc.oneof(
        fc.record({ id: fc.constantFrom('10de:2236', '10de:1d01') }),
        fc.record({ board: fc.constantFrom('NVIDIA A10', 'GeForce GT 1030') }),
      ),
      count: fc.integer({ min: 1, max: 3 }),
      companions: fc.constantFrom('include', 'exclude'),
    },
    { requiredKeys: ['mode', 'device'] },
  ),
  fc.record(
    {
      mode: fc.constant('vgpu'),
      profile: fc.constantFrom('T4-1Q', 'GRID T4-4Q'),
      count: fc.integer({ min: 1, max: 2 }),
      display: bool,
    },
    { requiredKeys: ['mode', 'profile'] },
  ),
);
const native = {
  kubevirt: fc.constantFrom(
    { namespace: 'lab' },
    { patch: { spec: { template: { spec: { nodeSelector: { zone: 'a' }, hostname: 'x' } } } } },
    { memoryField: 'requests' },
  ),
  openstack: fc.constantFrom(
    { flavor: { name: 'gpu/8c', swap: 1024, extraSpecs: { 'hw:watchdog_action': 'reset' } } },
    { image: { properties: { hw_video_model: 'none' } } },
    { server: { key_name: 'ops', tags: ['a'], config_drive: true } },
  ),
  proxmox: fc.constantFrom(
    { vmid: 101, storage: 'local-zfs', options: { onboot: 1, args: '-cpu host', usb0: 'host=1-1' } },
    {
      storage: 'local-lvm',
      tags: ['ml', 'prod'],
      options: { net3: 'virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=7' },
    },
    { storage: 'local-lvm', options: { numa: 1, cpuunits: 200, hotplug: 'disk' } },
  ),
} as const;

/** No network, and one in the platform's own words: the reading says what there is. */
function contradictsItself(spec: {
  readonly networks?: readonly unknown[];
  readonly providerOptions?: unknown;
}) {
  return spec.networks?.length === 0 && JSON.stringify(spec.providerOptions ?? {}).includes('"net3"');
}

/** Intents of every neutral word, with some native settings of the platform they start on. */
export function intentsOn(platform: PlatformName): fc.Arbitrary<GpuVm> {
  return fc
    .record(
      {
        guestOs: fc.constantFrom('linux', 'windows'),
        cpu: fc
          .record(
            {
              share: fc.integer({ min: 1, max: 16 }),
              sockets: fc.integer({ min: 1, max: 2 }),
              threads: fc.integer({ min: 1, max: 2 }),
              model: fc.constantFrom('host', 'x86-64-v3', 'host-model', 'EPYC-Rome'),
              dedicated: bool,
            },
            { requiredKeys: ['share'] },
          )
          .map(({ share, ...cpu }) => ({ cores: share * (cpu.sockets ?? 1) * (cpu.threads ?? 1), ...cpu })),
        memory: amount,
        hugepages: fc.constantFrom('2MiB', '1GiB'),
        machine: fc.constantFrom('q35', 'pc', 'pc-q35-9.2+pve1', 'pc-q35-rhel9.6.0'),
        firmware: fc.record(
          { type: fc.constantFrom('uefi', 'bios'), secureBoot: bool, tpm: bool },
          { requiredKeys: ['type'] },
        ),
        numa: fc.record({ gpuAffinity: fc.constantFrom('none', 'preferred', 'required') }),
        hideHypervisor: bool,
        disks: fc
          .tuple(
            amount,
            fc.constantFrom('ubuntu-24.04', 'docker.io/img/debian:13'),
            fc.option(amount, { nil: undefined }),
          )
          .map(([size, image, data]) => [
            { name: 'root', size, image },
            ...(data === undefined ? [] : [{ name: 'data', size: data }]),
          ]),
        networks: fc
          .uniqueArray(fc.constantFrom('default', 'vmbr0', 'lan'), { maxLength: 2 })
          .map((names) => names.map((name) => ({ name }))),
        userData: fc.constantFrom('#cloud-config\n', '#!/bin/sh\necho "ä"\n'),
        gpus: fc
          .array(request, { minLength: 1, maxLength: 3 })
          .map((list) => list.map((one, index) => ({ name: `gpu${index}`, ...one }))),
        providerOptions: native[platform].map((options) => ({ [platform]: options })),
        labels: fc.constant({ team: 'ml' }),
      },
      { requiredKeys: ['cpu', 'memory', 'disks', 'gpus'] },
    )
    .filter((spec) => !contradictsItself(spec))
    .map(({ labels, ...spec }) =>
      parseGpuVm(
        JSON.parse(
          JSON.stringify({
            apiVersion: 'vmgpu/v1',
            kind: 'GpuVm',
            metadata: { name: 'vm-1', labels },
            spec:
              platform === 'proxmox' && spec.providerOptions === undefined
                ? { ...spec, providerOptions: { proxmox: { storage: 'local-lvm' } } }
                : spec,
          }),
        ),
      ),
    );
}

export interface Loss {
  readonly path: string;
  readonly was: unknown;
  readonly is: unknown;
}

export type Verdict =
  | { readonly made: false }
  | { readonly made: true; readonly silent: readonly Loss[]; readonly declared: number };

/** plan, then read: what the intent said and the reading does not, without a diagnostic. */
export function roundTrip(platform: PlatformName, intent: GpuVm): Verdict {
  const { translator, snapshot, readBack } = worlds[platform];
  const plan = (translator as Translator<unknown, unknown>).plan(intent, snapshot, { catalog });
  const reading = readBack(plan);
  if (reading === undefined) return { made: false };
  return judge(intent, reading.intent, [...plan.diagnostics, ...reading.diagnostics], plan);
}

export interface Journey {
  /** The VM as it was read on the source. */
  readonly reading: Reading;
  readonly migration: Migration;
  /** The VM as it is read on the target; undefined when something blocked it. */
  readonly arrived: Reading | undefined;
}

/** Makes a VM on one platform, reads it, plans it on another and reads that; undefined when the first makes none. */
export function travel(from: PlatformName, to: PlatformName, intent: GpuVm): Journey | undefined {
  const source = worlds[from];
  const plan = (source.translator as Translator<unknown, unknown>).plan(intent, source.snapshot, { catalog });
  const reading = source.readBack(plan);
  if (reading === undefined) return undefined;
  const { translator, snapshot, readBack } = worlds[to];
  const migration = planMigration<unknown>(from, reading, translator as never, snapshot, { catalog });
  return { reading, migration, arrived: readBack(migration.plan) };
}

/** What got lost on the way from one platform to another, the source as it was read against the target as it is read. */
export function migrate(
  from: PlatformName,
  to: PlatformName,
  intent: GpuVm,
): Verdict & { readonly migration?: Migration } {
  const journey = travel(from, to, intent);
  if (journey === undefined) return { made: false };
  const { reading, migration, arrived } = journey;
  if (arrived === undefined) {
    if (migration.report.some(({ kind }) => kind === 'blocked')) return { made: false };
    return { made: true, silent: [{ path: 'spec', was: 'a VM', is: 'nothing' }], declared: 0 };
  }
  const said = [...migration.report, ...arrived.diagnostics];
  return { ...judge(reading.intent, arrived.intent, said, migration.plan), migration };
}

/** What became of one word of an intent on a journey. */
export type Fate = 'kept' | 'approximated' | 'lost' | 'blocked' | 'not said' | 'silent';

export function fateOf(path: string, intent: GpuVm, { reading, migration, arrived }: Journey): Fate {
  const at = (vm: GpuVm | undefined) =>
    vm === undefined ? [] : [...leaves(comparable(vm), '')].filter(([place]) => within(path, place));
  const was = at(reading.intent);
  const meant = at(intent);
  if (meant.some(([place, value]) => !kept(place, value, new Map(was).get(place)))) return 'not said';
  const is = new Map(at(arrived?.intent));
  if (
    was.every(
      ([place, value]) => kept(place, value, is.get(place)) || expressed(place, value, migration.plan),
    )
  )
    return 'kept';
  const kinds = [...migration.report, ...(arrived?.diagnostics ?? [])]
    .filter((one) => was.some(([place]) => covers(one.path, place)))
    .map(({ kind }) => kind);
  if (kinds.includes('blocked')) return 'blocked';
  if (kinds.some((kind) => kind === 'lossy' || kind === 'unsupported')) return 'lost';
  return kinds.length > 0 ? 'approximated' : 'silent';
}

function within(path: string, place: string): boolean {
  return indexless(place) === path || indexless(place).startsWith(`${path}.`);
}

function judge(was: GpuVm, is: GpuVm, said: readonly Diagnostic[], plan: Plan): Verdict {
  const target = new Map(leaves(comparable(is), ''));
  const names = Object.keys(was.spec.providerOptions ?? {});
  const lost = [...leaves(comparable(was), '')].filter(
    ([path, value]) => !kept(path, value, target.get(path)) && !expressed(path, value, plan),
  );
  const native = names
    .filter((platform) => platform !== plan.platform)
    .flatMap((platform) =>
      [...leaves(was.spec.providerOptions?.[platform] ?? {}, '')].map(([path, value]) => ({
        platform,
        path,
        value,
      })),
    );
  const silent = [
    ...lost
      .filter(([path]) => !said.some((one) => covers(one.path, path)))
      .map(([path, value]) => ({ path, was: value, is: target.get(path) })),
    ...native
      .filter(
        ({ platform, path }) =>
          !said.some(
            ({ path: at, message }) =>
              at === `spec.providerOptions.${platform}.${path}` || message.includes(`${path} (`),
          ),
      )
      .map(({ platform, path, value }) => ({
        path: `spec.providerOptions.${platform}.${path}`,
        was: value,
        is: undefined,
      })),
  ];
  return { made: true, silent, declared: lost.length + native.length - silent.length };
}

/** A diagnostic speaks of the place itself or of what it is part of; "spec" speaks of nothing in particular. */
function covers(said: string, place: string): boolean {
  if (said === '' || said === 'spec' || said === 'metadata') return false;
  const at = indexless(said);
  const path = indexless(place);
  return path === at || path.startsWith(`${at}.`);
}

/** Requests and disks are expanded and may merge on the way; a loss of one is named at any of its kind. */
function indexless(path: string): string {
  return path.replace(/\[\d+\]/g, '');
}

/** User data goes into a file of its own on Proxmox VE, which a reading of the VM does not see. */
function expressed(path: string, value: unknown, plan: Plan): boolean {
  return path === 'spec.userData' && JSON.stringify(plan.steps).includes(JSON.stringify(value).slice(1, -1));
}

/** What asks for nothing: not saying it means the same. A list without entries is the empty text. */
const nothing = new Set(['false', 'none', 'exclude', '']);

function kept(path: string, was: unknown, is: unknown): boolean {
  if (JSON.stringify(was) === JSON.stringify(is)) return true;
  // Without a word on networks a VM gets those of the platform.
  if (is === undefined && path !== 'spec.networks' && nothing.has(String(was))) return true;
  if (is === undefined && /\.threads$/.test(path)) return was === 1;
  if (/\.device$/.test(path)) return sameDevice(String(was), String(is));
  return false;
}

function sameDevice(was: string, is: string): boolean {
  const ids = (text: string) =>
    text.startsWith('board ')
      ? catalog.boardsByName(text.slice(6)).flatMap((board) => board.ids)
      : [text as never];
  return ids(was).some((left) =>
    ids(is).some((right) => matchesPciId(left, right) || matchesPciId(right, left)),
  );
}

/** Names of disks and GPUs are positions on some platforms; amounts have many spellings. */
function comparable({ metadata, spec }: GpuVm): unknown {
  const bytes = (text: string | undefined) => (text === undefined ? undefined : parseBytes(text));
  const { providerOptions: _, gpus = [], disks, memory, hugepages, ...rest } = spec;
  return {
    metadata,
    spec: {
      ...rest,
      memory: bytes(memory),
      hugepages: bytes(hugepages),
      disks: disks?.map(({ size, image }) => ({ size: bytes(size), image })),
      gpus: gpus.flatMap((one) => Array.from({ length: one.count ?? 1 }, () => gpuOf(one))),
    },
  };
}

function gpuOf(one: GpuRequest): unknown {
  if (one.mode === 'vgpu') {
    return {
      mode: one.mode,
      profile: tryParseVgpuProfile(one.profile)?.short ?? one.profile,
      display: one.display,
    };
  }
  const { id, board, name, address } = one.device;
  const device =
    id !== undefined ? parsePciId(id) : board !== undefined ? `board ${board}` : (name ?? address);
  // A card of one function has no companions to take along.
  const single = sameDevice(String(device), '10de:2236');
  return { mode: one.mode, device, companions: single ? undefined : one.companions };
}

function* leaves(value: unknown, path: string): Generator<readonly [string, unknown]> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length === 0) {
    if (path !== '' && value !== undefined && JSON.stringify(value) !== '{}') yield [path, value];
    return;
  }
  for (const [key, item] of entries)
    yield* leaves(item, Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);
}
