import {
  type GpuRequest,
  type GpuVm,
  matchesPciId,
  type PciId,
  type Plan,
  parseBytes,
  toMiB,
  tryParseVgpuProfile,
} from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proxmoxLinters } from '../src/lint/index.ts';
import {
  type HostPci,
  type PciMapping,
  parseVmConfig,
  printHostPci,
  printVmConfig,
  proxmoxTranslator,
  tryParseHostPci,
  type VmStepState,
} from '../src/translate/index.ts';
import { canonicalOption, requestForm } from '../src/translate/option-text.ts';
import { type PropertyFormat, parseProperties, printProperties } from '../src/translate/property-string.ts';
import { type Rules, refusedParameters } from './api-schema.ts';
import { cluster, vm } from './cluster.ts';
import { available, text } from './shared.ts';

const { plan, render, toIntent } = proxmoxTranslator;
const runs = { numRuns: 300 };

const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
const address = fc
  .tuple(fc.option(hex(4), { nil: undefined }), hex(2), hex(2), fc.option(hex(1), { nil: undefined }))
  .map(
    ([domain, bus, slot, fn]) =>
      `${domain === undefined ? '' : `${domain}:`}${bus}:${slot}${fn === undefined ? '' : `.${fn}`}`,
  );
const guestId = hex(4).map((digits) => `0x${digits}`);
const device: fc.Arbitrary<HostPci> = fc.record(
  {
    host: fc.array(address, { minLength: 1, maxLength: 3 }).map((list) => list.join(';')),
    mapping: fc.stringMatching(/^[a-z][a-z0-9_-]{1,12}$/),
    mdev: fc.stringMatching(/^[a-zA-Z0-9_-]{1,12}$/),
    pcie: fc.boolean(),
    rombar: fc.boolean(),
    romfile: fc.stringMatching(/^[a-z0-9.]{1,12}$/),
    'x-vga': fc.boolean(),
    'legacy-igd': fc.boolean(),
    'vendor-id': guestId,
    'device-id': guestId,
    'sub-vendor-id': guestId,
    'sub-device-id': guestId,
    driver: fc.constantFrom('vfio', 'keep'),
  },
  { requiredKeys: [] },
);

describe('codecs', () => {
  it('hostpci: parse ∘ print is the identity, and print is canonical', () => {
    fc.assert(
      fc.property(device, (value) => {
        const printed = printHostPci(value);
        const parsed = tryParseHostPci(printed);
        expect(parsed).toEqual({ ok: true, value });
        expect(parsed.ok && printHostPci(parsed.value)).toBe(printed);
      }),
      runs,
    );
  });

  it('hostpci: any text is read or refused, never more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (written) => {
        const result = tryParseHostPci(written);
        expect(result.ok ? typeof result.value : result.problem.text.length > 0).toBeTruthy();
      }),
      runs,
    );
  });

  it('property strings: parse ∘ print is the identity for any keys', () => {
    const format: PropertyFormat = { defaultKey: 'first', keys: { first: /^.+$/s }, open: true };
    const key = fc.stringMatching(/^[a-z][a-z-]{0,8}$/);
    const value = fc.stringMatching(/^[ -+\--~]{1,10}$/);
    const bare = fc.stringMatching(/^[a-z0-9:.;/ ]*[a-z0-9][a-z0-9:.;/ ]*$/);
    fc.assert(
      fc.property(fc.dictionary(key, value), fc.option(bare, { nil: undefined }), (rest, first) => {
        const values = { ...rest, ...(first === undefined ? {} : { first }) };
        fc.pre(rest.first === undefined);
        expect(parseProperties(format, printProperties(format, values))).toEqual(values);
      }),
      runs,
    );
  });

  it('VM configurations: parse ∘ print is the identity, print ∘ parse too', () => {
    const key = fc
      .stringMatching(/^[a-z][a-z_-]{0,8}[0-9]?$/)
      .filter((name) => name !== 'description' && name !== 'delete');
    const value = fc.stringMatching(/^[!-~]([ -~]{0,18}[!-~])?$/);
    const options = fc.dictionary(key, value, { maxKeys: 6 });
    const description = fc.option(
      fc.string({ unit: 'grapheme', maxLength: 40 }).map((line) => line.replace(/\r/g, '')),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        options,
        description,
        fc.option(options, { nil: undefined }),
        options,
        (running, about, pending, snapshot) => {
          const config = {
            options: about === undefined ? running : { ...running, description: about },
            ...(pending ? { pending: { options: pending, delete: [{ option: 'vga', force: true }] } } : {}),
            snapshots: { snap: snapshot },
          };
          const printed = printVmConfig(config);
          expect(parseVmConfig(printed)).toEqual(config);
          expect(printVmConfig(parseVmConfig(printed))).toBe(printed);
        },
      ),
      runs,
    );
  });
});

