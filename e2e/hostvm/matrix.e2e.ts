import { catalog } from '@vmgpu/core/catalog';
import {
  applyHostPlan,
  captureHost,
  type HostEvent,
  type HostPort,
  rollbackHost,
} from '@vmgpu/host-prep/exec';
import { hostFactsFromText } from '@vmgpu/host-prep/facts';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { driversOf, filesOf } from './host-state.ts';
import { scenarios } from './scenarios.ts';

// Kinds of hosts, each from not ready to ready and back. All of it takes half an hour: HOSTVM_FULL=1.

const name = `e2e-matrix-${process.pid}`;
const options = {
  reboot: true,
  rebootMs: 1_200_000,
  onEvent: (event: HostEvent) => console.log(new Date().toISOString().slice(11, 19), JSON.stringify(event)),
};
let host: TestHost;
let port: HostPort;

beforeAll(() => buildImage());
afterEach(async () => {
  await port?.close();
  host?.down();
});

describe.runIf(process.env.HOSTVM_FULL === '1')('a host', () => {
  it.each(scenarios)('$name', { timeout: 2 * 3_600_000 }, async (scenario) => {
    const { goal, given, kept, shows, disguise = (text) => text, refusedWithout } = scenario;
    host = bootHost(name, scenario.options);
    if (scenario.setup) host.ssh(scenario.setup);
    port = seen(host.port(), disguise);
    const read = async () => hostFactsFromText(await captureHost(port), { file: name });
    const drivers = () => ({ given: driversOf(host, given), kept: driversOf(host, kept) });

    const untouched = filesOf(host);
    const driversBefore = drivers();
    const facts = await read();
    const { verdict } = assessHost(facts, { ...goal, catalog });
    if (scenario.ready === false) expect(verdict).not.toBe('ready');
    else expect(verdict).toBe('not-ready');
    if (refusedWithout) {
      const { diagnostics } = planHost(facts, refusedWithout.goal);
      expect(diagnostics.find(({ kind }) => kind === 'blocked')?.code).toBe(refusedWithout.code);
      await expect(applyHostPlan(port, planHost(facts, refusedWithout.goal))).rejects.toMatchObject({
        code: 'bad-input',
      });
      expect(filesOf(host)).toBe(untouched);
    }

    const done = await applyHostPlan(port, planHost(facts, goal), options).catch((error) => {
      console.log(host.ssh('journalctl -b --no-pager -n 40 -u "vmgpu-*"'));
      throw error;
    });
    expect(done.status).toBe('done');
    // What needs no reboot must outlive one.
    if (!done.rebooted) host.reboot();
    const isReady = async () => {
      expect(drivers()).toEqual({ given: given.map(() => 'vfio-pci'), kept: driversBefore.kept });
      if (shows) expect(host.ssh(shows.command).trim()).toBe(shows.text);
      const now = await read();
      expect(planHost(now, goal).steps).toEqual([]);
      if (scenario.ready !== false) expect(assessHost(now, { ...goal, catalog }).verdict).toBe('ready');
    };
    await isReady();

    const prepared = filesOf(host);
    const again = await applyHostPlan(port, planHost(await read(), goal), options);
    expect(again).toMatchObject({ status: 'unchanged', changed: [], rebooted: false });
    expect(filesOf(host)).toBe(prepared);

    const back = await rollbackHost(port, options);
    if (!back.rebooted) host.reboot();
    expect(filesOf(host)).toBe(untouched);
    expect(drivers()).toEqual(driversBefore);
  });

  it('without an IOMMU is refused, with the way to the firmware settings, and stays as it is', async () => {
    host = bootHost(name, ['--iommu', 'none', '--cpus', '1', '--slot', 'a10']);
    port = host.port();
    const untouched = filesOf(host);
    const plan = planHost(hostFactsFromText(await captureHost(port), { file: name }), {
      mode: 'vm-passthrough',
    });
    expect(plan.diagnostics.find(({ kind }) => kind === 'blocked')).toMatchObject({
      code: 'host.no-iommu',
      remedy: expect.stringMatching(/firmware/),
    });
    await expect(applyHostPlan(port, plan, options)).rejects.toMatchObject({
      code: 'bad-input',
      hint: expect.stringMatching(/firmware/),
    });
    expect(filesOf(host)).toBe(untouched);
  });
});

/** The port to a host that is seen as `disguise` says. */
function seen(port: HostPort, disguise: (text: string) => string): HostPort {
  return {
    ...port,
    run: async (argv, runOptions) => {
      const result = await port.run(argv, runOptions);
      return { ...result, stdout: disguise(result.stdout) };
    },
  };
}
