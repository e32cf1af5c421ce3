import { setTimeout as wait } from 'node:timers/promises';
import { readHost } from '@vmgpu/host-prep/exec';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  applyPoints,
  type CutPoint,
  donePoints,
  type Mishap,
  rebootPoints,
  rollbackPoints,
} from './cut-points.ts';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { driversOf, filesOf } from './host-state.ts';
import { stopAt } from './stops.ts';
import { startVmgpu, vmgpu } from './vmgpu.ts';

// One apply, stopped at every boundary: what a mishap leaves behind the next run goes on with, to be stopped at the next
// boundary, until the last one ends ready. Each time the host must boot.

const cards = ['0000:01:00.0', '0000:02:00.0', '0000:03:00.0', '0000:03:00.1'];
const goal = { mode: 'vm-passthrough', hugepages: { size: 2 ** 21, count: 64 } } as const;
const begin = ['prepare', '--mode', goal.mode, '--hugepages', '64x2MiB', '--apply', '--reboot'];
const resume = ['prepare', '--resume', '--reboot'];
const rollback = ['prepare', '--rollback', '--apply', '--reboot'];

const full = process.env.HOSTVM_FULL === '1';
const named = new RegExp(process.env.HOSTVM_POINTS ?? '');
/** `cut`: reset and power in turn. */
const kinds = full ? (['kill', 'cut'] as const) : (['few'] as const);

describe.each(kinds)('a host whose preparation meets mishaps at its boundaries: %s', (kind) => {
  const name = `e2e-mishaps-${kind}`;
  const table: { readonly point: string; readonly mishap: Mishap; readonly seconds: number }[] = [];
  let host: TestHost;
  const chosen = (points: readonly CutPoint[]) =>
    points
      .filter(({ ci, only = kind }) => (kind === 'few' ? ci !== undefined : only === kind))
      .filter(({ name }) => named.test(name));

  beforeAll(() => buildImage());
  beforeEach(() => {
    table.length = 0;
    host = bootHost(name, [
      '--iommu',
      'amd',
      '--cpus',
      '1',
      '--slot',
      'a10',
      '--slot',
      'a10',
      '--slot',
      'a6000',
    ]);
    // Somebody else's line that stands in the way: a file that is edited, and restored by the way back.
    host.ssh('echo "blacklist vfio-pci" >/etc/modprobe.d/local.conf');
  });
  afterEach(() => host?.down());

  it('boots every time, ends ready, and comes back to what it was', { timeout: 4 * 3_600_000 }, async () => {
    const untouched = filesOf(host);
    const plan = await reading((port) => planned(port));
    await through(chosen(applyPoints), begin);
    for (const point of chosen(rebootPoints)) {
      // As the script leaves it when it asks for the reboot: in this boot.
      host.ssh('cat /proc/sys/kernel/random/boot_id >/var/lib/vmgpu/script/boot-id');
      await through([point], begin);
    }
    await through(chosen(donePoints), begin);
    await goOn(begin);
    expect(driversOf(host, cards)).toEqual(cards.map(() => 'vfio-pci'));
    expect(await reading(verdict)).toBe('ready');
    for (const step of plan.steps)
      if (step.kind === 'write-file' || step.kind === 'edit-file')
        expect(host.ssh(`cat ${step.path}`), step.path).toBe(step.after);
    expect((await reading(planned)).steps).toEqual([]);

    await through(chosen(rollbackPoints), rollback);
    await goOn(rollback);
    expect(filesOf(host)).toBe(untouched);
    expect(driversOf(host, cards)).not.toContain('vfio-pci');
    console.table(table);
  });

  /** Runs into each point, and has the mishap there. */
  async function through(points: readonly CutPoint[], first: readonly string[]): Promise<void> {
    for (const point of points) {
      const began = Date.now();
      const cut = table.length % 2 === 0 ? 'reset' : 'power';
      const how = kind === 'few' ? (point.ci ?? cut) : kind === 'kill' ? kind : cut;
      await meet(point, how, first);
      table.push({ point: point.name, mishap: how, seconds: Math.round((Date.now() - began) / 1000) });
      console.log(new Date().toISOString().slice(11, 19), name, how, point.name, table.at(-1)?.seconds);
    }
  }

  async function meet(point: CutPoint, how: Mishap, first: readonly string[]): Promise<void> {
    const boot = host.bootId();
    // Before the stop is set, or what a killed vmgpu has left at work would come to it.
    const words = (await unfinished()) ? resume : first;
    const stop = 'stop' in point ? stopAt(host, point.stop) : undefined;
    const run = startVmgpu([...words, ...host.target()]);
    let over = false;
    void run.ended.then(() => {
      over = true;
    });
    if ('event' in point) {
      await run.event(({ type }) => type === point.event);
      await wait(point.seconds * 1000);
    } else {
      while (!over && !stop?.reached()) await wait(50);
    }
    if (over) throw new Error(`${point.name} was not reached\n${run.said()}`);
    await wait((point.hold ?? 0) * 1000);
    await run.kill();
    if (how !== 'kill') return host.cut(how);
    if (point.reboots !== 'by itself') stop?.release();
    if (point.reboots) await host.answers(boot);
  }

  /** What a person does then: goes on, or begins again where nothing was kept. */
  async function goOn(first: readonly string[]): Promise<void> {
    const { status, said } = await vmgpu([...((await unfinished()) ? resume : first), ...host.target()]);
    expect(status, said).toBe(0);
  }

  /** Waits until what a killed vmgpu has started is over. */
  async function unfinished(): Promise<boolean> {
    host.ssh('[ ! -e /var/lib/vmgpu/script/lock ] || flock -w 1200 /var/lib/vmgpu/script/lock true');
    return host.ssh('cat /var/lib/vmgpu/plan.json 2>/dev/null || :') !== '';
  }

  async function reading<T>(work: (port: ReturnType<TestHost['port']>) => Promise<T>): Promise<T> {
    const port = host.port();
    try {
      return await work(port);
    } finally {
      await port.close();
    }
  }
  const planned = async (port: ReturnType<TestHost['port']>) => planHost(await readHost(port), goal);
  const verdict = async (port: ReturnType<TestHost['port']>) =>
    assessHost(await readHost(port), { mode: goal.mode }).verdict;
});
