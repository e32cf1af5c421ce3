import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Secret } from '@vmgpu/core';
import { catalog } from '@vmgpu/core/catalog';
import { applyHostPlan, type HostEvent, type HostPort, readHost, rollbackHost } from '@vmgpu/host-prep/exec';
import { planHost } from '@vmgpu/host-prep/plan';
import { assessHost } from '@vmgpu/host-prep/readiness';
import { createSshPort, fingerprintOf } from '@vmgpu/host-prep/ssh';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bootHost, buildImage, type TestHost } from './host.ts';

// The executor over SSH against a real kernel, boot loader, sudo and reboot.

const cards = ['0000:01:00.0', '0000:02:00.0', '0000:03:00.0', '0000:03:00.1'];
const mode = 'vm-passthrough';

/** How `host-up` says the host is reached. Its port stays the same over reboots. */
function portTo(name: string, user: string): HostPort {
  const at = (variable: string) =>
    execFileSync('bash', ['-c', `. "$0"; printf %s "$${variable}"`, join(stateOf(name), 'env')], {
      encoding: 'utf8',
    });
  const [, , key = ''] = readFileSync(at('HOSTVM_KNOWN_HOSTS'), 'utf8').trim().split(' ');
  return createSshPort({
    host: at('HOSTVM_HOST'),
    port: Number(at('HOSTVM_PORT')),
    user,
    keys: [{ text: new Secret(readFileSync(at('HOSTVM_KEY'), 'utf8')) }],
    fingerprint: fingerprintOf(key),
  });
}

function stateOf(name: string): string {
  const { HOSTVM_STATE, XDG_STATE_HOME, HOME = '' } = process.env;
  return join(HOSTVM_STATE ?? join(XDG_STATE_HOME ?? join(HOME, '.local/state'), 'gpu-hostvm'), 'run', name);
}

describe('a Debian host with an AMD IOMMU, two A10s and an A6000 with audio', () => {
  const name = 'e2e-executor';
  let host: TestHost;
  let port: HostPort;

  beforeAll(() => buildImage());
  beforeEach(() => {
    host = bootHost(name, ['--iommu', 'amd']);
    // The user whose sudo asks for no password: root's log-in is not needed.
    port = portTo(name, 'hostadmin');
  });
  afterEach(async () => {
    await port?.close();
    host?.down();
  });

  const drivers = () =>
    host
      .ssh(
        `for a in ${cards.join(' ')}; do basename "$(readlink /sys/bus/pci/devices/$a/driver || echo none)"; done`,
      )
      .trim()
      .split('\n');
  const files = () =>
    host.ssh(
      'find /etc/modprobe.d /etc/modules-load.d /etc/modules /etc/default /etc/initramfs-tools /etc/vmgpu /etc/systemd/system -type f 2>/dev/null | sort | xargs sha256sum',
    );
  const options = {
    reboot: true,
    rebootMs: 1_200_000,
    onEvent: (event: HostEvent) => console.log(new Date().toISOString().slice(11, 19), JSON.stringify(event)),
  };

  it('goes from not ready over a reboot to ready, changes nothing the second time, and comes back', async () => {
    const untouched = files();
    const before = await readHost(port);
    expect(assessHost(before, { mode, catalog }).verdict).toBe('not-ready');

    const plan = planHost(before, { mode });
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
