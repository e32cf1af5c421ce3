import { assert, describe, expect, it } from 'vitest';
import { describeProvider, memoryHarness, type Runner } from '../src/index.ts';
import { brokenProviders } from './broken.ts';

/** Collects the suite's tests instead of reporting them, so that failures can be looked at. */
function collect(register: (runner: Runner) => void) {
  const tests: { group: string; name: string; body: () => Promise<void> }[] = [];
  let group = '';
  register({
    assert,
    describe(name, body) {
      group = name;
      body();
    },
    it: (name, body) => tests.push({ group, name, body }),
  });
  return tests;
}

describe('the suite notices a provider that', () => {
  it.each(brokenProviders)('$fault, in the group $group', async ({ provider, group }) => {
    // Kills are what takes time, and only two of the faults are about them.
    const limits = { killPoints: group === 'resume' ? 30 : 4 };
    const tests = collect((runner) => describeProvider(runner, memoryHarness(provider), limits));
    const failures = new Map<string, string[]>();
    await Promise.all(
      tests.map(({ group: of, name, body }) =>
        body().catch((error) => failures.set(of, [...(failures.get(of) ?? []), `${name}: ${error.message}`])),
      ),
    );
    expect(Object.keys(Object.fromEntries(failures)), JSON.stringify([...failures], null, 1)).toEqual([
      group,
    ]);
  });
});
