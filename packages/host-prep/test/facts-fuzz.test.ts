import { describe, expect, it } from 'vitest';
import { parseCapture } from '../src/capture/index.ts';
import { mutate, parsers, randomNumbers, untypedThrow } from './capture-mutate.ts';
import { exampleCapture, exampleNames } from './capture-samples.ts';

const captures = exampleNames.map(exampleCapture);
const sections = captures.flatMap((text) => parseCapture(text).sections.map((section) => section.text));
const samples = [...captures, ...sections.filter((text) => text.length > 20)];

describe('every parser', () => {
  it.each(Object.entries(parsers))('%s answers or refuses in words, whatever it is given', (_, parse) => {
    const random = randomNumbers(20261121);
    for (let round = 0; round < 120; round += 1) {
      const sample = samples[Math.floor(random() * samples.length)] ?? '';
      expect(untypedThrow(parse, mutate(sample.slice(0, 8000), random))).toBeUndefined();
    }
  });

  // Each line is one that a careless pattern would take quadratic or exponential time for.
  it.each([
    ['blanks', ' '.repeat(40_000)],
    ['blank lines', '\n'.repeat(40_000)],
    ['brackets', '['.repeat(40_000)],
    ['quotes', '"'.repeat(40_001)],
    ['backslashes', 'options a \\\n'.repeat(10_000)],
    ['comments without end', '<!--'.repeat(10_000)],
    ['open tags', '<a '.repeat(10_000)],
    ['nested tags', '<a>'.repeat(10_000)],
    ['a class without id', `01:00.0 ${'a [0302'.repeat(20_000)}`],
    ['expansions', `GRUB_CMDLINE_LINUX="${'$('.repeat(30_000)}`],
    ['open quotes', 'GRUB_CMDLINE_LINUX="a\n'.repeat(5_000)],
    ['IOMMU groups', `IOMMU group ${'1 '.repeat(20_000)}`],
    ['colons', `${'a:'.repeat(20_000)}\n`],
    ['list marks', '- '.repeat(20_000)],
  ])(
    'takes no longer than its text for %s',
    (_, text) => {
      for (const parse of Object.values(parsers)) expect(untypedThrow(parse, text)).toBeUndefined();
    },
    10_000,
  );
});
