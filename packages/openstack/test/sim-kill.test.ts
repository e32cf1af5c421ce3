import type { OperationState } from '@vmgpu/core';
import type { JournalPort } from '@vmgpu/core/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  endOf,
  type Journey,
  type Journeys,
  journeyNames,
  noJournal,
  prepareJourneys,
} from './sim-journeys.ts';

/** Where the process dies: at the n-th write of its journal, or inside its n-th request. */
const points = [
  'before a write of the journal is on disk',
  'after a write of the journal is on disk',
  'before a request is carried out',
  'after a request is carried out',
] as const;
/** After one write the disk is as before the next one; VMGPU_EXHAUSTIVE=1 kills there, too. */
const tried = points.filter((point) => process.env.VMGPU_EXHAUSTIVE || !point.startsWith('after a write'));
type Point = (typeof points)[number];

let all: Journeys;
beforeAll(async () => {
  all = await prepareJourneys();
});
afterAll(() => all.bench.close());

/** Runs until the kill, then in a new process from the journal; `killed` is false when it came through before. */
async function runKilled(journey: Journey, point: Point, number: number) {
  const { bench } = all;
  bench.sim.restoreState(journey.before);
  const ordered = bench.orders.length;
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
  const ended = await Promise.race([endOf(journey.start(bench.connect(), journal)), death]);
  bench.intercept(undefined);
  if (ended !== 'killed') return { killed: false, ended };
  const second = bench.connect();
  const again = disk.state ? journey.resume(disk.state, second) : journey.start(second, noJournal);
  const end = await endOf(again);
  const orders = bench.orders.slice(ordered);
  expect(new Set(orders).size, `${point}, number ${number}: each order was taken once`).toBe(orders.length);
  return { killed: true, ended: end };
}

describe('killed anywhere', () => {
  const told: string[] = [];
  afterAll(() => console.log(`kills: ${told.join('; ')}`));

  for (const [index, name] of journeyNames.entries()) {
    for (const point of tried) {
      it(`${name}: ${point}, it ends the same`, async () => {
        const { bench, journeys } = all;
        const journey = journeys[index] as Journey;
        bench.sim.restoreState(journey.before);
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
        told.push(`${name}, ${point}: ${count} points, 0 failures`);
      });
    }
  }
});
