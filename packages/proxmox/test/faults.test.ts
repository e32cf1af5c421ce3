import { writeFileSync } from 'node:fs';
import { endOf, type Journey, noJournal } from '@vmgpu/conformance';
import type { ApplyFailedDetails, VmgpuError } from '@vmgpu/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Journeys, prepareJourneys } from './journeys.ts';
import { type Interceptor, refusal, type Seen } from './provider-bench.ts';

/** What happens to one request, once. Those of the simulator come over the wire as they would. */
const faults = {
  429: (_seen, request) => refusal(request, 429, 'too many requests', { 'retry-after': '1' }),
  500: (_seen, request) => refusal(request, 500, 'something went wrong'),
  503: (_seen, request) => refusal(request, 503, 'service unavailable'),
  timeout: async (_seen, { signal }, pass) => {
    await pass();
    return new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  },
  'reset mid-body': (_seen, _request, pass) => onWire({ cut: 'after' }, pass),
  'truncated JSON': (_seen, _request, pass) => onWire({ truncate: true }, pass),
  '401 expiry': (_seen, request) => refusal(request, 401, 'permission denied - invalid PVE ticket'),
  'digest conflict': (_seen, request) =>
    refusal(request, 500, 'checksum mismatch (file change by other user?)'),
  'task failure': (_seen, _request, pass) => onWire({ failTask: 'storage is full' }, pass),
  'node unreachable': (_seen, request) => refusal(request, 595, 'No route to host'),
} satisfies Record<
  string,
  (seen: Seen, request: Parameters<Interceptor>[0], pass: Parameters<Interceptor>[2]) => unknown
>;
type FaultName = keyof typeof faults;
const faultNames = Object.keys(faults) as FaultName[];

type WireFault = ReturnType<NonNullable<Parameters<Journeys['bench']['pve']['setFault']>[0]>>;
async function onWire(fault: WireFault, pass: Parameters<Interceptor>[2]) {
  all.bench.pve.setFault(() => fault);
  try {
    return await pass();
  } finally {
    all.bench.pve.setFault(undefined);
  }
}

/** `POST /nodes/{node}/qemu/{vmid}/status/start` */
function routeOf({ method, path }: Seen): string {
  const route = path
    .replace(/\/nodes\/[^/]+/, '/nodes/{node}')
    .replace(/\/qemu\/\d+/, '/qemu/{vmid}')
    .replace(/\/tasks\/[^/]+/, '/tasks/{upid}')
    .replace(/\/pci\/[^/]+/, '/pci/{id}');
  return `${method} ${route}`;
}

/** Makes sense for the call: a digest is sent with changes alone, a task begun by orders. */
function applies(fault: FaultName, route: string): boolean {
  if (fault === 'digest conflict') return route.startsWith('PUT');
  if (fault === 'task failure')
    return /^(POST|DELETE) .*(\/qemu|\/status\/\w+|\/qemu\/\{vmid\})$/.test(route);
  return true;
}

let all: Journeys;
const names = ['make and start', 'change while it runs', 'take back'];
const table: string[] = [];

beforeAll(async () => {
  all = await prepareJourneys();
});
afterAll(async () => {
  await all.bench.close();
  if (process.env.VMGPU_WRITE_FAULTS) writeTable();
});

/** Runs the journey with one fault at the first request of this route; says how it ended in a word or two. */
async function meet(journey: Journey, route: string, fault: FaultName, wanted: unknown): Promise<string> {
  const { bench } = all;
  bench.pve.restoreState(journey.before);
  const before = bench.lies();
  let struck = false;
  bench.intercept((request, seen, pass) => {
    if (struck || routeOf(seen) !== route) return pass();
    struck = true;
    return faults[fault](seen, request, pass) as ReturnType<Interceptor>;
  });
  const operation = journey.start(bench.connect(), noJournal);
  const error = await operation.then(
    () => undefined,
    (reason: VmgpuError) => reason,
  );
  bench.intercept(undefined);
  expect(struck, `${route} was called`).toBe(true);
  const after = bench.lies();
  if (!error) {
    expect(after, `${fault} at ${route}`).toEqual(wanted);
    return 'done';
  }
  expect(error.code, String(error)).toBe('apply-failed');
  const details = error.details as unknown as ApplyFailedDetails;
  const code = details.failure?.code ?? 'left';
  if (details.left.length === 0) {
    expect(after, `${fault} at ${route}: ${error.message}`).toEqual(before);
    return `\`${code}\`, taken back`;
  }
  // What stayed is named; the same operation then ends what it had begun.
  const goal = journey.name === 'take back' ? wanted : before;
  await endOf(journey.resume(operation.toJSON(), bench.connect()));
  expect(bench.lies(), `${fault} at ${route}, resumed: ${error.message}`).toEqual(goal);
  return `\`${code}\`, ${details.left.length} named as left, gone after resume`;
}

describe('every call, every fault', () => {
  for (const [index, name] of names.entries()) {
    it(`${name}: nothing twice, nothing left unnamed`, async () => {
      const { bench, journeys } = all;
      const journey = journeys[index] as Journey;
      bench.pve.restoreState(journey.before);
      const from = bench.seen.length;
      expect(await endOf(journey.start(bench.connect(), noJournal))).toBe('succeeded');
      const wanted = bench.lies();
      const routes = [...new Set(bench.seen.slice(from).map(routeOf))];
      expect(routes.length).toBeGreaterThan(3);
      let met = 0;
      for (const route of routes) {
        const cells: string[] = [];
        for (const fault of faultNames) {
          if (!applies(fault, route)) cells.push('-');
          else {
            cells.push(await meet(journey, route, fault, wanted));
            met += 1;
          }
        }
        table.push(`| ${name} | \`${route}\` | ${cells.join(' | ')} |`);
      }
      console.log(`faults, ${name}: ${routes.length} calls, ${met} meetings, 0 duplicates, 0 orphans`);
    });
  }
});

/** Written when asked for: VMGPU_WRITE_FAULTS=1. */
function writeTable(): void {
  const head = ['journey', 'call', ...faultNames];
  const text = `# Proxmox VE: every call, every fault

Made by \`VMGPU_WRITE_FAULTS=1 vitest run packages/proxmox/test/faults.test.ts\` on the simulator, logged in with a ticket. Each
cell is one run in which the first request of that call met the fault once (timeout, reset and truncation come after the work was
done). After each run the cluster is compared: \`done\` is the state of a run without faults, \`taken back\` the state before. No run
made a second VM, lost a mapping entry, or left something that its error does not name.

| ${head.join(' | ')} |
|${head.map(() => '---|').join('')}
${table.join('\n')}
`;
  writeFileSync(new URL('../../../docs/providers/proxmox-faults.md', import.meta.url), text);
}
