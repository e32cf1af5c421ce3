import { type KillBench, killEverywhere, killPoints } from '@vmgpu/conformance';
import { afterAll, assert, beforeAll, describe, expect, it } from 'vitest';
import { type Journeys, journeyNames, prepareJourneys } from './journeys.ts';

let all: Journeys;
let bench: KillBench;
beforeAll(async () => {
  all = await prepareJourneys();
  const { pve, connect, intercept, lies, orders } = all.bench;
  bench = {
    restore: pve.restoreState,
    connect: () => connect(),
    intercept: (around) => intercept(around && ((_request, _seen, pass) => around(pass))),
    lies,
    orders,
  };
});
afterAll(() => all.bench.close());

describe('killed anywhere', () => {
  const told: string[] = [];
  afterAll(() => console.log(`kills: ${told.join('; ')}`));

  for (const name of journeyNames) {
    for (const point of killPoints) {
      it(`${name}: ${point}, it ends the same`, async () => {
        const journey = all.journeys.find((one) => one.name === name);
        assert.ok(journey);
        const count = await killEverywhere(bench, journey, point, assert);
        expect(count).toBeGreaterThan(3);
        told.push(`${name}, ${point}: ${count} points, 0 failures`);
      });
    }
  }
});
