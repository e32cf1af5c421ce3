import { describe, expect, it } from 'vitest';
import {
  osloOptions,
  osloValues,
  parseOslo,
  printOsloOption,
  printOsloSections,
} from '../src/translate/oslo-config.ts';

/** Values of `[pci] alias`, as oslo.config 10.7.0 gives them before it interpolates. */
describe('the dialect of oslo.config', () => {
  it.each<[string, readonly string[]]>([
    ['alias = a\nalias: b\n', ['a', 'b']],
    ['alias=a=b:c\n', ['a=b:c']],
    ['alias:a=b\n', ['a=b']],
    ['alias = "q"\n', ['q']],
    ["alias = 'x y'\n", ['x y']],
    ['alias = "a" b"\n', ['a" b']],
    ['alias = "\n', ['']],
    ['alias =\n', ['']],
    ['alias = {"a": 1,\n  "b": 2}\n', ['{"a": 1,\n"b": 2}']],
    ['alias = "a"\n  b\n', ['a\nb']],
    ['alias = x # y\n', ['x # y']],
    ['alias = x\n  alias = z\n', ['x\nalias = z']],
    ['alias = a\n# alias = b\n; alias = c\n\nalias = d\r\n', ['a', 'd']],
  ])('reads %j', (text, values) => {
    const document = parseOslo(`[pci]\n${text}`);
    expect(osloOptions(document).map(({ value }) => value)).toEqual(values);
    expect(document.entries.some(({ kind }) => kind === 'invalid')).toBe(false);
  });

  it.each(['[pci] # c', '[]', 'a line', '  indented', '= x', ': x'])('refuses %j', (line) => {
    expect(parseOslo(`${line}\n`).entries[0]?.kind).toBe('invalid');
  });

  it('takes sections in any case, but blanks in their names seriously', () => {
    const document = parseOslo('[PCI]\nalias = a\n[ pci ]\nalias = b\n[pci]\nalias = $$c\n');
    expect(osloValues(document, 'pci', 'alias')).toEqual(['a', '$c']);
  });

  it('prints values that read back', () => {
    expect(printOsloOption('alias', '{"bus": "41$"}')).toBe('alias = {"bus": "41$$"}\n');
    for (const value of ['"', '"x"', "'", ' x ', '', '$']) {
      expect(osloValues(parseOslo(`[pci]\n${printOsloOption('alias', value)}`), 'pci', 'alias')).toEqual([
        value,
      ]);
    }
    expect(printOsloSections([{ section: 'pci', options: [{ key: 'alias', values: ['a', 'b'] }] }])).toBe(
      '[pci]\nalias = a\nalias = b\n',
    );
  });

  it('takes long texts', () => {
    const text = `[pci]\nalias = ${'x'.repeat(100_000)}\n${'  more\n'.repeat(100_000)}`;
    expect(osloOptions(parseOslo(text))).toHaveLength(1);
  });
});
