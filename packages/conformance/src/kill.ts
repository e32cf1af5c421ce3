import type { OperationState, Provider } from '@vmgpu/core';
import type { JournalPort } from '@vmgpu/core/engine';
import { endOf, type Journey, noJournal } from './journey.ts';
import type { Runner } from './runner.ts';

/** Where the process dies: at the n-th write of its journal, or inside its n-th request. */
export const killPoints = [
  'before a write of the journal is on disk',
  'after a write of the journal is on disk',
  'before a request is carried out',
  'after a request is carried out',
] as const;
export type KillPoint = (typeof killPoints)[number];

/** The platform on which the process dies. */
export interface KillBench {
  /** Puts the platform into a state that its simulator kept. */
  restore(state: string): void;
  /** A new provider on the same platform, as a new process has it. */
  connect(): Provider;
  /** Every request goes through `around` until it is taken away: `pass` sends it. */
  intercept(around: (<T>(pass: () => Promise<T>) => Promise<T>) | undefined): void;
  /** What lies on the platform, without what differs from run to run. */
  lies(): unknown;
  /** What the platform was ordered to do, in the order in which it took it. */
  readonly orders: readonly string[];
}

interface KilledRun {
  /** False when it came through before its `number`-th chance to die. */
  readonly killed: boolean;
  readonly end: JourneyEnd;
}

interface JourneyEnd {
  /** `succeeded`, or the code of the error with which the run, or after a kill its resumption, ended. */
  readonly ended: string;
  readonly lies: unknown;
  /** Orders that the platform took more than once, the two processes together. */
  readonly repeated: readonly string[];
}

/**
 * Kills the process at every such point of the journey in turn, and resumes in a new process from what the journal had on
 * disk: each time it has to end as if nothing had happened, and no order may have been taken twice. Returns how many points
 * there were.
 */
export async function killEverywhere(
  bench: KillBench,
  journey: Journey,
  point: KillPoint,
  assert: Runner['assert'],
): Promise<number> {
  bench.restore(journey.before);
  assert.deepEqual(await endOf(journey.start(bench.connect(), noJournal)), 'succeeded', 'without a kill');
  const wanted: JourneyEnd = { ended: 'succeeded', lies: bench.lies(), repeated: [] };
  for (let count = 0; ; count += 1) {
    const { killed, end } = await runKilled(bench, journey, point, count + 1);
    assert.deepEqual(end, wanted, `${journey.name}: killed ${point}, number ${count + 1}`);
    if (!killed) return count;
  }
}

async function runKilled(
  bench: KillBench,
  journey: Journey,
  point: KillPoint,
  number: number,
): Promise<KilledRun> {
  bench.restore(journey.before);
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
  bench.intercept(async (pass) => {
    requests += 1;
    if (!point.includes('request') || requests !== number) return pass();
    if (point.startsWith('after')) await pass();
    die();
    return never;
  });
  const first = await Promise.race([endOf(journey.start(bench.connect(), journal)), death]);
  bench.intercept(undefined);
  const killed = first === 'killed';
  const ended = killed ? await endOf(secondRun(bench.connect(), journey, disk.state)) : first;
  const orders = bench.orders.slice(ordered);
  const repeated = orders.filter((order, index) => orders.indexOf(order) !== index);
  return { killed, end: { ended, lies: bench.lies(), repeated } };
}

function secondRun(provider: Provider, journey: Journey, state: OperationState | undefined) {
  return state ? journey.resume(state, provider) : journey.start(provider, noJournal);
}
