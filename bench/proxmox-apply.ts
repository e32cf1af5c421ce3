/**
 * 200 VMs with a GPU each, made and started on the simulated Proxmox VE at concurrency 16: requests per VM, time, memory.
 * Run: pnpm exec tsx --conditions=@vmgpu/source bench/proxmox-apply.ts
 *
 * The floor, by what the API allows: a creation and a start are two orders, each with one look at its task at least (there is
 * no way to be told), and a read before and after the creation, without which it would be neither safe to repeat nor proven:
 * 6 requests. The read before the start makes it safe to run twice: 7. A mapping that is there already costs one read: 8.
 */
import type { GpuVm } from '@vmgpu/core';
import { Secret } from '@vmgpu/core';
import { applyMany } from '@vmgpu/core/engine';
import { createProxmox } from '@vmgpu/proxmox';
import { defaultScenario, startPve } from '@vmgpu/simulators/pve';

const count = 200;
const concurrency = 16;
const floor = 8;

const base = defaultScenario();
const [first] = base.nodes;
if (!first) throw new Error('the scenario has no node');
const cards = Array.from({ length: count }, (_, n) => ({
  id: `0000:${(n >> 5).toString(16).padStart(2, '0')}:${(n & 31).toString(16).padStart(2, '0')}.0`,
  class: '0x030200',
  vendor: '0x10de',
  device: '0x20b5',
  iommugroup: n,
  subsystem_vendor: '0x10de',
  subsystem_device: '0x1533',
}));
const pve = await startPve({
  scenario: { ...base, nodes: [{ ...first, devices: cards, mdevTypes: {} }] },
  taskMs: 20,
});
const secret = new Secret('admin-token-secret');
const provider = createProxmox({
  url: pve.url,
  auth: { token: { user: 'admin@pve', name: 'vmgpu', secret } },
});
const snapshot = await provider.snapshot('platform', { vm: { name: 'none-yet' } });
const jobs = Array.from({ length: count }, (_, n) => {
  const intent: GpuVm = {
    apiVersion: 'vmgpu/v1',
    kind: 'GpuVm',
    metadata: { name: `train-${n}` },
    spec: {
      cpu: { cores: 4, model: 'host' },
      memory: '8GiB',
      machine: 'q35',
      disks: [{ name: 'scsi0', size: '8GiB' }],
      gpus: [{ name: 'gpu0', mode: 'passthrough', device: { id: '10de:20b5' } }],
      providerOptions: { proxmox: { start: true } },
    },
  };
  return { plan: provider.translate.plan(intent, snapshot), provider };
});

pve.clearRequests();
globalThis.gc?.();
const memoryBefore = process.memoryUsage().heapUsed;
let peak = memoryBefore;
const sampler = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().heapUsed);
}, 20);
const began = performance.now();
const results = await applyMany(jobs, { concurrency });
const wallMs = performance.now() - began;
clearInterval(sampler);

const failed = results.filter(({ ok }) => !ok);
const requests = pve.requests.length;
const byRoute = new Map<string, number>();
for (const { method, route } of pve.requests) {
  const key = `${method} ${route}`;
  byRoute.set(key, (byRoute.get(key) ?? 0) + 1);
}
console.log(`${count} VMs at concurrency ${concurrency}: ${failed.length} failed`);
for (const { error } of failed.slice(0, 3)) console.log(`  ${error?.message}`);
console.log(
  `running on the cluster: ${pve.state.vms.filter(({ running }) => running).length}, ids taken twice: ${count - new Set(pve.state.vms.map(({ vmid }) => vmid)).size}`,
);
console.log(
  `requests: ${requests}, ${(requests / count).toFixed(2)} per VM (floor ${floor}, with one look at each task)`,
);
for (const [route, times] of [...byRoute].sort((a, b) => b[1] - a[1])) console.log(`  ${times} ${route}`);
console.log(
  `wall: ${(wallMs / 1000).toFixed(1)} s; the tasks alone take ${((2 * 20 * count) / concurrency / 1000).toFixed(1)} s, looks are 0.5 s apart`,
);
console.log(`heap: ${((peak - memoryBefore) / 2 ** 20).toFixed(0)} MiB over the start, simulator included`);
await provider.close?.();
await pve.close();
process.exitCode = failed.length > 0 ? 1 : 0;
