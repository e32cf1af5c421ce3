import { type PlatformName, platformNames } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { intentsOn, migrate, roundTrip } from './migration-worlds.ts';

const pairs = platformNames.flatMap((from) =>
  platformNames.filter((to) => to !== from).map((to): [PlatformName, PlatformName] => [from, to]),
);
const runs = { numRuns: 200 };

describe.each(platformNames)('%s', (platform) => {
  it('gives every intent back, but for what it said it would lose', () => {
    let made = 0;
    fc.assert(
      fc.property(intentsOn(platform), (intent) => {
        const verdict = roundTrip(platform, intent);
        if (verdict.made) made += 1;
        expect(verdict.made ? verdict.silent : []).toEqual([]);
      }),
      runs,
    );
    expect(made).toBeGreaterThan(100);
  });
});

describe.each(pairs)('from %s to %s', (from, to) => {
  it('nothing is lost without a word', () => {
    let made = 0;
    fc.assert(
      fc.property(intentsOn(from), (intent) => {
        const verdict = migrate(from, to, intent);
        if (verdict.made) made += 1;
        expect(verdict.made ? verdict.silent : []).toEqual([]);
      }),
      runs,
    );
    expect(made).toBeGreaterThan(100);
  });

  it('what stands in the way comes first, and every remark says what to look at', () => {
    const [intent] = fc.sample(intentsOn(from), { numRuns: 1, seed: 3 });
    const verdict = intent && migrate(from, to, intent);
    const kinds = verdict?.migration?.report.map(({ kind }) => kind) ?? [];
    const order = ['blocked', 'unsupported', 'lossy', 'insecure', 'repaired', 'approximated', 'deprecated'];
    expect(kinds.length).toBeGreaterThan(0);
    expect(kinds).toEqual([...kinds].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
  });
});
