import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenStackSim, type OpenStackSim } from '@vmgpu/simulators/openstack';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vmgpu } from './harness.ts';

// The command against a cloud: the simulator speaks real HTTP on a loopback port and is strict.

const novaConf = `[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "a10", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter
[devices]
enabled_mdev_types = nvidia-63
`;
const services = ['nova-compute', 'nova-api', 'nova-scheduler', 'nova-conductor'] as const;
const canary = 'admin-password';

let cloud: OpenStackSim;
let directory: string;
let env: Record<string, string>;
beforeEach(async () => {
  cloud = await createOpenStackSim({ times: { scheduleMs: 5, buildMs: 10, deleteMs: 5, resizeMs: 10 } });
  cloud.setConfig(services.map((service) => ({ service, text: novaConf })));
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-os-'));
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text);
  file('nova.conf', novaConf);
  file(
    'config.yaml',
    `connections:
  cloud: { platform: openstack, authUrl: "${cloud.authUrl}", user: admin, project: research, secret: { env: OS_SECRET }, novaConf: nova.conf }
  file: { platform: openstack, cloud: lab, novaConf: nova.conf }
`,
  );
  file(
    'clouds.yaml',
    `clouds:
  lab:
    auth: { auth_url: "${cloud.authUrl}", username: admin, password: ${canary}, project_name: research, user_domain_name: Default, project_domain_name: Default }
    region_name: RegionOne
`,
  );
  file(
    'vm.yaml',
    `apiVersion: vmgpu/v1
kind: GpuVm
metadata: { name: train }
spec:
  cpu: { cores: 2 }
  memory: 2GiB
  disks: [{ name: root, size: 10GiB, image: tiny }]
  gpus: [{ name: gpu0, mode: passthrough, device: { name: a10 } }]
`,
  );
  env = {
    VMGPU_CONFIG: join(directory, 'config.yaml'),
    OS_SECRET: canary,
    OS_CLIENT_CONFIG_FILE: join(directory, 'clouds.yaml'),
  };
});
afterEach(async () => {
  await cloud.close();
  rmSync(directory, { recursive: true, force: true });
});
const run = (...words: string[]) => vmgpu(words, { env, cwd: directory });
const servers = () => [...cloud.state.servers.values()].map(({ name }) => name);

describe('OpenStack by the command', () => {
  it.each(['cloud', 'file'])('connection %s: plan, apply, read, apply again, undo', async (connection) => {
    const at = ['--connection', connection];
    const planned = await run('plan', '-f', 'vm.yaml', '--to', 'openstack', ...at, '-o', 'plan.json');
    expect(planned.err).not.toContain('blocked');
    expect(planned.status).toBe(0);
    expect(servers()).toEqual([]);

    const applied = await run('apply', 'plan.json', ...at);
    expect(applied.status, applied.err).toBe(0);
    expect(servers()).toEqual(['train']);
    const read = await run('read', '--from', 'openstack', ...at, 'train');
    expect(read.out).toContain('name: a10');
    expect((await run('apply', 'plan.json', ...at)).err).toContain('everything was as wanted already');

    const undone = await run('apply', 'plan.json', '--undo', ...at);
    expect(undone.err).toContain('taken back');
    expect(servers()).toEqual([]);
    const texts = [planned, applied, read, undone].flatMap(({ out, err }) => [out, err]);
    for (const text of [...texts, readFileSync(join(directory, 'plan.json.journal.json'), 'utf8')])
      expect(text).not.toContain(canary);
  });

  it('shows what Placement and the flavors have', async () => {
    await run('apply', '-f', 'vm.yaml', '--to', 'openstack', '--connection', 'cloud');
    const { out, err, status } = await run('inventory', '--connection', 'cloud');
    expect(status).toBe(0);
    expect(out).toMatch(/gpu-host-1 .*8 × VGPU/);
    expect(err).toMatch(/flavor .*pci_passthrough:alias=a10:1/);
  });

  it('says what is wrong with a log-in, without the password', async () => {
    env.OS_SECRET = 'canary-wrong';
    const { status, err } = await run('inventory', '--connection', 'cloud');
    expect(status).toBe(3);
    expect(err).toMatch(/authoriz|authentic|log/i);
    expect(err).not.toContain('canary-wrong');
  });
});
