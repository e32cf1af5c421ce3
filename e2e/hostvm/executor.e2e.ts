import { setTimeout as wait } from 'node:timers/promises';
import { catalog } from '@vmgpu/core/catalog';
import { applyHostPlan, type HostEvent, type HostPort, readHost, rollbackHost } from '@vmgpu/host-prep/exec';
import { type HostPlan, planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { driversOf, filesOf } from './host-state.ts';
import { stopAt } from './stops.ts';

// The executor over SSH against a real kernel, boot loader, sudo and reboot.

const cards = ['0000:01:00.0', '0000:02:00.0', '0000:03:00.0', '0000:03:00.1'];
const mode = 'vm-passthrough';

describe('a Debian host with an AMD IOMMU, two A10s and an A6000 with audio', () => {
  const name = 'e2e-executor';
  let host: TestHost;
  let port: HostPort;

  beforeAll(() => buildImage());
  beforeEach(() => {
    host = bootHost(name, ['--iommu', 'amd', '--slot', 'a10', '--slot', 'a10', '--slot', 'a6000']);
    port = host.port();
    // Somebody else's line that stands in the way: a file that is edited, and restored by the way back.
    host.ssh('echo "blacklist vfio-pci" >/etc/modprobe.d/local.conf && sync');
  });
  afterEach(async () => {
    await port?.close();
    host?.down();
  });

  const drivers = () => driversOf(host, cards);
  const files = () => filesOf(host);
  const options = {
    reboot: true,
    rebootMs: 1_200_000,
    onEvent: (event: HostEvent) => console.log(new Date().toISOString().slice(11, 19), JSON.stringify(event)),
  };

  /** Switches the host off when its initramfs is whole, and not in place yet (power-cuts.e2e.ts: everywhere). */
  async function powerCut(plan: HostPlan): Promise<void> {
    const stop = stopAt(host, { when: 'before', command: 'mv -f *initrd.img*.new *' });
    const ended = applyHostPlan(port, plan, options).then(
      () => 'done',
      () => 'cut off',
    );
    while (!stop.reached())
      if ((await Promise.race([ended, wait(200)])) !== undefined) throw new Error('it ended before the cut');
    await host.cut('power');
    expect(await ended).toBe('cut off');
  }

  it('goes from not ready through a power cut and a reboot to ready, changes nothing the second time, and comes back', async () => {
    const untouched = files();
    const before = await readHost(port);
    expect(assessHost(before, { mode, catalog }).verdict).toBe('not-ready');

    const plan = planHost(before, { mode });
    await powerCut(plan);
    expect(await applyHostPlan(port, plan, options)).toMatchObject({ status: 'done', rebooted: true });
    expect(drivers()).toEqual(cards.map(() => 'vfio-pci'));
    expect(assessHost(await readHost(port), { mode, catalog }).verdict).toBe('ready');

    const prepared = files();
    const again = await applyHostPlan(port, planHost(await readHost(port), { mode }), options);
    expect(again).toMatchObject({ status: 'unchanged', changed: [], rebooted: false });
    expect(await applyHostPlan(port, plan, options), 'the old plan again').toMatchObject({ rebooted: false });
    expect(files()).toBe(prepared);

    expect(await rollbackHost(port, options)).toMatchObject({ status: 'done', rebooted: true });
    expect(files()).toBe(untouched);
    expect(drivers()).not.toContain('vfio-pci');
  });
});
