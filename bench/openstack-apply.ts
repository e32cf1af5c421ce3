/**
 * Servers with a GPU each on a real Nova: by vmgpu, by the Python SDK, and by the official command, one after the other, all
 * through one proxy that counts requests. Needs the cloud of e2e/openstack (root, Debian 12); its Nova gets a host with as many GPUs.
 * Run: pnpm exec tsx --conditions=@vmgpu/source bench/openstack-apply.ts [SERVERS] [sdk,vmgpu,cli]
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Plan } from '@vmgpu/core';
import { apply, applyMany } from '@vmgpu/core/engine';
import { createOpenStack } from '@vmgpu/openstack';
import {
  adminConnection,
  bringUp,
  configOf,
  inventoryOf,
  restartNova,
  smallVm,
  stateDirectory,
} from '../e2e/openstack/cloud.ts';
import { cleanCloud, rest } from '../e2e/openstack/rest.ts';

const run = promisify(execFile);
const count = Number(process.argv[2] ?? 50);
const concurrency = 8;
const allTools = ['sdk', 'vmgpu', 'cli'] as const;
type Tool = (typeof allTools)[number];
// In the order given, as often as named; each finds an emptied database.
const tools = (process.argv[3]?.split(',') ?? allTools).filter((word): word is Tool =>
  allTools.some((tool) => tool === word),
);

// A host with enough cards, and a project that may have so many servers.
const hosts = mkdtempSync(join(tmpdir(), 'vmgpu-bench-hosts-'));
const hex = (n: number) => n.toString(16).padStart(2, '0');
const host = {
  numa_nodes: 1,
  cores_per_node: 32,
  threads_per_core: 2,
  memory_mib: 524_288,
  disk_gb: 2_000,
  pci_devices: Array.from({ length: count }, (_, n) => ({
    address: `0000:${hex(0x10 + n)}:00.0`,
    vendor_id: '10de',
    product_id: '1db6',
    product_name: 'GV100GL [Tesla V100 PCIe 32GB]',
    type: 'type-PCI',
    numa_node: 0,
  })),
};
writeFileSync(join(hosts, 'gpu-host-1.json'), JSON.stringify(host));
const filters =
  'ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter';
const fragments = {
  '50-gpu.conf': `[pci]
device_spec = {"vendor_id": "10de", "product_id": "1db6"}
alias = {"name": "v100", "vendor_id": "10de", "product_id": "1db6", "device_type": "type-PCI"}
[filter_scheduler]
enabled_filters = ${filters}
`,
};
await bringUp();
process.env.GPU_HOSTS_DIR = hosts;
const { body: own } = await rest<{ projects: { id: string }[] }>('identity', 'GET', '/projects?name=admin');
const quota = { cores: -1, ram: -1, instances: -1, metadata_items: 128 };

async function freshNova(): Promise<void> {
  const restarted = await restartNova(fragments);
  if (!restarted.ok) throw new Error(restarted.output);
  await rest('compute', 'PUT', `/os-quota-sets/${own.projects[0]?.id}`, { quota_set: quota });
}

// All three go through this proxy.
let seen: string[] = [];
const proxy = createServer((incoming, answer) => {
  const url = new URL(incoming.url ?? '');
  seen.push(`${incoming.method} ${url.pathname.replace(/[0-9a-f-]{32,36}/g, '{id}')}`);
  const outgoing = forward(url, { method: incoming.method, headers: incoming.headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  outgoing.on('error', () => answer.destroy());
  incoming.pipe(outgoing);
});
await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
const proxied = { http_proxy: proxyUrl, HTTP_PROXY: proxyUrl, no_proxy: '', NO_PROXY: '' };
Object.assign(process.env, proxied);
const env = {
  ...process.env,
  OS_CLIENT_CONFIG_FILE: join(stateDirectory, 'clouds.yaml'),
  OS_CLOUD: 'gpu-openstack',
};

const facts = { hosts: [inventoryOf('gpu-host-1', hosts)], config: configOf(fragments) };
const vmOf = (name: string) =>
  smallVm(name, [{ name: 'gpu0', mode: 'passthrough', device: { name: 'v100' } }], {
    flavor: { name: 'bench' },
  });

async function byVmgpu(): Promise<void> {
  const provider = createOpenStack({ ...adminConnection(), ...facts, proxy: 'env' });
  const snapshot = await provider.snapshot('platform', { vm: { name: 'none-yet' } });
  // The flavor is made once, as the others make it.
  await apply(provider.translate.plan(vmOf('any'), snapshot, { scope: 'platform' }), provider);
  const jobs = Array.from({ length: count }, (_, n): { plan: Plan; provider: typeof provider } => ({
    plan: provider.translate.plan(vmOf(`train-${n}`), snapshot, { scope: 'vm' }),
    provider,
  }));
  const results = await applyMany(jobs, { concurrency });
  await provider.close?.();
  const failed = results.filter(({ ok }) => !ok);
  for (const { error } of failed.slice(0, 3)) console.error(error);
}

const specs = '"pci_passthrough:alias": "v100:1"';
const python = `
import sys, openstack
from concurrent.futures import ThreadPoolExecutor
conn = openstack.connect()
flavor = conn.compute.create_flavor(name='bench', ram=1024, vcpus=2, disk=1)
conn.compute.create_flavor_extra_specs(flavor, {${specs}})
image = conn.image.find_image('tiny')
def make(n):
    server = conn.compute.create_server(name=f'train-{n}', image_id=image.id, flavor_id=flavor.id, networks='none')
    conn.compute.wait_for_server(server)
with ThreadPoolExecutor(${concurrency}) as pool:
    list(pool.map(make, range(${count})))
`;

async function byCli(): Promise<void> {
  const words = (line: string) => run('openstack', line.split(' '), { env });
  await words('flavor create --ram 1024 --vcpus 2 --disk 1 --property pci_passthrough:alias=v100:1 bench');
  let next = 0;
  const work = async () => {
    while (next < count) {
      const name = `train-${next++}`;
      await words(`server create --image tiny --flavor bench --nic none --wait ${name}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}

const ways: Record<Tool, () => Promise<unknown>> = {
  vmgpu: byVmgpu,
  sdk: () => run('/usr/bin/python3', ['-c', python], { env }),
  cli: byCli,
};
const lines: string[] = [];
for (const tool of tools) {
  await freshNova();
  seen = [];
  const began = performance.now();
  await ways[tool]();
  const seconds = (performance.now() - began) / 1000;
  const requests = seen;
  const { body } = await rest<{ servers: { status: string }[] }>('compute', 'GET', '/servers/detail');
  const active = body.servers.filter(({ status }) => status === 'ACTIVE').length;
  const byRoute = new Map<string, number>();
  for (const route of requests) byRoute.set(route, (byRoute.get(route) ?? 0) + 1);
  const most = [...byRoute].sort((a, b) => b[1] - a[1]).slice(0, 6);
  lines.push(
    `${tool.padEnd(6)} ${active}/${count} ACTIVE in ${seconds.toFixed(1)} s, ${requests.length} requests, ${(requests.length / count).toFixed(2)} per server`,
    ...most.map(([route, times]) => `         ${times} ${route}`),
  );
  console.log(lines.slice(-1 - most.length).join('\n'));
}
await cleanCloud();
proxy.close();
proxy.closeAllConnections();
process.env.GPU_HOSTS_DIR = join(import.meta.dirname, '..', 'e2e', 'openstack', 'gpu-hosts');
await restartNova({});
