import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VmgpuError } from '../src/index.ts';
import {
  anything,
  boolean,
  check,
  choice,
  dictionary,
  either,
  exactShape,
  integer,
  list,
  literal,
  nothing,
  number,
  optional,
  printPath,
  type Schema,
  shape,
  text,
} from '../src/schema/index.ts';

function refusal(schema: Schema<unknown>, value: unknown): string {
  try {
    check(schema, value, 'not a snapshot');
  } catch (error) {
    expect((error as VmgpuError).code).toBe('bad-input');
    return (error as VmgpuError).message.replace('not a snapshot\n  ', '');
  }
  throw new Error('was accepted');
}

describe('check', () => {
  const node = shape({ name: text(), cores: optional(integer()), tags: list(text()) });

  it('returns the value itself, further keys included', () => {
    const value = { name: 'pve1', tags: [], extra: { kept: true } };
    const checked: { name: string; tags: readonly string[]; cores?: number } = check(node, value, 'x');
    expect(checked).toBe(value);
  });

  it.each<[string, Schema<unknown>, unknown, string]>([
    ['text', text(), 7, '(document): expected a string, found 7'],
    ['a number', number(), '7', '(document): expected a number, found "7"'],
    ['a number that is none', number(), Number.NaN, '(document): expected a number, found NaN'],
    ['a whole number', integer(), 1.5, '(document): expected a whole number, found 1.5'],
    ['a truth value', boolean(), 'no', '(document): expected a boolean, found "no"'],
    ['nothing', nothing(), 0, '(document): expected a null, found 0'],
    ['one value', literal('v1'), 'v2', '(document): expected "v1", found "v2"'],
    ['one of several', choice('a', 'b'), 'c', '(document): expected "a" or "b", found "c"'],
    ['a list', list(text()), { 0: 'a' }, '(document): expected a list, found an object'],
    ['an item', list(text()), ['a', 7], '[1]: expected a string, found 7'],
    ['a dictionary', dictionary(number()), [], '(document): expected an object, found a list'],
    ['a value in it', dictionary(number()), { a: 'x' }, 'a: expected a number, found "x"'],
    ['a missing field', node, { tags: [] }, 'name: expected a string, found nothing'],
    [
      'a null for an optional field',
      node,
      { name: 'a', tags: [], cores: null },
      'cores: expected a number, found null',
    ],
    [
      'a deep field',
      shape({ nodes: list(node) }),
      { nodes: [{ name: 'a', tags: [null] }] },
      'nodes[0].tags[0]: expected a string, found null',
    ],
    ['a further key', exactShape({ a: text() }), { a: 'x', b: 1, c: 2 }, '(document): unknown keys "b", "c"'],
    ['a document that is missing', node, undefined, '(document): expected an object'],
    ['either of two', either(text(), list(text())), 7, '(document): expected a string, found 7'],
  ])('names the place, what was found and what was expected: %s', (_, schema, value, message) => {
    expect(refusal(schema, value)).toContain(message);
  });

  it('accepts what fits', () => {
    expect(check(either(text(), nothing()), null, 'x')).toBeNull();
    expect(check(anything(), undefined, 'x')).toBeUndefined();
    expect(check(dictionary(list(integer())), { a: [1], b: [] }, 'x')).toEqual({ a: [1], b: [] });
    expect(check(node, { name: 'a', tags: ['b'], cores: undefined }, 'x')).toEqual({
      name: 'a',
      tags: ['b'],
    });
  });

  it('adds file, line and column when the place is known', () => {
    const locate = () => ({ file: 'snapshot.json', line: 3, column: 7 });
    expect(() => check(node, {}, 'not a snapshot', locate)).toThrow(
      'snapshot.json:3:7: name: expected a string',
    );
  });

  it('shortens what it found and shows no secret', () => {
    expect(refusal(integer(), 'y'.repeat(5000)).length).toBeLessThan(200);
    expect(refusal(integer(), 'password=c4n4ry')).not.toContain('c4n4ry');
    const token = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2lnbmF0dXJl';
    expect(refusal(integer(), `${'x'.repeat(50)} ${token}`)).not.toContain('eyJ');
  });

  it('answers any document with the document or with bad-input', () => {
    const schema = shape({
      nodes: list(node),
      mode: either(literal('a'), shape({ deep: dictionary(number()) })),
    });
    fc.assert(
      fc.property(fc.anything(), (value) => {
        try {
          expect(check(schema, value, 'x')).toBe(value);
        } catch (error) {
          expect(error).toBeInstanceOf(VmgpuError);
        }
      }),
    );
  });
});

describe('printPath', () => {
  it.each([
    [[], ''],
    [['spec'], 'spec'],
    [['spec', 'gpus', 0, 'device'], 'spec.gpus[0].device'],
    [[3, 'a'], '[3].a'],
  ] as const)('%j', (path, printed) => {
    expect(printPath(path)).toBe(printed);
  });
});