const passthrough = fc.record(
  {
    mode: fc.constant('passthrough' as const),
    device: fc.constantFrom(
      { id: '10de:2684' },
      { id: '1002:740f' },
      { id: '10de:1d01:1462:8c98' },
      { id: '10DE:2330' },
    ),
    companions: fc.constantFrom('include' as const, 'exclude' as const),
  },
  { requiredKeys: ['mode', 'device'] },
);
const vgpu = fc.record(
  {
    mode: fc.constant('vgpu' as const),
    profile: fc.constantFrom('A10-4Q', 'NVIDIA A10-24Q', 'T4-1Q', 'nvidia-230'),
    count: fc.integer({ min: 1, max: 2 }),
    display: fc.boolean(),
  },
  { requiredKeys: ['mode', 'profile'] },
);
const gpus: fc.Arbitrary<readonly GpuRequest[]> = fc
  .uniqueArray(fc.oneof(passthrough, vgpu), {
    maxLength: 4,
    selector: (gpu) => (gpu.mode === 'passthrough' ? gpu.device.id.toLowerCase() : gpu.profile),
  })
  .map((list) => list.map((gpu, index) => ({ ...gpu, name: `g${index}` }) as GpuRequest));

const intents: fc.Arbitrary<GpuVm> = fc
  .record(
    {
      guestOs: fc.constantFrom('linux' as const, 'windows' as const),
      cpu: fc.record(
        {
          cores: fc.integer({ min: 1, max: 64 }),
          sockets: fc.integer({ min: 1, max: 4 }),
          threads: fc.integer({ min: 1, max: 2 }),
          model: fc.constantFrom('host', 'x86-64-v3', 'host-model'),
          dedicated: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      memory: fc.integer({ min: 512, max: 1 << 20 }).map((mib) => `${mib}MiB`),
      hugepages: fc.constantFrom('2MiB', '1GiB', '4KiB'),
      machine: fc.constantFrom('q35', 'pc', 'pc-q35-9.2+pve1', 'pc-q35-rhel9.6.0'),
      firmware: fc.record(
        {
          type: fc.constantFrom('uefi' as const, 'bios' as const),
          secureBoot: fc.boolean(),
          tpm: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      numa: fc.record(
        { gpuAffinity: fc.constantFrom('none' as const, 'preferred' as const, 'required' as const) },
        { requiredKeys: [] },
      ),
      hideHypervisor: fc.boolean(),
      disks: fc
        .integer({ min: 1, max: 3 })
        .map((n) => Array.from({ length: n }, (_, i) => ({ name: `disk${i}`, size: `${10 + i}GiB` }))),
      networks: fc.constantFrom([{ name: 'vmbr0' }], [{ name: 'vmbr0' }, { name: 'vmbr12' }]),
      userData: fc.constant('#cloud-config\n'),
      gpus,
    },
    { requiredKeys: [] },
  )
  .map((spec) => vm(spec));

const host = cluster();
const stateOf = (made: Plan) => made.steps.find(({ kind }) => kind === 'proxmox.vm')?.after as VmStepState;
const create = (intent: GpuVm) => {
  const made = plan(intent, host);
  const state = stateOf(made);
  const mappings = made.steps
    .filter(({ kind }) => kind === 'proxmox.mapping')
    .map(({ after }) => after as PciMapping);
  return { made, state, after: cluster({ mappings }) };
};

describe('thousands of intents', () => {
  it('read(plan(x)) is x, but for what a diagnostic declares', () => {
    fc.assert(
      fc.property(intents, (intent) => {
        const { made, state, after } = create(intent);
        const read = toIntent({ config: state.options, node: 'pve1' }, after).intent;
        const declared = new Set(made.diagnostics.map(({ path }) => path));
        expect(neutral(read, intent, declared)).toEqual(neutral(intent, intent, declared));
      }),
      { numRuns: 800 },
    );
  });

  it('a VM read back and planned anew is the same VM', () => {
    fc.assert(
      fc.property(intents, (intent) => {
        const { state, after } = create(intent);
        const again = plan(toIntent({ config: state.options, node: 'pve1' }, after).intent, after);
        expect(stateOf(again).options).toEqual(
          Object.fromEntries(
            Object.entries(state.options).map(([key, value]) => [key, requestForm(key, value)]),
          ),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('a second run changes nothing, and foreign devices stay', () => {
    fc.assert(
      fc.property(intents, (intent) => {
        const { state, after } = create(intent);
        const config = { ...state.options, hostpci15: '0000:30:00.0' };
        const second = plan(intent, {
          ...after,
          vms: [{ vmid: 100, node: 'pve1', name: 'train-1', config }],
        });
        const next = stateOf(second);
        expect(next.delete).toEqual([]);
        for (const [key, value] of Object.entries(next.options))
          expect([key, value]).toEqual([key, state.options[key]]);
        expect(second.steps.some(({ kind }) => kind === 'proxmox.mapping')).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('plans are frozen and the same bytes each time, and their files have nothing to complain of', () => {
    fc.assert(
      fc.property(intents, (intent) => {
        const { made } = create(intent);
        expect(JSON.stringify(plan(structuredClone(intent), structuredClone(host)))).toBe(
          JSON.stringify(made),
        );
        expect(Object.isFrozen(made) && made.steps.every((step) => Object.isFrozen(step.after))).toBe(true);
        expect(lintRules(made)).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('any VM that Proxmox VE can store is read, and its devices come back', () => {
    const devices = fc.array(device, { maxLength: 4 }).map((list) => list.map(printHostPci).filter(Boolean));
    fc.assert(
      fc.property(devices, fc.constantFrom('q35', 'pc'), (values, machine) => {
        const config = { machine, ...Object.fromEntries(values.map((value, n) => [`hostpci${n}`, value])) };
        const { intent } = toIntent({ config, node: 'pve1' }, host);
        const { options } = stateOf(plan(intent, host));
        for (const [key, value] of Object.entries(config)) {
          expect(canonicalOption(key, options[key] ?? '')).toBe(canonicalOption(key, value));
        }
      }),
      { numRuns: 300 },
    );
  });

  it.skipIf(!available)('every parameter fits the API schema', () => {
    const schema = JSON.parse(text('pve-9.2.6-vm-gpu-schema.json')) as Schema;
    const older = rulesOf(JSON.parse(text('pve-9.1-apidata.json')) as ApiNode[], '/nodes/{node}/qemu');
    const vmRules = schema.methods['PVE::API2::Qemu:create_vm']?.parameters.properties ?? {};
    const mappingRules =
      schema.methods['PVE::API2::Cluster::Mapping::PCI:create']?.parameters.properties ?? {};
    fc.assert(
      fc.property(intents, (intent) => {
        const { made, state } = create(intent);
        const parameters = { ...state.options, node: 'pve1', vmid: 100 };
        expect(refusedParameters(parameters, vmRules, schema.formats)).toEqual([]);
        expect(refusedParameters(parameters, older, schema.formats)).toEqual([]);
        for (const { kind, after } of made.steps) {
          if (kind !== 'proxmox.mapping') continue;
          const { mdev, ...mapping } = after as PciMapping;
          expect(
            refusedParameters({ ...mapping, ...(mdev ? { mdev: 1 } : {}) }, mappingRules, schema.formats),
          ).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });
});

interface Schema {
  readonly formats: Readonly<Record<string, Rules>>;
  readonly methods: Readonly<Record<string, { parameters: { properties: Rules } }>>;
}
interface ApiNode {
  readonly path?: string;
  readonly children?: readonly ApiNode[];
  readonly info?: { readonly POST?: { readonly parameters: { readonly properties: Rules } } };
}

function rulesOf(nodes: readonly ApiNode[], path: string): Rules {
  for (const node of nodes) {
    if (node.path === path) return node.info?.POST?.parameters.properties ?? {};
    const below = rulesOf(node.children ?? [], path);
    if (Object.keys(below).length > 0) return below;
  }
  return {};
}

/** Rules that a plan's own choices may break are those that the intent asked for: an old CPU type with UEFI. */
function lintRules(made: ReturnType<typeof plan>): readonly string[] {
  const files = render(made).flatMap(({ path, content }) =>
    content.format === 'text' ? [{ path, text: content.text }] : [],
  );
  return files
    .flatMap((file) =>
      proxmoxLinters
        .filter((linter) => linter.recognises(file))
        .flatMap((linter) => linter.lint(file).map(({ rule }) => rule)),
    )
    .filter((rule) => rule !== 'proxmox.cpu-address-bits');
}

/** What a platform keeps of an intent: names and spellings apart, and without what `declared` excuses. */
function neutral(intent: GpuVm, original: GpuVm, declared: ReadonlySet<string>) {
  const { spec } = intent;
  const said = original.spec;
  const says = (path: string) =>
    ![...declared].some((other) => other === path || path.startsWith(`${other}.`));
  const expand = (spec.gpus ?? []).flatMap((gpu) => Array.from({ length: gpu.count ?? 1 }, () => gpu));
  const wanted = (said.gpus ?? []).flatMap((gpu, index) =>
    Array.from({ length: gpu.count ?? 1 }, () => ({ gpu, index })),
  );
  return {
    guestOs: spec.guestOs,
    memory: spec.memory === undefined ? undefined : toMiB(parseBytes(spec.memory)),
    hugepages: spec.hugepages === '4KiB' ? undefined : spec.hugepages,
    machine: says('spec.machine') ? spec.machine : undefined,
    cores: says('spec.cpu.cores') ? spec.cpu?.cores : undefined,
    sockets: spec.cpu?.sockets,
    model: says('spec.cpu.model') ? spec.cpu?.model : undefined,
    firmware: {
      type: spec.firmware?.type,
      secureBoot:
        says('spec.firmware.secureBoot') && said.firmware?.type === 'uefi'
          ? spec.firmware?.secureBoot
          : undefined,
      tpm: spec.firmware?.tpm || undefined,
    },
    numa:
      says('spec.numa.gpuAffinity') && spec.numa?.gpuAffinity !== 'none' ? spec.numa?.gpuAffinity : undefined,
    hidden: spec.hideHypervisor,
    disks: spec.disks?.map(({ size }) => size),
    // Left to Proxmox VE, a VM gets none.
    networks: spec.networks ?? [],
    gpus: expand.map((gpu, position) => {
      const { index = 0, gpu: asked } = wanted[position] ?? {};
      if (gpu.mode === 'vgpu')
        return {
          mode: gpu.mode,
          profile:
            { 'nvidia-230': 'T4-1Q' }[gpu.profile] ?? tryParseVgpuProfile(gpu.profile)?.short ?? gpu.profile,
        };
      const id = (gpu.device.id ?? '').toLowerCase() as PciId;
      const askedId = (asked?.mode === 'passthrough' ? (asked.device.id ?? '') : '').toLowerCase() as PciId;
      // A card of one function has no companions to speak of.
      const single = /^(1002:740f|10de:2330)/.test(id);
      return {
        mode: gpu.mode,
        id: matchesPciId(id, askedId) || matchesPciId(askedId, id),
        companions: single || !says(`spec.gpus[${index}].companions`) ? undefined : gpu.companions,
      };
    }),
  };
}
