import fc from 'fast-check';
import { expect, it } from 'vitest';
import { withoutNulls } from '../src/translate/manifest.ts';
import { applyPatch, diff } from '../src/translate/patch.ts';

const named = fc.array(
  fc.record(
    {
      name: fc.constantFrom('a', 'b', 'c', 'd'),
      value: fc.option(fc.integer({ max: 3, min: 0 }), { nil: undefined }),
    },
    { requiredKeys: ['name'] },
  ),
  { maxLength: 4 },
);
const templates = fc.array(
  fc.record({
    metadata: fc.record({ name: fc.constantFrom('x', 'y'), tag: fc.integer({ min: 0, max: 2 }) }),
  }),
  { maxLength: 3 },
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(
    fc.constantFrom('p', 'q', 'r', 's'),
    fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.integer({ min: 0, max: 3 }),
      named,
      templates,
      fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
      tie('tree'),
    ),
    { maxKeys: 4 },
  ),
}));

it('the difference of two objects makes the one of the other', () => {
  fc.assert(
    fc.property(tree, tree, (left, right) => {
      const [base, target] = [withoutNulls(left), withoutNulls(right)];
      const patch = diff(base, target);
      expect(patch === undefined ? base : applyPatch(base, patch)).toEqual(target);
    }),
    { numRuns: 2000 },
  );
});

it('equal objects have no difference', () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(diff(value, structuredClone(value))).toBeUndefined();
    }),
  );
});

it('a patch leaves what it does not speak of', () => {
  const base = {
    gpus: [
      { name: 'a', deviceName: 'x/1' },
      { name: 'b', deviceName: 'x/2' },
    ],
    keep: [1, 2],
  };
  expect(
    applyPatch(base, {
      gpus: [
        { name: 'b', tag: 't' },
        { name: 'a', $patch: 'delete' },
      ],
    }),
  ).toEqual({
    gpus: [{ name: 'b', deviceName: 'x/2', tag: 't' }],
    keep: [1, 2],
  });
});
