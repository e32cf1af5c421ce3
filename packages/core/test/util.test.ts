import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyEdits,
  deepFreeze,
  nearest,
  positionAt,
  sameJson,
  stableJson,
  type TextEdit,
} from '../src/index.ts';

describe('nearest', () => {
  it('finds what was probably meant, the best first', () => {
    expect(nearest('A10-25Q', ['A10-24Q', 'A40-24Q', 'T4-1Q'])).toEqual(['A10-24Q', 'A40-24Q']);
    expect(nearest('kubvirt', ['kubevirt', 'openstack', 'proxmox'])).toEqual(['kubevirt']);
    expect(nearest('NVIDIA a10', ['NVIDIA A10', 'NVIDIA A100', 'NVIDIA A2'], 1)).toEqual(['NVIDIA A10']);
    expect(nearest('b', ['c', 'a', 'b'])).toEqual(['b']);
  });

  it('offers nothing that has little in common', () => {
    expect(nearest('proxmox', ['kubevirt', 'openstack'])).toEqual([]);
    expect(nearest('T5', ['A2', 'L2', 'T4'])).toEqual(['T4']);
    expect(nearest('', ['a', 'ab'])).toEqual([]);
  });

  it('lists a name once and does not depend on the order of the names', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.array(fc.string({ maxLength: 8 })), (wanted, known) => {
        const found = nearest(wanted, known, 5);
        expect(new Set(found).size).toBe(found.length);
        expect(nearest(wanted, [...known].reverse(), 5)).toEqual(found);
        for (const name of found) expect(known).toContain(name);
      }),
    );
  });

  it('always finds the name itself first', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 12 }),
        fc.array(fc.string({ maxLength: 12 })),
        (name, others) => {
          expect(nearest(name, [...others, name], 99).map((found) => found.toLowerCase())[0]).toBe(
            name.toLowerCase(),
          );
        },
      ),
    );
  });
});

describe('stableJson', () => {
  const shuffled = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(shuffled)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, item]) => [key, shuffled(item)]),
          )
        : value;

  it('gives equal bytes for equal values, and keeps the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(stableJson(shuffled(value))).toBe(stableJson(value));
        expect(JSON.parse(stableJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
        expect(sameJson(value, shuffled(value))).toBe(true);
      }),
    );
  });

  it('sorts keys, keeps lists in order and leaves undefined out', () => {
    expect(stableJson({ b: [3, 1, { d: 1, c: 2 }], a: undefined, A: null })).toBe(
      '{"A":null,"b":[3,1,{"c":2,"d":1}]}',
    );
    expect(stableJson({ a: { b: 1 } }, 2)).toBe('{\n  "a": {\n    "b": 1\n  }\n}');
    expect(sameJson({ a: 1, b: undefined }, { a: 1 })).toBe(true);
    expect(sameJson({ a: 1 }, { a: 2 })).toBe(false);
    expect(sameJson({ a: null }, {})).toBe(false);
    expect(sameJson([1, 2], [2, 1])).toBe(false);
    expect(stableJson(JSON.parse('{"__proto__": 1}'))).toBe('{"__proto__":1}');
  });
});

describe('deepFreeze', () => {
  it('freezes everything, also below what is frozen already', () => {
    const inner = { list: [{ a: 1 }] };
    const value = deepFreeze(Object.freeze({ inner }));
    for (const part of [value, inner, inner.list, inner.list[0]]) expect(Object.isFrozen(part)).toBe(true);
    expect(deepFreeze(7)).toBe(7);
    expect(deepFreeze(null)).toBe(null);
  });

  it('ends on a cycle', () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    expect(Object.isFrozen(deepFreeze(value))).toBe(true);
  });
});

describe('applyEdits', () => {
  it('replaces, inserts and removes by offsets into the original text', () => {
    const edits: TextEdit[] = [
      { start: 8, end: 8, text: '!' },
      { start: 0, end: 1, text: 'A' },
      { start: 3, end: 5, text: '' },
    ];
    expect(applyEdits('abcdefgh', edits)).toBe('Abcfgh!');
    expect(applyEdits('abc', [])).toBe('abc');
  });

  it('leaves out an edit that overlaps an earlier one', () => {
    expect(
      applyEdits('abcdef', [
        { start: 1, end: 4, text: 'X' },
        { start: 3, end: 5, text: 'Y' },
      ]),
    ).toBe('aXef');
  });

  it('agrees with cutting the text into pieces', () => {
    const gap = fc.string({ maxLength: 5 });
    const piece = fc.record({ keep: gap, drop: gap, put: gap });
    fc.assert(
      fc.property(fc.array(piece), gap, (pieces, tail) => {
        const edits: TextEdit[] = [];
        let text = '';
        for (const { keep, drop, put } of pieces) {
          text += `${keep}|`;
          edits.push({ start: text.length, end: text.length + drop.length, text: put });
          text += drop;
        }
        const expected = pieces.map(({ keep, put }) => `${keep}|${put}`).join('') + tail;
        expect(applyEdits(text + tail, [...edits].reverse())).toBe(expected);
      }),
    );
  });
});

describe('positionAt', () => {
  it.each([
    [0, 1, 1],
    [2, 1, 3],
    [3, 2, 1],
    [4, 3, 1],
    [5, 3, 2],
  ])('offset %i is line %i, column %i', (offset, line, column) => {
    expect(positionAt('ab\n\ncd', offset)).toEqual({ line, column });
  });
});
