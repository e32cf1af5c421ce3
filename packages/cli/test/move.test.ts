import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type KubeSimulator,
  sampleClusterPolicy,
  sampleKubeVirt,
  sampleNamespace,
  sampleNode,
  sampleScenario,
  startKube,
} from '@vmgpu/simulators/kube';
import { type PveSimulator, startPve } from '@vmgpu/simulators/pve';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vmgpu } from './harness.ts';

// A VM from one live platform to another, both simulated over real HTTP.

let pve: PveSimulator;
let kube: KubeSimulator;
let directory: string;
let env: Record<string, string>;

beforeEach(async () => {
  [pve, kube] = await Promise.all([startPve(), startKube({ scenario: withGt1030() })]);
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-move-'));
  writeFileSync(join(directory, 'kubeconfig'), JSON.stringify(kube.kubeconfig('admin')));
  writeFileSync(
    join(directory, 'config.yaml'),
    `connections:
  old: { platform: proxmox, url: "${pve.url}", user: admin@pve, token: vmgpu, secret: { env: PVE_SECRET } }
  new: { platform: kubevirt, kubeconfig: kubeconfig, namespace: vms }
`,
  );
  writeFileSync(
    join(directory, 'vm.yaml'),
    `apiVersion: vmgpu/v1
kind: GpuVm
metadata: { name: train }
spec:
  cpu: { cores: 2 }
  memory: 4GiB
  gpus: [{ name: gpu0, mode: passthrough, device: { id: "10de:1d01" } }]
`,
  );
  env = { VMGPU_CONFIG: join(directory, 'config.yaml'), PVE_SECRET: 'admin-token-secret' };
});
afterEach(async () => {
  await Promise.all([pve.close(), kube.close()]);
  rmSync(directory, { recursive: true, force: true });
});

/** One node with a GT 1030, prepared for passthrough. */
function withGt1030() {
  const labels = { 'nvidia.com/gpu.workload.config': 'vm-passthrough' };
  return {
    ...sampleScenario(),
    hardware: {
      'gpu-1': { cards: [{ id: '10de:1d01', count: 1, resourceName: 'nvidia.com/GP108_GEFORCE_GT_1030' }] },
    },
    objects: [
      ...['default', 'kubevirt', 'gpu-operator', 'vms'].map(sampleNamespace),
      sampleNode('gpu-1', { nvidia: true, labels }),
      sampleKubeVirt(),
      sampleClusterPolicy({ sandboxWorkloads: { enabled: true, defaultWorkload: 'vm-passthrough' } }),
    ],
  };
}

const run = (...words: string[]) => vmgpu(words, { env, cwd: directory });

const onTarget = () => kube.objects('virtualmachines.kubevirt.io').map(({ metadata }) => metadata.name);
const live = [
  ...['migrate', '--from', 'proxmox', '--connection', 'old', 'train'],
  ...['--to', 'kubevirt', '--target-connection', 'new'],
];

describe('migrate between live platforms', () => {
  beforeEach(async () => {
    expect((await run('apply', '-f', 'vm.yaml', '--to', 'proxmox', '--connection', 'old')).status).toBe(0);
  });

  it('plans against what the target has, and changes nothing without --apply', async () => {
    const { status, out, err } = await run(...live);
    expect(status).toBe(0);
    expect(out).toContain('create VirtualMachine vms/train');
    expect(err).toContain('1 of them losses');
    expect(onTarget()).toEqual([]);
  });

  it('carries it out, leaves the source as it was, and takes it back by its journal', async () => {
    const source = JSON.stringify(pve.state.vms);
    const { status, out, err } = await run(...live, '--apply', '-o', 'out');
    expect(status).toBe(0);
    expect(out).toBe('');
    expect(err).toContain('train is still on proxmox as it was');
    expect(onTarget()).toEqual(['train']);
    expect(JSON.stringify(pve.state.vms)).toBe(source);
    expect(readFileSync(join(directory, 'out/vm.yaml'), 'utf8')).toContain('10de:1d01');

    const undone = await run('apply', '--undo', '--journal', 'out/train.journal.json', '--connection', 'new');
    expect(undone.err).toContain('taken back');
    expect(onTarget()).toEqual([]);
  });

  it('prints one document with --json', async () => {
    const planned = await run(...live, '--json');
    expect(JSON.parse(planned.out)).toMatchObject({ kind: 'Migration', from: 'proxmox', to: 'kubevirt' });
    const applied = await run(...live, '--apply', '--json');
    expect(JSON.parse(applied.out)).toMatchObject({ kind: 'OperationResult', changed: true });
  });

  it('stops at a name for the target that means nothing on the source', async () => {
    const { status, err } = await run(...live, '--apply', '--image', 'rot=tiny');
    expect(status).toBe(1);
    expect(err).toContain('the VM has no disk "rot"; it has none');
    expect((await run(...live, '--network', 'vmbr0')).err).toContain('--network is not a pair');
    expect(onTarget()).toEqual([]);
  });

  it('with --strict stops at a loss, before anything is done', async () => {
    expect((await run(...live, '--apply', '--strict')).status).toBe(1);
    expect(onTarget()).toEqual([]);
  });
});
