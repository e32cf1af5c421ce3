/**
 * VMs moved by the command between the real OpenStack and simulated platforms: into it from Proxmox VE, out of it to KubeVirt, and
 * within it. What is applied on a target is taken back by its journal; the source stays as it was.
 */
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
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { vmgpu } from '../../packages/cli/test/harness.ts';
import {
  bringUp,
  claimedDevices,
  configOf,
  leftovers,
  openCloud,
  passthrough,
  renderFragments,
  restartNova,
  restoreNova,
  smallVm,
  sql,
  stateDirectory,
} from './cloud.ts';
import { cleanCloud, makeNetwork, rest } from './rest.ts';

const a10 = '10de:2236';
const fragments = renderFragments(smallVm('train-1', [passthrough(a10)]));

let pve: PveSimulator;
let kube: KubeSimulator;
let directory: string;
let network: string;
let env: Record<string, string>;
const file = (name: string, text: string) => writeFileSync(join(directory, name), text);
const run = (...words: string[]) => vmgpu(words, { env, cwd: directory });

/** The Proxmox VE cluster has GT 1030s: for the move they stand for what the cloud has. */
const gt1030 = '10de:1d01';
const intent = (name: string, id: string, image?: string, network?: string) => `apiVersion: vmgpu/v1
kind: GpuVm
metadata: { name: ${name} }
spec:
  cpu: { cores: 2 }
  memory: 1GiB
  disks: [{ name: root, size: 1GiB${image === undefined ? '' : `, image: ${image}`} }]
  networks: [${network === undefined ? '' : `{ name: ${network} }`}]
  gpus: [{ name: gpu0, mode: passthrough, device: { id: "${id}" } }]
  providerOptions: { proxmox: { storage: local-lvm } }
`;

function cluster() {
  const labels = { 'nvidia.com/gpu.workload.config': 'vm-passthrough' };
  return {
    ...sampleScenario(),
    hardware: {
      'gpu-1': { cards: [{ id: a10, count: 1, resourceName: 'nvidia.com/GA102GL_A10' }] },
    },
    objects: [
      ...['default', 'kubevirt', 'gpu-operator', 'vms'].map(sampleNamespace),
      sampleNode('gpu-1', { nvidia: true, labels }),
      sampleKubeVirt(),
      sampleClusterPolicy({ sandboxWorkloads: { enabled: true, defaultWorkload: 'vm-passthrough' } }),
    ],
  };
}

const onKubernetes = () => kube.objects('virtualmachines.kubevirt.io').map(({ metadata }) => metadata.name);
/** The node's device plugin takes a moment. */
const publishesGpu = () =>
  kube.objects('nodes').some(({ status }) => JSON.stringify(status).includes('GA102GL_A10'));
const servers = () =>
  sql('select display_name, vm_state from nova.instances where deleted = 0 order by display_name');

