// Writes the tables of docs/migrations.md by making VMs of one word each and moving them. Prints what it would write
// with --print. Run: tsx --conditions=@vmgpu/source scripts/build-migrations-table.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseGpuVm, platformNames } from '@vmgpu/core';
import { fateOf, travel } from '../test/migration-worlds.ts';

const a10 = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } };
const gt1030 = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:1d01' } };
const t4 = { name: 'gpu0', mode: 'vgpu', profile: 'T4-4Q' };
const root = { name: 'root', size: '20GiB', image: 'ubuntu-24.04' };

/** Words of an intent: what a person calls it, its place, and a VM that says it. */
const words = [
  ['labels', 'metadata.labels', {}, { team: 'ml' }],
  ['guest system', 'spec.guestOs', { guestOs: 'linux' }],
  ['virtual CPUs', 'spec.cpu.cores', { cpu: { cores: 8 } }],
  ['sockets', 'spec.cpu.sockets', { cpu: { cores: 8, sockets: 2 } }],
  ['threads per core', 'spec.cpu.threads', { cpu: { cores: 8, threads: 2 } }],
  ['CPU type `host`', 'spec.cpu.model', { cpu: { cores: 8, model: 'host' } }],
  ['another CPU model', 'spec.cpu.model', { cpu: { cores: 8, model: 'EPYC-Rome' } }],
  ['dedicated CPUs', 'spec.cpu.dedicated', { cpu: { cores: 8, dedicated: true } }],
  ['memory', 'spec.memory', { memory: '16GiB' }],
  ['huge pages', 'spec.hugepages', { hugepages: '1GiB' }],
  ['machine `q35`', 'spec.machine', { machine: 'q35' }],
  ['machine `pc`', 'spec.machine', { machine: 'pc' }],
  ['UEFI', 'spec.firmware.type', { firmware: { type: 'uefi' } }],
  ['Secure Boot', 'spec.firmware.secureBoot', { firmware: { type: 'uefi', secureBoot: true } }],
  ['TPM', 'spec.firmware.tpm', { firmware: { type: 'uefi', tpm: true } }],
  ['NUMA affinity preferred', 'spec.numa.gpuAffinity', { numa: { gpuAffinity: 'preferred' } }],
  ['NUMA affinity required', 'spec.numa.gpuAffinity', { numa: { gpuAffinity: 'required' } }],
  ['hidden hypervisor', 'spec.hideHypervisor', { hideHypervisor: true }],
  ['size of the root disk', 'spec.disks.size', {}],
  ['image of the root disk', 'spec.disks.image', {}],
  ['a second disk', 'spec.disks', { disks: [root, { name: 'data', size: '50GiB' }] }],
  ['networks', 'spec.networks', { networks: [{ name: 'vmbr0' }] }],
  ['no network', 'spec.networks', { networks: [] }],
  ['user data', 'spec.userData', { userData: '#cloud-config\n' }],
  ['a whole GPU', 'spec.gpus.device', { gpus: [a10] }],
  ['several GPUs', 'spec.gpus', { gpus: [{ ...a10, count: 2 }] }],
  ["the card's audio function", 'spec.gpus.companions', { gpus: [{ ...gt1030, companions: 'include' }] }],
  ['a vGPU by name', 'spec.gpus.profile', { gpus: [t4] }],
  ['display of a vGPU', 'spec.gpus.display', { gpus: [{ ...t4, display: true }] }],
];

const marks = {
  kept: '✓',
  approximated: '≈',
  lost: '✗',
  blocked: '!',
  'not said': '·',
  silent: 'SILENT',
};

export function migrationsTable() {
  const pairs = platformNames.flatMap((from) =>
    platformNames.filter((to) => to !== from).map((to) => [from, to]),
  );
  const rows = words.map(([name, path, spec, labels]) => {
    const fates = pairs.map(([from, to]) => {
      const intent = parseGpuVm({
        apiVersion: 'vmgpu/v1',
        kind: 'GpuVm',
        metadata: { name: 'vm-1', ...(labels ? { labels } : {}) },
        spec: {
          cpu: { cores: 4 },
          memory: '8GiB',
          disks: [root],
          gpus: [a10],
          ...spec,
          ...(from === 'proxmox' ? { providerOptions: { proxmox: { storage: 'local-lvm' } } } : {}),
        },
      });
      const journey = travel(from, to, intent);
      return journey === undefined ? marks['not said'] : marks[fateOf(path, intent, journey)];
    });
    return `| ${name} | ${fates.join(' | ')} |`;
  });
  const short = { kubevirt: 'KubeVirt', openstack: 'OpenStack', proxmox: 'Proxmox VE' };
  return [
    `| | ${pairs.map(([from, to]) => `${short[from]} → ${short[to]}`).join(' | ')} |`,
    `| --- |${pairs.map(() => ' :-: |').join('')}`,
    ...rows,
  ].join('\n');
}

const start = '<!-- table: made by scripts/build-migrations-table.mjs -->';
const end = '<!-- end of table -->';

/** The page with its table made anew. */
export function withTable(page) {
  const [head, rest = ''] = page.split(start);
  return `${head}${start}\n\n${migrationsTable()}\n\n${end}${rest.split(end)[1] ?? ''}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = join(import.meta.dirname, '../docs/migrations.md');
  if (process.argv.includes('--print')) console.log(migrationsTable());
  else writeFileSync(file, withTable(readFileSync(file, 'utf8')));
}
