/** The real cloud of these tests: its Nova with fragments of ours, its provider, its databases. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import {
  type Artifact,
  apiVersion,
  type GpuDevice,
  type GpuRequest,
  type GpuVm,
  type HostInventory,
} from '@vmgpu/core';
import { createAxiosPort, type HttpLogEntry, type HttpPort, record } from '@vmgpu/http';
import {
  createOpenStack,
  type NovaConfigText,
  type OpenStackProvider,
  type OpenStackSettings,
  offlineSnapshot,
  openstackTranslator,
  readCloud,
} from '@vmgpu/openstack';

const run = promisify(execFile);
const here = import.meta.dirname;

/** Where `openstack-up` keeps everything. */
export const stateDirectory =
  process.env.GPU_OPENSTACK_STATE ??
  join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'gpu-openstack');

/** JSON is YAML, but clouds.yaml of `openstack-up` is not JSON: as much YAML as that file has. */
export function parseSimpleYaml(text: string): unknown {
  const root: Record<string, unknown> = {};
  const stack: { indent: number; node: Record<string, unknown> }[] = [{ indent: -1, node: root }];
  for (const line of text.split('\n')) {
    const match = /^( *)([\w-]+): *(.*)$/.exec(line);
    if (!match) continue;
    const [, spaces = '', key = '', raw = ''] = match;
    while ((stack.at(-1)?.indent ?? -1) >= spaces.length) stack.pop();
    const parent = stack.at(-1)?.node ?? root;
    if (raw === '') {
      const node = {};
      parent[key] = node;
      stack.push({ indent: spaces.length, node });
    } else parent[key] = raw.replace(/^"(.*)"$/, '$1');
  }
  return root;
}

/** How to log in as the cloud's administrator. */
export function adminConnection() {
  const clouds = readFileSync(join(stateDirectory, 'clouds.yaml'), 'utf8');
  const { tls: _tls, ...connection } = readCloud({ clouds, parseYaml: parseSimpleYaml });
  return connection;
}

export interface Bench {
  readonly provider: OpenStackProvider;
  /** Requests that went out. */
  readonly entries: readonly HttpLogEntry[];
}

export function openCloud(
  settings: Partial<OpenStackSettings> = {},
  transport: HttpPort = createAxiosPort(),
): Bench {
  const { port, entries } = record(transport);
  return { provider: createOpenStack({ ...adminConnection(), http: port, ...settings }), entries };
}

/** Installs the cloud where it is not there, and starts what is not running, with no fragments. Root, Debian 12. */
export async function bringUp(): Promise<void> {
  await startStopped({ ...process.env, NOVA_CONF_DIR: '', GPU_HOSTS_DIR: join(here, 'gpu-hosts') });
}

export async function stopAll(): Promise<void> {
  await run(join(here, 'openstack-down'), []);
}

/** Starts what is not running, with the fragments of before. */
export async function startStopped(env: NodeJS.ProcessEnv = process.env): Promise<void> {
  await run(join(here, 'openstack-up'), [], { env, maxBuffer: 64 * 1024 * 1024 });
}

export interface RestartOptions {
  /** Empty data: no servers, no flavors but m1.tiny, hosts as after a reboot. */
  readonly reset?: boolean;
}

/** Restarts Nova's services with these fragments. `ok` is false when one of them did not come up; `output` then says why. */
export async function restartNova(
  fragments: Readonly<Record<string, string>>,
  { reset = true }: RestartOptions = {},
): Promise<{ readonly ok: boolean; readonly output: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'vmgpu-nova-'));
  for (const [file, text] of Object.entries(fragments)) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), text);
  }
  try {
    const { stdout, stderr } = await run(join(here, 'openstack-restart-nova'), reset ? ['--reset'] : [], {
      env: { ...process.env, NOVA_CONF_DIR: directory },
    });
    return { ok: true, output: stdout + stderr };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: stdout + stderr };
  }
}

/** As after `openstack-up`. */
export async function restoreNova(): Promise<void> {
  await run(join(here, 'openstack-restart-nova'), ['--reset'], {
    env: { ...process.env, NOVA_CONF_DIR: '' },
  });
}

/** Rows of Nova's own database. */
export async function sql(query: string): Promise<readonly (readonly string[])[]> {
  const socket = `--socket=${join(stateDirectory, 'mariadb.sock')}`;
  const { stdout } = await run('mariadb', ['--no-defaults', socket, '-uroot', '-N', '-B', '-e', query]);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => line.split('\t'));
}

/** PCI devices that Nova has claimed, by address, and for which server. */
export async function claimedDevices(): Promise<Readonly<Record<string, string>>> {
  const rows = await sql(
    "select address, instance_uuid from nova.pci_devices where deleted = 0 and status = 'allocated' order by address",
  );
  return Object.fromEntries(rows.map(([address = '', server = '']) => [address, server]));
}

