import { type Diagnostic, type GpuVm, parseGpuVm } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { sharedJson } from '../../core/test/shared-data.ts';
import { kubevirtLinters } from '../src/lint/index.ts';
import { admitVm, renderLauncherDevices } from '../src/translate/admission.ts';
import { kubevirtTranslator as translator } from '../src/translate/index.ts';
import { type Manifest, objectAt, withoutNulls } from '../src/translate/manifest.ts';
import { mergeKubeVirt } from '../src/translate/merge.ts';
import { type OfflineOptions, offlineSnapshot } from '../src/translate/snapshot.ts';
import { sayableIntent } from './arbitraries.ts';
import { crdProblems } from './crd.ts';
import { smallCatalog as catalog, stepOf, vmOf } from './support.ts';

const worlds: readonly OfflineOptions[] = [
  {},
  { version: 'v1.3.0', distribution: 'virtnest' },
  { version: 'v1.7.2', provider: 'kubevirt-builtin' },
  { distribution: 'openshift' },
  { distribution: 'harvester' },
];
const world = fc.constantFrom(...worlds).map(offlineSnapshot);
const isVgpu = (intent: GpuVm) => intent.spec.gpus?.some(({ mode }) => mode === 'vgpu') ?? false;
const blocking = (diagnostics: readonly Diagnostic[]) => diagnostics.filter(({ kind }) => kind === 'blocked');

describe('reading what was planned', () => {
  it('gives the intent again, and planning that gives the same VM', () => {
    fc.assert(
      fc.property(sayableIntent, world, (intent, snapshot) => {
        const plan = translator.plan(intent, snapshot, { catalog });
        const vm = vmOf(plan);
        const config = stepOf(plan, 'config')?.after as Manifest | undefined;
        const after = {
          ...snapshot,
          ...(config?.kind === 'HyperConverged'
            ? { hco: config }
            : config === undefined
              ? {}
              : { crs: [config] }),
        };
        const reading = translator.toIntent(
          vm,
          snapshot.provider === 'harvester' ? namesOnly(snapshot, vm, intent) : after,
        );
        const { providerOptions, ...spec } = reading.intent.spec;
        expect({ ...reading.intent, spec }).toEqual(intent);
        expect(providerOptions?.kubevirt).not.toHaveProperty('patch');
        expect(parseGpuVm(structuredClone(reading.intent))).toEqual(reading.intent);
        expect(vmOf(translator.plan(reading.intent, snapshot))).toEqual(vm);
      }),
      { numRuns: 1000 },
    );
  });

  /** Harvester writes its own allow-list; here it is made of what was asked for. */
  function namesOnly(snapshot: ReturnType<typeof offlineSnapshot>, vm: Manifest, intent: GpuVm) {
    const upstream = offlineSnapshot({ version: snapshot.version });
    const config = stepOf(translator.plan(intent, upstream, { catalog }), 'config')?.after as
      | Manifest
      | undefined;
    return { ...snapshot, ...(config === undefined ? {} : { crs: [config] }), virtualMachines: [vm] };
  }
});

describe('what is planned', () => {
  it('fits the CRDs, is admitted, and has nothing to lint', () => {
    let compared = 0;
    fc.assert(
      fc.property(sayableIntent, world, fc.boolean(), (intent, snapshot, instance) => {
        const kind = instance ? 'VirtualMachineInstance' : 'VirtualMachine';
        const wish = {
          ...intent,
          spec: { ...intent.spec, providerOptions: { kubevirt: { kind, nodes: ['n1'] } } },
        };
        const plan = translator.plan(wish, snapshot, { catalog });
        const vm = vmOf(plan);
        const config = stepOf(plan, 'config')?.after as Manifest | undefined;
        expect(crdProblems(kind, vm) ?? []).toEqual([]);
        if (config?.kind === 'KubeVirt') {
          const merged = mergeKubeVirt({ spec: {} }, config);
          expect(crdProblems('KubeVirt', merged) ?? []).toEqual([]);
          const configuration = objectAt(merged, 'spec', 'configuration');
          expect(renderLauncherDevices(vm, configuration).error).toBeUndefined();
        }
        if (intent.spec.machine !== 'virt' && blocking(plan.diagnostics).length === 0) {
          expect(admitVm(vm).causes).toEqual([]);
          compared += 1;
        }
        const files = translator.render(plan).map(({ path, content }) => ({
          path,
          text:
            content.format === 'yaml'
              ? content.documents.map((document) => stringify(document)).join('---\n')
              : content.format === 'text'
                ? content.text
                : '',
        }));
        const found = files.flatMap((file) =>
          kubevirtLinters
            .filter((linter) => linter.recognises(file))
            .flatMap((linter) => linter.lint(file, { version: snapshot.version, files })),
        );
        expect(found).toEqual([]);
      }),
      { numRuns: 150 },
    );
    expect(compared).toBeGreaterThan(50);
  });

  it('is frozen, and the same bytes for the same input', () => {
    fc.assert(
      fc.property(sayableIntent, world, (intent, snapshot) => {
        const first = translator.plan(intent, snapshot, { catalog });
        expect(JSON.stringify(translator.plan(structuredClone(intent), snapshot, { catalog }))).toBe(
          JSON.stringify(first),
        );
        expect(JSON.parse(JSON.stringify(first))).toEqual(first);
        expect(isFrozen(first)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('names every mix that one node cannot serve', () => {
    fc.assert(
      fc.property(sayableIntent.filter(isVgpu), (intent) => {
        const plan = translator.plan(intent, offlineSnapshot(), { catalog });
        const mixed = intent.spec.gpus?.some(({ mode }) => mode === 'passthrough') ?? false;
        expect(plan.diagnostics.some(({ code }) => code === 'kubevirt.mixed-modes')).toBe(mixed);
      }),
      { numRuns: 100 },
    );
  });
});

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.isFrozen(value) && Object.values(value).every(isFrozen);
}

const golden = sharedJson<{ id: string; object: Manifest }[]>('kubevirt/golden/cases.json');
const native = (golden ?? []).filter(
  ({ object }) =>
    object.kind?.startsWith('VirtualMachine') && objectAt(object, 'spec').template !== undefined,
);

describe.skipIf(golden === undefined)('VMs of others', () => {
  it.each(native.map(({ id, object }) => [id, object] as const))(
    '%s: read and planned back is the same VM',
    (id, object) => {
      const { intent, diagnostics } = translator.toIntent(object, offlineSnapshot());
      expect(parseGpuVm(structuredClone(intent))).toEqual(intent);
      const again = vmOf(translator.plan(intent, offlineSnapshot()));
      const repaired = diagnostics.some(({ kind }) => kind === 'repaired');
      if (!repaired) expect(again).toEqual(withoutNulls(object));
      else expect(id).toMatch(/toplevel|under-domain|outside-domain|space/);
    },
  );
});
