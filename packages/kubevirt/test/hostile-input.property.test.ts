import { isVmgpuError } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kubevirtLinters } from '../src/lint/index.ts';
import { admitKubeVirt, admitVm, renderLauncherDevices } from '../src/translate/admission.ts';
import { offlineSnapshot, repairManifest, kubevirtTranslator as translator } from '../src/translate/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import { vmOf } from './support.ts';

const key = fc.constantFrom(
  'spec',
  'template',
  'domain',
  'devices',
  'gpus',
  'hostDevices',
  'name',
  'deviceName',
  'volumes',
  'cloudInitNoCloud',
  'metadata',
  'labels',
  'cpu',
  'networks',
  'configuration',
  'permittedHostDevices',
  'pciHostDevices',
  'resourceName',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 0, -1, '', 'a b', 'nvidia.com/GA102GL_A10', '64Gi', '10DE:2236'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
  ),
}));
const kinds = fc.constantFrom(
  'VirtualMachine',
  'VirtualMachineInstance',
  'KubeVirt',
  'HyperConverged',
  'Pod',
);
const manifest = fc
  .record({ kind: kinds, spec: tree, extra: fc.dictionary(key, tree, { maxKeys: 2 }) })
  .map(({ kind, spec, extra }) => ({ apiVersion: 'kubevirt.io/v1', kind, spec, ...extra }) as Manifest);

describe('whatever comes in', () => {
  it('is read, or refused with an error of ours', () => {
    fc.assert(
      fc.property(manifest, (value) => {
        try {
          const { intent } = translator.toIntent(value);
          const plan = translator.plan(intent, offlineSnapshot());
          expect(vmOf(plan).kind).toBe(value.kind);
        } catch (error) {
          if (!isVmgpuError(error)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is admitted or not, repaired, and linted without a throw', () => {
    const [linter] = kubevirtLinters;
    fc.assert(
      fc.property(manifest, (value) => {
        expect(Array.isArray(admitVm(value).causes)).toBe(true);
        expect(Array.isArray(admitKubeVirt(value).causes)).toBe(true);
        expect(renderLauncherDevices(value)).toBeDefined();
        const again = repairManifest(repairManifest(value).manifest).diagnostics;
        expect(again.filter(({ kind }) => kind !== 'lossy')).toEqual([]);
        expect(Array.isArray(linter?.lint({ path: 'a.yaml', text: JSON.stringify(value, null, 2) }))).toBe(
          true,
        );
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    'a: *b\n',
    'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: &e [*d, *d]\nf: &f [*e, *e]\ng: [*f, *f, *f, *f]\n',
    '\t- : :\n',
    '---\n---\n...\n%YAML 9\n',
    `${'\n'.repeat(20_000)}kind: KubeVirt`,
  ])('text no. %#', (text) => {
    const [linter] = kubevirtLinters;
    for (const path of ['a.yaml', 'a.md']) expect(Array.isArray(linter?.lint({ path, text }))).toBe(true);
  });
});
