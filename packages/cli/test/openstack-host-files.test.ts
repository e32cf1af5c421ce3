import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenStackSim, type OpenStackSim } from '@vmgpu/simulators/openstack';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { knownHostsLine, type SshHost, startSshHost, userKey } from '../../host-prep/test/ssh-host.ts';
import { vmgpu } from './harness.ts';

// The command against a simulated cloud whose only host is reached over SSH: the files are really written, below a folder.

/** What the simulated services run with all the time; no file makes them read anything. */
const novaConf = `[pci]
device_spec = {"vendor_id": "10de", "product_id": "2236"}
alias = {"name": "gpu-10de-2236", "vendor_id": "10de", "product_id": "2236", "device_type": "type-PF"}
[filter_scheduler]
enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter
`;
const services = ['nova-compute', 'nova-api', 'nova-scheduler', 'nova-conductor'] as const;

let cloud: OpenStackSim;
let host: SshHost;
let directory: string;
const file = (name: string) => join(directory, name);
beforeEach(async () => {
  cloud = await createOpenStackSim({ times: { scheduleMs: 5, buildMs: 10, deleteMs: 5, resizeMs: 10 } });
  cloud.setConfig(services.map((service) => ({ service, text: novaConf })));
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-os-files-'));
  // The executor keeps its copies where it always does; a user without rights there keeps them elsewhere.
  host = await startSshHost();
  writeFileSync(file('key'), userKey.private);
  writeFileSync(file('known_hosts'), knownHostsLine(host.port));
  writeFileSync(
    file('hosts.yaml'),
    `defaults: { identity: key }\nhosts:\n  gpu-host-1: { address: 127.0.0.1, port: ${host.port} }\n`,
  );
  const restart = (name: string) => ({
    restart: ['sh', '-c', 'echo "$1" >>"$2"', 'sh', name, file('restarts')],
  });
  const hostFiles = {
    hosts: 'hosts.yaml',
    knownHosts: 'known_hosts',
    compute: ['gpu-host-1'],
    control: ['gpu-host-1'],
    directory: file('nova.conf.d'),
    stateDirectory: file('state'),
    services: Object.fromEntries(services.map((name) => [name, restart(name)])),
    settleSeconds: 0,
  };
  const lab = {
    platform: 'openstack',
    authUrl: cloud.authUrl,
    user: 'admin',
    project: 'research',
    secret: { env: 'OS_SECRET' },
    hostFiles,
  };
  writeFileSync(file('config.yaml'), JSON.stringify({ connections: { lab } }));
  writeFileSync(
    file('vm.yaml'),
    `apiVersion: vmgpu/v1
kind: GpuVm
metadata: { name: train }
spec:
  cpu: { cores: 2 }
  memory: 2GiB
  disks: [{ name: root, size: 10GiB, image: tiny }]
  gpus: [{ name: gpu0, mode: passthrough, device: { id: "10de:2236" } }]
  providerOptions: { openstack: { gpus: { gpu0: { deviceType: type-PF } } } }
`,
  );
});
afterEach(async () => {
  await Promise.all([cloud.close(), host.close()]);
  rmSync(directory, { recursive: true, force: true });
});
const env = () => ({ VMGPU_CONFIG: file('config.yaml'), OS_SECRET: 'admin-password', HOME: directory });
const run = (...words: string[]) => vmgpu(words, { env: env(), cwd: directory });
const files = () => (existsSync(file('nova.conf.d')) ? readdirSync(file('nova.conf.d')).sort() : []);
const restarts = () =>
  existsSync(file('restarts')) ? readFileSync(file('restarts'), 'utf8').split('\n').filter(Boolean) : [];

describe('a connection that names its hosts', () => {
  const at = ['--connection', 'lab', '--journal', 'journal.json'];
  it('has its configuration written over SSH, once, and taken back', async () => {
    const applied = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', ...at);
    expect(applied.status, applied.err).toBe(0);
    expect(files()).toEqual(['50-vmgpu-alias.conf', '50-vmgpu-compute.conf', '50-vmgpu-scheduler.conf']);
    expect(restarts()).toEqual(['nova-compute', 'nova-api', 'nova-scheduler']);

    const again = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', ...at);
    expect(again.err).toContain('everything was as wanted already');
    expect(restarts()).toHaveLength(3);

    const undone = await run('apply', '--undo', ...at);
    expect(undone.status, undone.err).toBe(0);
    expect(files()).toEqual([]);
    // The alias lay there already when nova-api was configured: it is not nova-api's to take away.
    expect(restarts().slice(3)).toEqual(['nova-scheduler', 'nova-compute']);
    expect(host.connections()).toBe(3);

    const anew = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', ...at);
    expect(anew.status, anew.err).toBe(0);
    expect(restarts().slice(5)).toEqual(['nova-compute', 'nova-api', 'nova-scheduler']);
  });

  it('is asked for nothing on hosts by a command that only looks', async () => {
    const { status } = await run('inventory', '--connection', 'lab');
    expect(status).toBe(0);
    expect(host.connections()).toBe(0);
  });

  it('says what it does not know', async () => {
    const text = readFileSync(file('config.yaml'), 'utf8');
    writeFileSync(file('config.yaml'), text.replace('"compute"', '"computes"'));
    const { status, err } = await run('inventory', '--connection', 'lab');
    expect(status).toBe(2);
    expect(err).toContain('computes');
  });

  it('leaves foreign files alone when nothing can be written', async () => {
    mkdirSync(file('nova.conf.d'));
    mkdirSync(join(file('nova.conf.d'), '50-vmgpu-compute.conf'));
    const { status, err } = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', ...at);
    expect(status).toBe(3);
    expect(err).toContain('50-vmgpu-compute.conf');
    expect(restarts()).toEqual([]);
    expect(files()).toEqual(['50-vmgpu-compute.conf']);
  });
});
