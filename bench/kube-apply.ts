/**
 * 1,000 VMs on a real server of custom resources (e2e/kubevirt/api-up), by us and by `kubectl apply` of the same manifests.
 * The VMs are halted: what is measured is the API, not a cluster's scheduling. Needs kubectl.
 * Run: npx tsx --conditions=@vmgpu/source bench/kube-apply.ts KUBECONFIG
 */
import { execFileSync, spawnSync } from 'node:child_process';
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
    { concurrency: 32 },
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

async function clear(): Promise<void> {
  // While kubectl ran this process stood still, and the server may have closed its connections.
  const port = connectKube(source);
  for await (const { metadata } of port.list(kubeResources.virtualMachines, { namespace })) {
    await port.delete(kubeResources.virtualMachines, { name: metadata?.name ?? '', namespace });
  }
  port.close();
}

console.log(execFileSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).split('\n')[0]);
await clear();
const [first, again] = [await ours('new'), await ours('nothing to do')];
await clear();
const [theirs, theirsAgain] = [kubectl('new'), kubectl('nothing to do')];
await clear();
console.log(
  `times faster: ${(theirs / first).toFixed(1)} new, ${(theirsAgain / again).toFixed(1)} with nothing to do`,
);
port.close();