interface HostDescription {
  readonly pci_devices: readonly {
    readonly address: string;
    readonly vendor_id: string;
    readonly product_id: string;
    readonly type: 'type-PCI' | 'type-PF' | 'type-VF';
    readonly numa_node: number;
    readonly driver?: string;
    readonly mdev_types?: readonly {
      readonly id: string;
      readonly name: string;
      readonly available_instances: number;
    }[];
  }[];
}

/** The host's description, as a capture of that host would tell it. */
export function inventoryOf(host: string, directory = join(here, 'gpu-hosts')): HostInventory {
  const text = readFileSync(join(directory, `${host}.json`), 'utf8');
  const { pci_devices } = JSON.parse(text) as HostDescription;
  const gpus = pci_devices.map((device, index) => ({
    address: device.address,
    id: `${device.vendor_id}:${device.product_id}`,
    class: '0302',
    driver: device.driver ?? 'vfio-pci',
    iommuGroup: index + 1,
    numaNode: device.numa_node,
    vendor: 'nvidia',
    role: 'physical',
    virtualFunctions: [],
    sriovTotal: device.type === 'type-PF' ? 16 : 0,
    companions: [],
    groupNeighbours: [],
    bootVga: false,
    resetMethods: ['flr'],
    bars: [],
    vgpuFramework: device.mdev_types ? 'mdev' : 'none',
    vgpuTypes: (device.mdev_types ?? []).map(({ id, name, available_instances }) => ({
      typeId: id,
      name,
      available: available_instances,
      maxInstances: available_instances,
    })),
  }));
  return { host, gpus: gpus as unknown as readonly GpuDevice[] };
}

/** Debian's Nova, unless another one was brought up. */
export const novaRelease = process.env.NOVA_RELEASE ?? '26';

export const gpuHost = inventoryOf('gpu-host-1');

/** A small VM with these GPUs. */
export function smallVm(
  name: string,
  gpus: readonly GpuRequest[],
  openstack?: Readonly<Record<string, unknown>>,
): GpuVm {
  return {
    apiVersion,
    kind: 'GpuVm',
    metadata: { name },
    spec: {
      cpu: { cores: 2 },
      memory: '1GiB',
      disks: [{ name: 'root', size: '1GiB', image: 'tiny' }],
      networks: [],
      gpus,
      ...(openstack ? { providerOptions: { openstack } } : {}),
    },
  };
}

export function passthrough(id: string, name = 'gpu0', count?: number): GpuRequest {
  return { name, mode: 'passthrough', device: { id }, ...(count === undefined ? {} : { count }) };
}

/** The configuration that our translator writes for these VMs on this Nova, as fragments of the services. */
export function renderFragments(...vms: readonly GpuVm[]): Readonly<Record<string, string>> {
  const fragments: Record<string, string> = {};
  for (const [index, vm] of vms.entries()) {
    const plan = openstackTranslator.plan(vm, offlineSnapshot({ version: novaRelease, hosts: [gpuHost] }), {
      scope: 'platform',
    });
    const blocked = plan.diagnostics.filter(({ kind }) => kind === 'blocked');
    if (blocked.length > 0) throw new Error(blocked.map(({ message }) => message).join('\n'));
    for (const artifact of openstackTranslator.render(plan)) addFragment(fragments, artifact, index);
  }
  return fragments;
}

/** All services of the host read one directory, as on a machine that is controller and compute host at once. */
function addFragment(fragments: Record<string, string>, { path, content }: Artifact, index: number): void {
  if (content.format !== 'text' || !/nova\.conf\.d\//.test(path)) return;
  fragments[basename(path).replace(/\.conf$/, `-${index}.conf`)] = content.text;
}

/** The same fragments as the services read them, for the provider's setting `config`. */
export function configOf(fragments: Readonly<Record<string, string>>): readonly NovaConfigText[] {
  const text = Object.keys(fragments)
    .sort()
    .map((file) => fragments[file])
    .join('\n');
  return (['nova-compute', 'nova-api', 'nova-scheduler', 'nova-conductor'] as const).map((service) => ({
    service,
    text,
  }));
}

/** What is left on the cloud besides what `openstack-up` made: must be nothing after an undo. */
export async function leftovers(): Promise<readonly string[]> {
  const [servers, flavors, allocations, ports] = await Promise.all([
    sql("select concat('server ', display_name) from nova.instances where deleted = 0"),
    sql("select concat('flavor ', name) from nova_api.flavors where name <> 'm1.tiny'"),
    sql("select concat('allocation of ', consumer_id) from placement.allocations"),
    sql("select concat('port ', id) from neutron.ports"),
  ]);
  return [servers, flavors, allocations, ports].flat(2);
}
