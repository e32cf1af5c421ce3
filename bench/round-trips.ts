import { type PlatformName, platformNames } from '@vmgpu/core';
import fc from 'fast-check';
import { intentsOn, type Loss, migrate, roundTrip, type Verdict } from '../test/migration-worlds.ts';

// How many intents survive the way there and back, and from each platform to each other, with every loss declared.
// tsx --conditions=@vmgpu/source bench/round-trips.ts [COUNT]

const count = Number(process.argv[2] ?? 10_000);
const seed = 7;

function report(name: string, judge: (index: number) => Verdict): void {
  const started = performance.now();
  let [made, declared] = [0, 0];
  const silent = new Map<string, { times: number; example: Loss; index: number }>();
  for (let index = 0; index < count; index += 1) {
    const verdict = judge(index);
    if (!verdict.made) continue;
    made += 1;
    declared += verdict.declared;
    for (const loss of verdict.silent) {
      const key = loss.path.replace(/\[\d+\]/g, '[]');
      const known = silent.get(key);
      silent.set(key, {
        times: (known?.times ?? 0) + 1,
        example: known?.example ?? loss,
        index: known?.index ?? index,
      });
    }
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const total = [...silent.values()].reduce((sum, { times }) => sum + times, 0);
  console.log(
    `${name.padEnd(24)} ${made} of ${count} planned, ${declared} losses declared, ${total} silent (${seconds} s)`,
  );
  for (const [path, { times, example, index }] of silent) {
    console.log(
      `    ${times} × ${path}: ${JSON.stringify(example.was)} became ${JSON.stringify(example.is)} (no. ${index})`,
    );
  }
}

const samples = Object.fromEntries(
  platformNames.map((platform) => [platform, fc.sample(intentsOn(platform), { numRuns: count, seed })]),
);
const sample = (platform: PlatformName, index: number) => samples[platform]?.[index] as never;

for (const platform of platformNames) {
  report(`${platform} and back`, (index) => roundTrip(platform, sample(platform, index)));
}
for (const from of platformNames) {
  for (const to of platformNames) {
    if (from !== to) report(`${from} to ${to}`, (index) => migrate(from, to, sample(from, index)));
  }
}
