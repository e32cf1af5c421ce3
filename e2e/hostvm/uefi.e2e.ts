import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { applyHostPlan, type HostPort, readHost, rollbackHost } from '@vmgpu/host-prep/exec';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bootHost, buildImage, type TestHost } from './host.ts';
import { driversOf, filesOf } from './host-state.ts';

// The same host, started by UEFI: which loader it was, and words in the file that this loader does not read. HOSTVM_FULL=1.

let host: TestHost;
let port: HostPort;

beforeAll(() => {
  buildImage();
  execFileSync(join(import.meta.dirname, 'host-image-uefi'), { stdio: ['ignore', 'inherit', 'inherit'] });
});
afterEach(async () => {
  await port?.close();
  host?.down();
});

describe.runIf(process.env.HOSTVM_FULL === '1')('a host that starts by UEFI', () => {
  const boot = (image: string, iommu: 'amd' | 'none') => {
    host = bootHost('e2e-uefi', ['--image', image, '--iommu', iommu, '--cpus', '1', '--slot', 'a10']);
    port = host.port();
  };
  const commandLineCheck = async () => {
    const { findings } = assessHost(await readHost(port), { mode: 'vm-passthrough' });
    return findings.find(({ id }) => id === 'H10');
  };

  it('with GRUB: the words in /etc/kernel/cmdline are found, GRUB is prepared, and comes back', async () => {
    boot('uefi-grub', 'amd');
    const { boot: facts } = await readHost(port);
    expect(facts).toMatchObject({ firmware: 'efi', loader: { kind: 'grub' } });
    host.ssh('mkdir -p /etc/kernel && echo "root=/dev/vda1 ro iommu=pt" >/etc/kernel/cmdline');
    expect(await commandLineCheck()).toMatchObject({
      status: 'warn',
      why: expect.stringMatching(/iommu=pt stands in \/etc\/kernel\/cmdline.*GRUB/),
    });
    host.ssh('rm /etc/kernel/cmdline');
    expect(await commandLineCheck()).toMatchObject({ status: 'pass' });

    // The image's menu was made where there is no UEFI, without the entry for the firmware's settings.
    host.ssh('update-grub 2>/dev/null');
    const untouched = filesOf(host);
    const goal = { mode: 'vm-passthrough', hugepages: { size: 2 ** 21, count: 64 } } as const;
    const plan = planHost(await readHost(port), goal);
    expect(plan.steps.map(({ kind }) => kind)).toContain('boot-loader');
    expect(await applyHostPlan(port, plan, { reboot: true })).toMatchObject({
      status: 'done',
      rebooted: true,
    });
    expect(host.ssh('cat /proc/cmdline')).toContain('hugepagesz=2M hugepages=64');
    expect(driversOf(host, ['0000:01:00.0'])).toEqual(['vfio-pci']);
    expect(planHost(await readHost(port), goal).steps).toEqual([]);
    expect(await rollbackHost(port, { reboot: true })).toMatchObject({ rebooted: true });
    expect(filesOf(host)).toBe(untouched);
  });

  it('with systemd-boot: the words in /etc/default/grub are found, and no file is written that it does not read', async () => {
    boot('uefi-systemd-boot', 'none');
    const { boot: facts } = await readHost(port);
    expect(facts).toMatchObject({ firmware: 'efi', loader: { kind: 'systemd-boot' } });
    host.ssh(`sed -i 's/^GRUB_CMDLINE_LINUX=.*/GRUB_CMDLINE_LINUX="iommu=pt"/' /etc/default/grub`);
    expect(await commandLineCheck()).toMatchObject({
      status: 'warn',
      why: expect.stringMatching(/iommu=pt stands in \/etc\/default\/grub.*systemd-boot/),
    });
    const untouched = filesOf(host);
    const plan = planHost(await readHost(port), { mode: 'vm-passthrough' });
    expect(plan.diagnostics.filter(({ kind }) => kind === 'blocked').map(({ code }) => code)).toContain(
      'host.not-writable',
    );
    await expect(applyHostPlan(port, plan)).rejects.toMatchObject({ code: 'bad-input' });
    expect(filesOf(host)).toBe(untouched);
  });
});
