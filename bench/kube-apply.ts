/**
 * 1,000 VMs on a real server of custom resources (e2e/kubevirt/api-up), by us, by `kubectl apply` of the same manifests, and
 * by bare HTTPS that sends the requests of both, a GET and a POST for each VM: the floor. The VMs are halted: what is
 * measured is the API, not a cluster's scheduling. Needs kubectl and a kubeconfig with a token, in JSON, as api-up makes it.
 * Run: npx tsx --conditions=@vmgpu/source bench/kube-apply.ts KUBECONFIG
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { GpuVm } from '@vmgpu/core';
import { applyMany } from '@vmgpu/core/engine';
import {
  createKubePort,
  createKubeVirt,
  type KubeTransport,
  kubeResources,
  kubevirtTranslator,
  offlineSnapshot,
} from '@vmgpu/kubevirt';
import { connectKube, kubeconfigTransport } from '@vmgpu/kubevirt/client-node';

const count = Number(process.argv[3] ?? 1_000);
const [, , kubeconfig = process.env.KUBECONFIG] = process.argv;
const namespace = 'bench';
const concurrency = 32;

let requests = 0;
const source = kubeconfig === undefined ? {} : { path: kubeconfig };
const inner = await kubeconfigTransport(source);
const counting: KubeTransport = {
  ...inner,
  send(request) {
    requests += 1;
    return inner.send(request);
  },
};
const port = createKubePort(counting);
const provider = createKubeVirt({ port, namespace });

const plans = Array.from({ length: count }, (_none, index) => {
  const intent: GpuVm = {
    apiVersion: 'vmgpu/v1',
    kind: 'GpuVm',
    metadata: { name: `vm-${index}` },
    spec: {
      cpu: { cores: 2 },
      memory: '2GiB',
      gpus: [{ name: 'gpu0', mode: 'passthrough', device: { name: 'nvidia.com/GA102GL_A10' } }],
      providerOptions: { kubevirt: { namespace, patch: { spec: { runStrategy: 'Halted' } } } },
    },
  };
  return kubevirtTranslator.plan(intent, offlineSnapshot(), { scope: 'vm' });
});
const manifests = plans.map(({ steps }) => JSON.stringify(steps.at(-1)?.after)).join('\n');

async function ours(what: string): Promise<number> {
  requests = 0;
  const start = performance.now();
  const results = await applyMany(
    plans.map((plan) => ({ plan, provider })),
    { concurrency },
  );
  const ms = performance.now() - start;
  const done = results.filter(({ ok }) => ok).length;
  const each = (requests / count).toFixed(2);
  console.log(
    `vmgpu, ${what}: ${done} of ${count} VMs in ${(ms / 1000).toFixed(1)} s, ${each} requests a VM`,
  );
  return ms;
}

function kubectl(what: string): number {
  const start = performance.now();
  const args = ['--kubeconfig', kubeconfig ?? '', 'apply', '-n', namespace, '-f', '-'];
  const { status, stderr } = spawnSync('kubectl', args, { input: manifests, maxBuffer: 1e8 });
  if (status !== 0) throw new Error(String(stderr).slice(0, 500));
  const ms = performance.now() - start;
  console.log(`kubectl apply, ${what}: ${(ms / 1000).toFixed(1)} s`);
  return ms;
}

/** A GET and a POST for each VM, as fast as node's HTTP client sends them. */
async function floor(): Promise<number> {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig ?? '', 'utf8'));
  const { server, 'certificate-authority-data': ca } = clusters[0].cluster;
  const agent = new https.Agent({
    keepAlive: true,
    maxFreeSockets: concurrency,
    ca: Buffer.from(ca, 'base64'),
  });
  const path = `${server}/apis/kubevirt.io/v1/namespaces/${namespace}/virtualmachines`;
  const headers = { authorization: `Bearer ${users[0].user.token}`, 'content-type': 'application/json' };
  const send = (method: string, url: string, body?: string) =>
    new Promise<string>((resolve, reject) => {
      const request = https.request(url, { method, agent, headers }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => resolve(Buffer.concat(parts).toString()));
      });
      request.on('error', reject).end(body);
    });
  const left = manifests.split('\n');
  const start = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let body = left.pop(); body !== undefined; body = left.pop()) {
        await send('GET', `${path}/${JSON.parse(body).metadata.name}`);
        JSON.parse(await send('POST', `${path}?fieldValidation=Strict`, body));
      }
    }),
  );
  const ms = performance.now() - start;
  agent.destroy();
  console.log(`bare HTTPS, new: ${(ms / 1000).toFixed(1)} s, 2.00 requests a VM`);
  return ms;
}

async function clear(): Promise<void> {
  // While kubectl ran this process stood still, and the server may have closed its connections.
  const port = connectKube(source);
  const names: string[] = [];
  for await (const { metadata } of port.list(kubeResources.virtualMachines, { namespace }))
    names.push(metadata?.name ?? '');
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        await port.delete(kubeResources.virtualMachines, { name, namespace });
    }),
  );
  port.close();
}

console.log(execFileSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).split('\n')[0]);
await clear();
const least = await floor();
await clear();
const [first, again] = [await ours('new'), await ours('nothing to do')];
await clear();
const [theirs, theirsAgain] = [kubectl('new'), kubectl('nothing to do')];
await clear();
console.log(
  `times faster than kubectl: ${(theirs / first).toFixed(1)} new (bare HTTPS ${(theirs / least).toFixed(1)}), ${(theirsAgain / again).toFixed(1)} with nothing to do`,
);
port.close();
