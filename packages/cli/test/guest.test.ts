import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CaptureSection, printCapture } from '@vmgpu/host-prep/capture';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hardware, ModelHost } from '../../host-prep/test/plan-model-host.ts';
import { knownHostsLine, type SshHost, startSshHost, userKey } from '../../host-prep/test/ssh-host.ts';
import { vmgpu } from './harness.ts';

// The inside of a VM: the same commands, for a machine that uses its GPU itself.

const address = '0000:06:00.0';
const card = { ...hardware.find(({ id }) => id.startsWith('10de:2236')), address, group: 1 };
const model = new ModelHost({ cards: [card as (typeof hardware)[number]] });
const smi = `<nvidia_smi_log><driver_version>580.95.05</driver_version><attached_gpus>1</attached_gpus>
<gpu id="00000000:06:00.0"><product_name>NVIDIA A10</product_name><product_brand>NVIDIA</product_brand><uuid>GPU-1</uuid></gpu></nvidia_smi_log>
`;
const section = (kind: CaptureSection['kind'], name: string, text: string, status = 'rc=0') =>
  ({ kind, name, status, text }) as CaptureSection;

/** The guest as it came: nouveau has the GPU, there is no driver of NVIDIA's. */
const bare = printCapture([
  ...model.sections(),
  section('command', 'nvidia-smi -q -x', '', 'absent'),
  section('command', 'nvidia-ctk --version', '', 'absent'),
]);
/** The same with driver and toolkit. */
const equipped = printCapture([
  ...model.sections().map((one) => {
    if (one.name === '/sys/bus/pci/devices') return { ...one, text: one.text.replace('nouveau', 'nvidia') };
    if (one.name !== 'paths') return one;
    const nodes = ['nvidia0', 'nvidiactl', 'nvidia-uvm', 'nvidia-modeset'];
    return { ...one, text: one.text + nodes.map((node) => `/dev/${node}\n`).join('') };
  }),
  section(
    'file',
    '/proc/driver/nvidia/version',
    'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\n',
    'ok',
  ),
  section('command', 'nvidia-smi -q -x', smi),
  section('command', 'nvidia-ctk --version', 'NVIDIA Container Toolkit CLI version 1.17.8\n'),
]);

let directory: string;
let guest: SshHost;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-guest-'));
  guest = await startSshHost({ files: model.foreign(), name: model.facts().host });
  guest.capture = bare;
  writeFileSync(join(directory, 'key'), userKey.private);
  writeFileSync(join(directory, 'known_hosts'), knownHostsLine(guest.port));
});
afterEach(async () => {
  await guest.close();
  rmSync(directory, { recursive: true, force: true });
});
const run = (...words: string[]) => vmgpu(words, { cwd: directory, env: { HOME: directory } });
const overSsh = (...words: string[]) =>
  run(...words, '--ssh', `root@127.0.0.1:${guest.port}`, '-i', 'key', '--known-hosts', 'known_hosts');

describe('a guest', () => {
  it('is planned from its capture: driver, toolkit, runtime', async () => {
    writeFileSync(join(directory, 'guest.txt'), bare);
    const { status, out } = await run('prepare', 'guest.txt', '--guest', '--runtime', 'containerd');
    expect(status).toBe(0);
    expect(out).toContain('+blacklist nouveau');
    expect(out).toContain('Install the NVIDIA driver');
    expect(out).toContain('nvidia-container-toolkit');
    const script = await run(
      'prepare',
      'guest.txt',
      '--guest',
      '--driver-run',
      '/root/NVIDIA.run',
      '--render',
      'sh',
    );
    expect(script.out).toContain('/root/NVIDIA.run');
  });

  it('is prepared over SSH as far as its reboot, and told how to go on', async () => {
    expect((await overSsh('doctor', '--guest')).status).toBe(1);
    const applied = await overSsh('prepare', '--guest', '--apply');
    expect(guest.file('/etc/modprobe.d/zz-vmgpu.conf')).toContain('blacklist nouveau');
    expect(applied.err).toContain('--resume');
    expect(applied.err).not.toContain('nvidia-smi:');
  });

  it('with a driver is left alone, and its nvidia-smi is read back', async () => {
    guest.capture = equipped;
    const applied = await overSsh('prepare', '--guest', '--apply');
    expect(applied.err).toContain('nvidia-smi: NVIDIA A10, driver 580.95.05');
    expect(applied.status).toBe(0);
    const told = await overSsh('prepare', '--guest', '--apply', '--json');
    const [host] = JSON.parse(told.out).hosts;
    expect(host.nvidia).toMatchObject({ driverVersion: '580.95.05', gpus: [{ productName: 'NVIDIA A10' }] });
    const judged = await overSsh('doctor', '--guest');
    // The model's capture leaves some things out: these cannot be told, and nothing is wrong.
    expect(judged.out).not.toContain('✗');
  });

  it('takes no driver branch that is none, and a machine without a GPU is said so', async () => {
    writeFileSync(join(directory, 'guest.txt'), bare);
    const branch = await run('prepare', 'guest.txt', '--guest', '--driver-branch', 'newest');
    expect(branch).toMatchObject({ status: 2, err: expect.stringContaining('three digits, such as 580') });
    writeFileSync(join(directory, 'none.txt'), printCapture(new ModelHost({ cards: [] }).sections()));
    const none = await run('prepare', 'none.txt', '--guest');
    expect(none.err).toContain('has no NVIDIA GPU');
    expect(none.status).not.toBe(0);
  });

  it('in a cluster needs the device plugin: printed as one file', async () => {
    const { status, out } = await run('prepare', '--render', 'kubernetes');
    expect(status).toBe(0);
    for (const word of ['kind: DaemonSet', 'kind: RuntimeClass', 'nvidia.com/gpu', 'nvidia-smi']) {
      expect(out).toContain(word);
    }
  });
});
