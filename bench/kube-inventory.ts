/**
 * What an inventory of 5,000 nodes, 1,000 VMs and one watch cost, on the simulator in a process of its own. The inventory
 * stands beside `kubectl get nodes -o json` (where there is a kubectl) and one raw list over HTTP from the same server; each
 * is a process of its own, so that its peak memory is its own.
 * Run: npx tsx --conditions=@vmgpu/source bench/kube-inventory.ts
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GpuVm } from '@vmgpu/core';
import { applyMany } from '@vmgpu/core/engine';
import { createKubeVirt, kubeResources, platformClusterRole } from '@vmgpu/kubevirt';
import { connectKube } from '@vmgpu/kubevirt/client-node';
import {
  type KubeObject,
  sampleKubeVirt,
  sampleNamespace,
  sampleNode,
  startKube,
} from '@vmgpu/simulators/kube';

const nodeCount = 5_000;
const vmCount = 1_000;
const resource = 'nvidia.com/GA102GL_A10';

const [, , role, kubeconfigPath = ''] = process.argv;
if (role === 'serve') await serve();
else if (role === 'raw') await tell(rawList);
else if (role === 'inventory') await tell(inventory);
else await measure();

/** The server's process. */
async function serve(): Promise<void> {
  const labels = Object.fromEntries(
    Array.from({ length: 44 }, (_none, index) => [`example.com/label-${index}`, `value-${index}`]),
  );
  const nodes = Array.from({ length: nodeCount }, (_none, index) =>
    sampleNode(`node-${index}`, { labels, allocatable: { [resource]: '2' } }),
  );
  const pciHostDevices = [
    { pciVendorSelector: '10DE:2236', resourceName: resource, externalResourceProvider: true },
  ];
  const objects: KubeObject[] = [
    ...['default', 'kubevirt', 'vms'].map(sampleNamespace),
    sampleKubeVirt({ permittedHostDevices: { pciHostDevices } }),
    platformClusterRole as unknown as KubeObject,
    ...nodes,
  ];
  // kubectl sends no credentials over plain HTTP.
  const kube = await startKube({ scenario: { products: ['kubevirt'], objects }, tls: true });
  process.on('message', (message) => {
    if (message === 'requests')
      process.send?.({ total: kube.requests.total(), counts: kube.requests.counts });
    else if (message === 'clear') {
      kube.requests.clear();
      process.send?.({});
    }
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ url: kube.url, kubeconfig: kube.kubeconfig() });
}

async function measure(): Promise<void> {
  const server = start('serve');
  const answer = () =>
    new Promise<{ [key: string]: unknown }>((resolve) => server.once('message', resolve as never));
  const ask = (what: string) => {
    const answered = answer();
    server.send(what);
    return answered;
  };
  const { kubeconfig } = await answer();
  const content = JSON.stringify(kubeconfig);
  const folder = mkdtempSync(join(tmpdir(), 'vmgpu-bench-'));
  const path = join(folder, 'kubeconfig');
  writeFileSync(path, content, { mode: 0o600 });
  for (let round = 1; round <= 3; round += 1) {
    const raw = await cost(start('raw', path));
    print(`raw list of ${nodeCount} nodes, parsed`, describe(raw));
    await ask('clear');
    const seen = await cost(start('inventory', path));
    const { total } = await ask('requests');
    print(
      'inventory',
      `${describe(seen)}, ${total} requests; ${ratio(seen.ms, raw.ms)} of the raw list's time`,
    );
    const args = ['--kubeconfig', path, 'get', 'nodes', '-o', 'json'];
    const kubectl = await cost(spawn('kubectl', args, { stdio: ['ignore', 'ignore', 'inherit'] }));
    if (kubectl === undefined) print('kubectl get nodes -o json', 'there is no kubectl');
    else {
      const memory = ratio(seen.megabytes, kubectl.megabytes);
      print('kubectl get nodes -o json', `${describe(kubectl)}; the inventory has ${memory} of its memory`);
    }
  }
  rmSync(folder, { recursive: true });
  const port = connectKube({ content });
  const provider = createKubeVirt({ port, namespace: 'vms', waits: { runningMs: 120_000 } });

  await ask('clear');
  const intents = Array.from({ length: vmCount }, (_none, index) => {
    const intent: GpuVm = {
      apiVersion: 'vmgpu/v1',
      kind: 'GpuVm',
      metadata: { name: `vm-${index}` },
      spec: { memory: '2GiB', gpus: [{ name: 'gpu0', mode: 'passthrough', device: { name: resource } }] },
    };
    return intent;
  });
  const snapshot = await provider.snapshot('vm');
  await ask('clear');
  const made = await timed(async () => {
    const jobs = intents.map((intent) => ({
      plan: provider.translate.plan(intent, snapshot, { scope: 'vm' }),
      provider,
    }));
    return applyMany(jobs, { concurrency: 32 });
  });
  const { total, counts } = await ask('requests');
  const running = made.value.filter(({ ok }) => ok).length;
  print(
    `${running} of ${vmCount} VMs to Running`,
    `${made.ms} ms, ${(Number(total) / vmCount).toFixed(2)} requests a VM`,
  );
  console.log(counts);

  const latencies = await watchLatency(port);
  print(
    'status change to event',
    `median ${latencies[100]?.toFixed(1)} ms, 95 % ${latencies[190]?.toFixed(1)} ms, worst ${latencies[199]?.toFixed(1)} ms`,
  );
  port.close();
  server.disconnect();
}

