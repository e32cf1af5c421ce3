/**
 * What an inventory of 5,000 nodes, 1,000 VMs and one watch cost, on the simulator in a process of its own, beside one raw
 * list over HTTP from the same server. Run: npx tsx --conditions=@vmgpu/source bench/kube-inventory.ts
 */
import { fork } from 'node:child_process';
import http from 'node:http';
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

if (process.send) await serve();
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
  const kube = await startKube({ scenario: { products: ['kubevirt'], objects } });
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
  const server = fork(new URL(import.meta.url), { execArgv: process.execArgv });
  const answer = () =>
    new Promise<{ [key: string]: unknown }>((resolve) => server.once('message', resolve as never));
  const ask = (what: string) => {
    const answered = answer();
    server.send(what);
    return answered;
  };
  const { url, kubeconfig } = await answer();
  const content = JSON.stringify(kubeconfig);
  const port = connectKube({ content });
  const provider = createKubeVirt({ port, namespace: 'vms', waits: { runningMs: 120_000 } });
  await port.read('/version');

  for (let round = 1; round <= 3; round += 1) {
    const raw = await timed(() => rawList(`${url}/api/v1/nodes`, JSON.parse(content).users[0].user.token));
    print(`raw list of ${nodeCount} nodes, parsed`, `${raw.ms} ms, ${Math.round(raw.value / 1e6)} MB`);
    await ask('clear');
    const memory = peak();
    const seen = await timed(() => provider.snapshot('platform'));
    const requests = await ask('requests');
    print(
      'inventory',
      `${seen.ms} ms (${(seen.ms / raw.ms).toFixed(2)} times the raw list), ${requests.total} requests, peak RSS ${memory()} MB`,
    );
  }

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

function rawList(url: string, token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    http
      .get(url, { headers: { authorization: `Bearer ${token}` } }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          JSON.parse(text);
          resolve(text.length);
        });
      })
      .on('error', reject);
  });
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const start = performance.now();
  const value = await work();
  return { ms: Math.round(performance.now() - start), value };
}

function peak(): () => number {
  let most = 0;
  const look = () => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 5);
  return () => {
    clearInterval(timer);
    look();
    return Math.round(most / 1e6);
  };
}

function print(what: string, figures: string): void {
  console.log(`${what.padEnd(40)} ${figures}`);
}
