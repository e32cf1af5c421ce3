import { endOf, type Journey, noJournal } from '@vmgpu/conformance';
import type { ApplyFailedDetails, VmgpuError } from '@vmgpu/core';
import { type HttpRequest, jsonResponse } from '@vmgpu/http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Interceptor, Seen } from './sim-bench.ts';
import { type Journeys, journeyNames, prepareJourneys } from './sim-journeys.ts';

/** What happens to one request, once. Those of the simulator come over the wire as they would. */
const faults = {
  '429 Retry-After': (_request, pass) => onWire({ status: 429, message: 'slow down', retryAfter: '2' }, pass),
  500: (_request, pass) => onWire({ status: 500, message: 'something went wrong' }, pass),
  '500 after the work': (_request, pass) =>
    onWire({ status: 500, message: 'MessageDeliveryFailure', worked: true }, pass),
  '503 of a proxy': (_request, pass) =>
    onWire({ status: 503, message: 'no server is available', html: true }, pass),
  timeout: async ({ signal }, pass) => {
    await pass();
    return new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  },
  'reset before': (_request, pass) => onWire({ cut: 'before' }, pass),
  'reset mid-body': (_request, pass) => onWire({ truncate: true }, pass),
  'truncated JSON': (_request, pass) => onWire({ garble: true }, pass),
  '401 expiry': (_request, pass) => onWire({ expireToken: true }, pass),
  409: ({ url }) => jsonResponse(url, 409, { conflictingRequest: { code: 409, message: 'busy' } }),
} satisfies Record<string, (request: HttpRequest, pass: Parameters<Interceptor>[2]) => unknown>;
type FaultName = keyof typeof faults;
const faultNames = Object.keys(faults) as FaultName[];

type WireFault = ReturnType<NonNullable<Parameters<Journeys['bench']['sim']['setFault']>[0]>>;
async function onWire(fault: WireFault, pass: Parameters<Interceptor>[2]) {
  const { sim } = all.bench;
  sim.setFault(() => fault);
  try {
    return await pass();
  } finally {
    sim.setFault(undefined);
  }
}

/** `POST /compute/v2.1/servers/{id}/action resize` */
function routeOf({ method, path, action }: Seen): string {
  const route = path
    .replace(/\/servers\/(?!detail)[^/]+/, '/servers/{id}')
    .replace(/\/flavors\/(?!detail)[^/]+/, '/flavors/{id}')
    .replace(/\/images\/[^/]+/, '/images/{id}')
    .replace(/\/(allocations|resource_classes|traits|registered_limits)\/[^/]+/, '/$1/{id}');
  return `${method} ${route}${action === undefined ? '' : ` ${action}`}`;
}

let all: Journeys;
const table: string[] = [];

beforeAll(async () => {
  all = await prepareJourneys();
});
afterAll(async () => {
  await all.bench.close();
  if (process.env.VMGPU_SHOW_FAULTS) console.log(table.join('\n'));
});

/** Runs the journey with one fault at the first request of this route; says how it ended in a word or two. */
async function meet(journey: Journey, route: string, fault: FaultName, wanted: unknown): Promise<string> {
  const { bench } = all;
  bench.sim.restoreState(journey.before);
  const before = bench.lies();
  const ordered = bench.orders.length;
  let struck = false;
  bench.intercept((request, seen, pass) => {
    if (struck || routeOf(seen) !== route) return pass();
    struck = true;
    return faults[fault](request, pass) as ReturnType<Interceptor>;
  });
  const operation = journey.start(bench.connect(), noJournal);
  const error = await operation.then(
    () => undefined,
    (reason: VmgpuError) => reason,
  );
  bench.intercept(undefined);
  const where = `${fault} at ${route}`;
  expect(struck, `${route} was called`).toBe(true);
  const orders = bench.orders.slice(ordered);
  expect(new Set(orders).size, `${where}: each order was taken once`).toBe(orders.length);
  const after = bench.lies();
  if (!error) {
    expect(after, where).toEqual(wanted);
    return 'done';
  }
  expect(error.code, String(error)).toBe('apply-failed');
  const details = error.details as unknown as ApplyFailedDetails;
  const code = details.failure?.code ?? 'left';
  if (details.left.length === 0) {
    expect(after, `${where}: ${error.message}`).toEqual(before);
    return `${code}, taken back`;
  }
  // What stayed is named; the same operation then ends what it had begun.
  const goal = journey.name.startsWith('take') ? wanted : before;
  await endOf(journey.resume(operation.toJSON(), bench.connect()));
  expect(bench.lies(), `${where}, resumed: ${error.message}`).toEqual(goal);
  return `${code}, ${details.left.length} named as left, gone after resume`;
}

describe('every call, every fault', () => {
  for (const [index, name] of journeyNames.entries()) {
    it(`${name}: nothing twice, nothing left unnamed`, async () => {
      const { bench, journeys } = all;
      const journey = journeys[index] as Journey;
      bench.sim.restoreState(journey.before);
      const from = bench.seen.length;
      expect(await endOf(journey.start(bench.connect(), noJournal))).toBe('succeeded');
      const wanted = bench.lies();
      const routes = [...new Set(bench.seen.slice(from).map(routeOf))];
      expect(routes.length).toBeGreaterThan(3);
      const ends: Record<string, number> = {};
      for (const route of routes) {
        const cells: string[] = [];
        for (const fault of faultNames) {
          const end = await meet(journey, route, fault, wanted);
          cells.push(end);
          ends[end] = (ends[end] ?? 0) + 1;
        }
        table.push(`| ${name} | \`${route}\` | ${cells.join(' | ')} |`);
      }
      console.log(
        `faults, ${name}: ${routes.length} calls, ${routes.length * faultNames.length} meetings, 0 duplicates, 0 orphans; ${JSON.stringify(ends)}`,
      );
    });
  }
});