async function watchLatency(port: ReturnType<typeof connectKube>): Promise<readonly number[]> {
  const stop = new AbortController();
  const name = 'node-17';
  const latencies: number[] = [];
  let sent = 0;
  const patch = (index: number) => {
    sent = performance.now();
    const body = { metadata: { labels: { 'example.com/tick': String(index) } } };
    return port.patch(kubeResources.nodes, { name }, { type: 'merge', body: body as never });
  };
  const watching = port.watch(kubeResources.nodes, {
    fieldSelector: `metadata.name=${name}`,
    signal: stop.signal,
  });
  for await (const event of watching) {
    if (event.type === 'modified') latencies.push(performance.now() - sent);
    if (latencies.length === 200) break;
    if (event.type === 'synced' || event.type === 'modified')
      setTimeout(() => void patch(latencies.length), 5);
  }
  stop.abort();
  return latencies.sort((a, b) => a - b);
}

function start(what: string, ...more: string[]): ChildProcess {
  return fork(new URL(import.meta.url), [what, ...more], { execArgv: process.execArgv });
}

/** A worker's part, and what the work alone took in milliseconds. */
async function tell(work: () => Promise<number>): Promise<void> {
  process.send?.({ ms: await work() });
  process.disconnect();
}

async function inventory(): Promise<number> {
  const port = connectKube({ path: kubeconfigPath });
  // Loads the client library, which is done once for a process.
  await port.read('/version');
  const provider = createKubeVirt({ port, namespace: 'vms' });
  const { ms, value } = await timed(() => provider.snapshot('platform'));
  if (value.nodes?.length !== nodeCount) throw new Error(`${value.nodes?.length} nodes`);
  port.close();
  return ms;
}

async function rawList(): Promise<number> {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfigPath, 'utf8'));
  const headers = { authorization: `Bearer ${users[0].user.token}` };
  const ca = Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64');
  const list = (path: string) => get(clusters[0].cluster.server + path, { headers, ca, agent });
  const agent = new https.Agent({ keepAlive: true });
  await list('/version');
  const { ms } = await timed(() => list('/api/v1/nodes'));
  agent.destroy();
  return ms;
}

function get(url: string, options: https.RequestOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    https
      .get(url, options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())));
      })
      .on('error', reject);
  });
}

interface Cost {
  /** What a worker says, else from start to end. */
  readonly ms: number;
  readonly wholeMs: number;
  readonly megabytes: number;
}

/** Time and peak memory (VmHWM of /proc) of a process; undefined when there is no such program. */
async function cost(child: ChildProcess): Promise<Cost> {
  const begin = performance.now();
  let kilobytes = 0;
  let said: number | undefined;
  const look = () => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      kilobytes = Math.max(kilobytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {}
  };
  const timer = setInterval(look, 5);
  child.on('message', (message: { ms: number }) => {
    said = message.ms;
    look();
  });
  const status = await new Promise((resolve, reject) => child.on('exit', resolve).on('error', reject));
  clearInterval(timer);
  if (status !== 0) throw new Error(`it ended with ${status}`);
  const wholeMs = Math.round(performance.now() - begin);
  return { ms: said ?? wholeMs, wholeMs, megabytes: Math.round(kilobytes / 1024) };
}

function describe({ ms, wholeMs, megabytes }: Cost): string {
  const whole = ms === wholeMs ? '' : ` (${wholeMs} ms with its start)`;
  return `${ms} ms${whole}, peak ${megabytes} MiB`;
}

function ratio(own: number, other: number): string {
  return (own / other).toFixed(2);
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: Math.round(performance.now() - start), value };
}

function print(what: string, figures: string): void {
  console.log(`${what.padEnd(40)} ${figures}`);
}
