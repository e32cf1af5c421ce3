import { sameJson } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandVm } from '../src/translate/expand.ts';
import { kubevirtTranslator as translator } from '../src/translate/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import { offlineSnapshot } from '../src/translate/snapshot.ts';
import { instancetypeOf, preferenceOf, templateOf } from './instancetype-arbitraries.ts';
import { namingVm } from './instancetype-support.ts';
import { vmOf } from './support.ts';

const world = fc.record({ type: instancetypeOf, preference: preferenceOf, vmi: templateOf });

describe('an expansion', () => {
  it('is the same each time, changes nothing of what it reads, and is either whole or refused', () => {
    let refused = 0;
    fc.assert(
      fc.property(world, ({ type, preference, vmi }) => {
        const vm = namingVm(vmi);
        const before = structuredClone([vm, type, preference]);
        const first = expandVm(vm, [type, preference]);
        expect(expandVm(vm, [preference, type])).toEqual(first);
        expect([vm, type, preference]).toEqual(before);
        if (first === undefined || first.conflicts.length === 0) return;
        refused += 1;
        expect(first.template).toEqual((vm.spec as { template: unknown }).template);
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(20);
  });

  it('of what is expanded already adds nothing: the preferences are in it', () => {
    fc.assert(
      fc.property(world, ({ type, preference, vmi }) => {
        const once = expandVm(namingVm(vmi), [type, preference]);
        if (once === undefined || once.conflicts.length > 0) return;
        const vm = namingVm({}, { instancetype: undefined, template: once.template });
        expect(sameJson(expandVm(vm, [preference])?.template, once.template)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('of an instance type put on twice is refused: it always gives CPUs and memory', () => {
    fc.assert(
      fc.property(world, ({ type, preference, vmi }) => {
        const once = expandVm(namingVm(vmi), [type, preference]);
        if (once === undefined || once.conflicts.length > 0) return;
        const again = expandVm(namingVm({}, { template: once.template }), [type, preference]);
        expect(again?.conflicts.map(({ field }) => field)).toEqual(
          expect.arrayContaining([
            'spec.template.spec.domain.cpu.cores',
            'spec.template.spec.domain.memory.guest',
          ]),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('is read, and planned back gives the VM as it was', () => {
    fc.assert(
      fc.property(world, fc.subarray([0, 1]), ({ type, preference, vmi }, kept) => {
        const vm = namingVm(vmi);
        const beside = [type, preference].filter((_, index) => kept.includes(index));
        const { intent } = translator.toIntent({ kind: 'List', items: [vm, ...beside] }, offlineSnapshot());
        expect(vmOf(translator.plan(intent, offlineSnapshot()))).toEqual(vm as Manifest);
      }),
      { numRuns: 500 },
    );
  });
});
