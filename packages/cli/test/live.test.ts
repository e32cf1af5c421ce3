import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PveSimulator, startPve } from '@vmgpu/simulators/pve';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root, vmgpu } from './harness.ts';

// The command against a cluster: the simulator speaks real HTTP on a loopback port and is strict.

const secret = 'admin-token-secret';
let pve: PveSimulator;
let directory: string;
let env: Record<string, string>;

beforeEach(async () => {
  pve = await startPve();
  directory = mkdtempSync(join(tmpdir(), 'vmgpu-live-'));
  copyFileSync(join(root, 'examples/jellyfin.yaml'), join(directory, vm));
  writeFileSync(
    join(directory, 'config.yaml'),
    `connections:
  lab: { platform: proxmox, url: "${pve.url}", user: admin@pve, token: vmgpu, secret: { env: PVE_SECRET } }
  other: { platform: proxmox, url: "${pve.url}", user: admin@pve, token: vmgpu, secret: { file: secret.txt } }
`,
  );
  env = { VMGPU_CONFIG: join(directory, 'config.yaml'), PVE_SECRET: secret };
});
afterEach(async () => {
  await pve.close();
  rmSync(directory, { recursive: true, force: true });
});

const vm = 'vm.yaml';
const run = (...words: string[]) => vmgpu(words, { env, cwd: directory });
const made = () => ({
  vms: pve.state.vms.map((one) => one.config.name),
  mappings: pve.state.mappings.map(({ id }) => id),
});

describe('plan, apply, apply again, undo', () => {
  it('makes what the plan says, once, and takes it back', async () => {
    expect(
      (await run('plan', '-f', vm, '--to', 'proxmox', '--connection', 'lab', '-o', 'plan.json')).status,
    ).toBe(0);
    expect(made()).toEqual({ vms: [], mappings: [] });
    expect((await run('apply', 'plan.json', '--connection', 'lab')).status).toBe(0);
    expect(made()).toEqual({ vms: ['jellyfin'], mappings: ['gpu-10de-1d01'] });

    const again = await run('apply', 'plan.json', '--connection', 'lab');
    expect(again.err).toContain('everything was as wanted already');
    expect(made().vms).toEqual(['jellyfin']);

    const undone = await run('apply', 'plan.json', '--undo', '--connection', 'lab');
    expect(undone.err).toContain('taken back');
    expect(made()).toEqual({ vms: [], mappings: [] });
  });

  it('changes the GPUs of a VM that exists, and nothing else of it', async () => {
    await run('apply', '-f', vm, '--to', 'proxmox', '--connection', 'lab');
    const before = { ...pve.state.vms[0]?.config };
    writeFileSync(
      join(directory, 'none.yaml'),
      'apiVersion: vmgpu/v1\nkind: GpuVm\nmetadata: { name: jellyfin }\nspec: { gpus: [] }\n',
    );
    const { status } = await run(
      'apply',
      '-f',
      'none.yaml',
      '--to',
      'proxmox',
      '--vm',
      '100',
      '--connection',
      'lab',
    );
    expect(status).toBe(0);
    const { hostpci0: _taken, ...rest } = before;
    expect(pve.state.vms[0]?.config).toEqual(rest);
  });

  it('refuses to begin beside an apply that did not end', async () => {
    await run('plan', '-f', vm, '--to', 'proxmox', '--connection', 'lab', '-o', 'plan.json');
    pve.setFault(({ method, path }) =>
      method === 'POST' && path.endsWith('/qemu') ? { status: 500, message: 'no space left\n' } : undefined,
    );
    const failed = await run('apply', 'plan.json', '--keep', '--connection', 'lab');
    expect(failed.status).toBe(3);
    expect(failed.err).toContain('no space left');
    expect((await run('apply', 'plan.json', '--connection', 'lab')).err).toContain('--resume or --undo');
    pve.setFault(undefined);
    expect((await run('apply', 'plan.json', '--resume', '--connection', 'lab')).status).toBe(0);
    expect(made()).toEqual({ vms: ['jellyfin'], mappings: ['gpu-10de-1d01'] });
  });

  it('prints one document with --json, and events as lines beside it', async () => {
    const { out, err } = await run('apply', '-f', vm, '--to', 'proxmox', '--connection', 'lab', '--json');
    expect(JSON.parse(out)).toMatchObject({ kind: 'OperationResult', changed: true });
    const events = err
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line).type);
    expect(events[0]).toBe('operation-start');
    expect(events.at(-1)).toBe('operation-end');
  });
});

describe('connections', () => {
  it('say which there are, and that a secret is missing, without showing one', async () => {
    const unknown = await run('inventory', '--connection', 'lba');
    expect(unknown.status).toBe(2);
    expect(unknown.err).toContain('did you mean lab?');
    delete env.PVE_SECRET;
    const missing = await run('inventory', '--connection', 'lab');
    expect(missing.err).toContain('PVE_SECRET');
    expect((await run('inventory', '--from', 'proxmox')).err).toContain('more than one connection');
  });

  it('never print a secret: not in output, plan, journal or error', async () => {
    writeFileSync(join(directory, 'secret.txt'), `${secret}-wrong\n`);
    const texts = [
      await run('apply', '-f', vm, '--to', 'proxmox', '--connection', 'lab', '--journal', 'j.json'),
      await run('inventory', '--connection', 'lab', '--json'),
      await run('inventory', '--connection', 'other'),
    ].flatMap(({ out, err }) => [out, err]);
    expect(texts.join('\n')).toMatch(/auth|token/i);
    for (const text of [...texts, readFileSync(join(directory, 'j.json'), 'utf8')])
      expect(text).not.toContain(secret);
  });

  it('refuse a configuration that writes a secret down', async () => {
    writeFileSync(
      join(directory, 'config.yaml'),
      'connections:\n  lab: { platform: proxmox, url: "https://x", user: a@b, secret: hunter2 }\n',
    );
    const { status, err } = await run('inventory', '--connection', 'lab');
    expect(status).toBe(2);
    expect(err).toContain('config.yaml:2:');
    expect(err).not.toContain('hunter2');
  });
});
