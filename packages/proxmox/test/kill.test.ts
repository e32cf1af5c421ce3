import type { OperationState } from '@vmgpu/core';
import type { JournalPort } from '@vmgpu/core/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endOf, type Journey, type Journeys, noJournal, prepareJourneys } from './journeys.ts';

/** Where the process dies: at the n-th write of its journal, or inside its n-th request. */
const points = [
  'before a write of the journal is on disk',
  'after a write of the journal is on disk',
  'before a request is carried out',
  'after a request is carried out',
] as const;
type Point = (typeof points)[number];

let all: Journeys;
beforeAll(async () => {
  all = await prepareJourneys();
});
afterAll(() => all.bench.close());

/** Runs until the kill, then in a new process from the journal; `killed` is false when it came through before. */
async function runKilled(journey: Journey, point: Point, number: number) {
  const { bench } = all;
  bench.pve.restoreState(journey.before);
  const disk: { state?: OperationState } = {};
  let writes = 0;
  let requests = 0;
  let die = () => {};
  const death = new Promise<'killed'>((resolve) => {
    die = () => resolve('killed');
  });
  const never = new Promise<never>(() => undefined);
  const journal: JournalPort = {
    async save(state) {
      writes += 1;
      const here = point.includes('journal') && writes === number;
      if (!here || point.startsWith('after')) disk.state = JSON.parse(JSON.stringify(state));
      if (!here) return;
      die();
      await never;
    },
  };
  bench.intercept(async (_request, _seen, pass) => {
    requests += 1;
    if (!point.includes('request') || requests !== number) return pass();
    if (point.startsWith('after')) await pass();
    die();
    return never;
  });
  const first = bench.connect();
  const ended = await Promise.race([endOf(journey.start(first, journal)), death]);
  bench.intercept(undefined);
  if (ended !== 'killed') return { killed: false, ended };
  const second = bench.connect();
  const again = disk.state ? journey.resume(disk.state, second) : journey.start(second, noJournal);
  return { killed: true, ended: await endOf(again) };
}

describe('killed anywhere', () => {
  const tried: string[] = [];
  afterAll(() => console.log(`kills: ${tried.join('; ')}`));

  for (const [index, name] of ['make and start', 'change while it runs', 'take back'].entries()) {
    for (const point of points) {
      it(`${name}: ${point}, it ends the same`, async () => {
        const { bench, journeys } = all;
        const journey = journeys[index] as Journey;
        bench.pve.restoreState(journey.before);
        expect(await endOf(journey.start(bench.connect(), noJournal))).toBe('succeeded');
        const wanted = bench.lies();
        let count = 0;
        for (let killed = true; killed; ) {
          const outcome = await runKilled(journey, point, count + 1);
          killed = outcome.killed;
          if (killed) count += 1;
          expect([outcome.ended, bench.lies()], `killed ${point}, number ${count}`).toEqual([
            'succeeded',
            wanted,
          ]);
        }
        expect(count).toBeGreaterThan(3);
        tried.push(`${name}, ${point}: ${count} points, 0 failures`);
      });
    }
  }
});
