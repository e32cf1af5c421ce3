import { applyHostPlan, readHost } from '@vmgpu/host-prep/exec';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { renderHostPlan } from '@vmgpu/host-prep/render';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { givePython, play } from './ansible.ts';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { filesOf, initramfsOf } from './host-state.ts';

// The same plan three times on one host, by the executor, by the script and by Ansible: the same files and the same
// initramfs each time. HOSTVM_FULL=1.

const goal = { mode: 'vm-passthrough', hugepages: { size: 2 ** 21, count: 64 } } as const;
let host: TestHost;

beforeAll(() => buildImage());
afterEach(() => host?.down());

describe.runIf(process.env.HOSTVM_FULL === '1')('the executor, the script and the playbook', () => {
  it('end in the same state', { timeout: 2 * 3_600_000 }, async () => {
    host = bootHost('e2e-render', ['--iommu', 'amd', '--cpus', '1', '--slot', 'a10', '--slot', 'a6000']);
    host.ssh('echo "blacklist vfio-pci" >/etc/modprobe.d/local.conf');
    givePython(host);
    const state = () => ({ files: filesOf(host), initramfs: initramfsOf(host) });
    const untouched = filesOf(host);
    const port = host.port();
    const plan = planHost(await readHost(port), goal);
    const { content } = renderHostPlan(plan, 'sh');
    if (content.format !== 'text') throw new Error('not a script');
    host.ssh('cat >/root/prepare.sh', content.text);
    const takeBack = () => {
      host.ssh('sh /root/prepare.sh --rollback');
      expect(filesOf(host)).toBe(untouched);
    };

    expect((await applyHostPlan(port, plan)).status).toBe('reboot-needed');
    await port.close();
    const wanted = state();
    expect(wanted.files).not.toBe(untouched);
    takeBack();
    host.ssh('sh /root/prepare.sh');
    expect(state(), 'the script').toEqual(wanted);
    takeBack();
    const first = play(host, plan);
    expect(first.status, first.said).toBe(0);
    expect(first.changed).toBeGreaterThan(0);
    expect(state(), 'Ansible').toEqual(wanted);

    const later = host.port();
    expect(assessHost(await readHost(later), { mode: goal.mode }).verdict).toBe('ready');
    await later.close();
    const second = play(host, plan);
    expect(second, second.said).toMatchObject({ status: 0, changed: 0 });
    expect(state(), 'Ansible again').toEqual(wanted);
  });
});