describe('migrate --apply', () => {
  beforeAll(async () => {
    await bringUp();
    expect(await restartNova(fragments)).toMatchObject({ ok: true });
    network = await makeNetwork('private');
  });
  afterAll(async () => {
    await rest('network', 'DELETE', `/v2.0/networks/${network}`);
    await restoreNova();
  });
  beforeEach(async () => {
    await cleanCloud();
    [pve, kube] = await Promise.all([startPve(), startKube({ scenario: cluster() })]);
    await vi.waitUntil(publishesGpu, { timeout: 30_000 });
    directory = mkdtempSync(join(tmpdir(), 'vmgpu-migrate-'));
    file('kubeconfig', JSON.stringify(kube.kubeconfig('admin')));
    file('nova.conf', configOf(fragments)[0]?.text ?? '');
    file(
      'config.yaml',
      `connections:
  pve: { platform: proxmox, url: "${pve.url}", user: admin@pve, token: vmgpu, secret: { env: PVE_SECRET } }
  cloud: { platform: openstack, cloud: gpu-openstack, clouds: "${join(stateDirectory, 'clouds.yaml')}", novaConf: nova.conf }
  kube: { platform: kubevirt, kubeconfig: kubeconfig, namespace: vms }
`,
    );
    env = { VMGPU_CONFIG: join(directory, 'config.yaml'), PVE_SECRET: 'admin-token-secret' };
  });
  afterEach(async () => {
    await Promise.all([pve.close(), kube.close()]);
    rmSync(directory, { recursive: true, force: true });
  });

  it('Proxmox VE to the real OpenStack: says which image is missing, makes the server with its GPU, takes it back', async () => {
    file('vm.yaml', intent('train', gt1030, undefined, 'vmbr0'));
    const made = await run('apply', '-f', 'vm.yaml', '--to', 'proxmox', '--connection', 'pve');
    expect(made.status, made.err).toBe(0);
    const source = JSON.stringify(pve.state.vms);
    const move = [
      ...['migrate', '--from', 'proxmox', '--connection', 'pve', 'train'],
      ...['--to', 'openstack', '--target-connection', 'cloud', '--apply'],
    ];

    const open = await run(...move, '-o', 'out');
    expect(open.status, open.err).toBe(1);
    expect(open.err).toContain('a server starts from an image, and none is named');
    expect(await leftovers()).toEqual([]);

    const wrong = await run(...move, '-o', 'out', '--image', 'rot=tiny');
    expect(wrong.status).toBe(1);
    expect(wrong.err).toMatch(/the VM has no disk "rot"; it has \w+/);

    const disk = /disks:\n\s+- name: (\S+)/.exec(readFileSync(join(directory, 'out/vm.yaml'), 'utf8'))?.[1];
    const mapping = pve.state.mappings[0]?.id ?? '';
    const unnamed = await run(...move, '-o', 'out-2', '--image', `${disk}=tiny`);
    expect(unnamed.status).not.toBe(0);
    expect(unnamed.err).toMatch(/network "vmbr0" is a name of proxmox/);
    expect(await servers()).toEqual([]);

    const named = [
      ...['-o', 'out'],
      '--image',
      `${disk}=tiny`,
      '--network',
      'vmbr0=private',
      '--device',
      `${mapping}=${a10}`,
    ];
    const done = await run(...move, ...named);
    expect(done.status, done.err).toBe(0);
    expect(done.err).toContain('train is still on proxmox as it was');
    expect(JSON.stringify(pve.state.vms)).toBe(source);
    expect(await servers()).toEqual([['train', 'active']]);
    expect(Object.keys(await claimedDevices())).toEqual(['0000:41:00.0']);
    expect(await sql('select count(*) from neutron.ports')).toEqual([['1']]);

    const again = await run(...move, ...named);
    expect(again.err).toContain('everything was as wanted already');

    const undone = await run(
      'apply',
      '--undo',
      '--journal',
      'out/train.journal.json',
      '--connection',
      'cloud',
    );
    expect(undone.status, undone.err).toBe(0);
    expect(await leftovers()).toEqual([]);
  });

  it('the real OpenStack to KubeVirt: the alias is told by nova.conf, and the VM runs on the node with the card', async () => {
    file('vm.yaml', intent('train-2', a10, 'tiny'));
    const made = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', '--connection', 'cloud');
    expect(made.status, made.err).toBe(0);
    const before = await servers();
    const move = [
      ...['migrate', '--from', 'openstack', '--connection', 'cloud', 'train-2'],
      ...['--to', 'kubevirt', '--target-connection', 'kube', '--apply', '-o', 'out'],
      ...['--image', 'root=registry.example.org/tiny:1'],
    ];
    const done = await run(...move);
    expect(done.status, done.err).toBe(0);
    expect(onKubernetes()).toEqual(['train-2']);
    expect(readFileSync(join(directory, 'out/vm.yaml'), 'utf8')).toContain(a10);
    expect(await servers()).toEqual(before);

    const undone = await run(
      'apply',
      '--undo',
      '--journal',
      'out/train-2.journal.json',
      '--connection',
      'kube',
    );
    expect(undone.status, undone.err).toBe(0);
    expect(onKubernetes()).toEqual([]);
  });

  it('KubeVirt to the real OpenStack', async () => {
    file('vm.yaml', intent('train-3', a10, 'registry.example.org/tiny:1'));
    const made = await run('apply', '-f', 'vm.yaml', '--to', 'kubevirt', '--connection', 'kube');
    expect(made.status, made.err).toBe(0);
    const done = await run(
      ...['migrate', '--from', 'kubevirt', '--connection', 'kube', 'train-3', '--image', 'root=tiny'],
      ...['--to', 'openstack', '--target-connection', 'cloud', '--apply', '-o', 'out'],
    );
    expect(done.status, done.err).toBe(0);
    expect(await servers()).toEqual([['train-3', 'active']]);
    const { provider } = openCloud({ config: configOf(fragments) });
    const read = provider.translate.toIntent(
      await provider.describe({ name: 'train-3' }),
      await provider.snapshot('vm'),
    );
    expect(read.intent.spec.gpus).toEqual([expect.objectContaining({ mode: 'passthrough' })]);
    await provider.close?.();
    expect(onKubernetes()).toEqual(['train-3']);
  });

  it('a target that refuses leaves nothing there, and the source as it was', async () => {
    for (const name of ['full-1', 'full-2']) {
      file('vm.yaml', intent(name, a10, 'tiny'));
      const taken = await run('apply', '-f', 'vm.yaml', '--to', 'openstack', '--connection', 'cloud');
      expect(taken.status, taken.err).toBe(0);
    }
    const before = await leftovers();
    file('vm.yaml', intent('train-4', a10, 'registry.example.org/tiny:1'));
    expect((await run('apply', '-f', 'vm.yaml', '--to', 'kubevirt', '--connection', 'kube')).status).toBe(0);
    const refused = await run(
      ...['migrate', '--from', 'kubevirt', '--connection', 'kube', 'train-4', '--image', 'root=tiny'],
      ...['--to', 'openstack', '--target-connection', 'cloud', '--apply', '-o', 'out'],
    );
    expect(refused.status).toBe(3);
    expect(refused.err).toMatch(/all such devices are taken/);
    expect(await leftovers()).toEqual(before);
    expect(onKubernetes()).toEqual(['train-4']);
  });
});
