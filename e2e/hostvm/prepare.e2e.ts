import { catalog } from '@vmgpu/core/catalog';
import { captureScript } from '@vmgpu/host-prep/capture';
import { hostFactsFromText } from '@vmgpu/host-prep/facts';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { renderHostPlan } from '@vmgpu/host-prep/render';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { driversOf, filesOf } from './host-state.ts';

// A real kernel, a real boot loader, a real reboot: from "not ready" to "ready" by nothing but what vmgpu read and wrote.

const cards = ['0000:01:00.0', '0000:02:00.0', '0000:03:00.0', '0000:03:00.1'];

describe('a Debian host with an AMD IOMMU, two A10s and an A6000 with audio', () => {
  let host: TestHost;

  beforeAll(() => buildImage());
  // For each try, since what a test leaves behind is what it tests.
  beforeEach(() => {
    host = bootHost('e2e-prepare', ['--iommu', 'amd', '--slot', 'a10', '--slot', 'a10', '--slot', 'a6000']);
  });
  afterEach(() => host?.down());

  const read = () => hostFactsFromText(host.ssh('sh -s', captureScript), { file: 'e2e-prepare' });
  const judge = () => assessHost(read(), { mode: 'vm-passthrough', catalog });
  const drivers = () => driversOf(host, cards);
  const files = () => filesOf(host);
  const script = (facts = read()) => {
    const { content } = renderHostPlan(planHost(facts, { mode: 'vm-passthrough' }), 'sh');
    if (content.format !== 'text') throw new Error('not a script');
    return content.text;
  };

  it('goes from not ready to ready by the rendered script and one reboot, and back', () => {
    const untouched = files();
    const before = judge();
    expect(before.verdict).toBe('not-ready');
    expect(before.findings.filter(({ status }) => status === 'fail').map(({ id }) => id)).toContain('H19');

    const prepare = script();
    host.ssh('cat > /root/prepare.sh && sh /root/prepare.sh', prepare);
    const prepared = files();
    host.ssh('sh /root/prepare.sh');
    expect(files(), 'a second run changes no file').toBe(prepared);

    host.reboot();
    expect(drivers()).toEqual(cards.map(() => 'vfio-pci'));
    const after = judge();
    const failed = after.findings
      .filter(({ status }) => status === 'fail')
      .map(({ id, why }) => `${id}: ${why}`);
    expect(
      failed,
      host.ssh(
        'cat /etc/modules-load.d/vmgpu.conf; lsmod; dmesg | tail -40; systemctl status systemd-modules-load --no-pager || true',
      ),
    ).toEqual([]);
    expect(after.verdict).toBe('ready');
    expect(planHost(read(), { mode: 'vm-passthrough' }).steps, 'nothing is left to do').toEqual([]);

    host.ssh('sh /root/prepare.sh --rollback');
    expect(files(), 'every file is as it was').toBe(untouched);
    host.reboot();
    expect(judge().verdict).toBe('not-ready');
    expect(drivers()).not.toContain('vfio-pci');
  });
});
