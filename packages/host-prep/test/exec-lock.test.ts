import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { scriptFailure } from '../src/exec/script-failure.ts';
import { planHost } from '../src/plan/index.ts';
import { lockWords } from '../src/render/lock.ts';
import { shellScript } from '../src/render/shell.ts';
import { ModelHost } from './plan-model-host.ts';

// One vmgpu at a time, where there is a flock and where there is none.

const hasBusybox = spawnSync('busybox', ['true']).status === 0;
const bare = ['cat', 'date', 'id', 'ln', 'mkdir', 'readlink', 'rm', 'sh', 'sleep', 'command'];
const running: ChildProcess[] = [];
const made: string[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'vmgpu-lock-'));
  made.push(path);
  return path;
}

/** A PATH of busybox programs only, without flock. */
function userland(): string {
  const bin = folder();
  for (const name of bare)
    symlinkSync(execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim(), join(bin, name));
  return bin;
}

const script = `set -eu
say() { echo "vmgpu: $*" >&2; }
${lockWords}
lock "$1/state"
echo held
eval "$2"
`;
const words = (shell: string) => (shell === 'busybox sh' ? ['busybox', 'sh'] : [shell]);
const hosts = [
  { name: 'with flock, sh', shell: 'sh', env: { PATH: process.env.PATH ?? '' } },
  ...(hasBusybox ? [{ name: 'without flock, busybox sh', shell: 'busybox sh', env: undefined }] : []),
  ...(hasBusybox ? [{ name: 'without flock, dash', shell: 'sh', env: undefined }] : []),
].map((host) => ({ ...host, environment: () => host.env ?? { PATH: userland() } }));

describe.each(hosts)('a host $name', ({ shell, environment }) => {
  const [program = '', ...first] = words(shell);
  const absolute = execFileSync('which', [program], { encoding: 'utf8' }).trim();
  const start = (place: string, then = 'cat', env: Record<string, string> = environment()) => {
    const child = spawn(absolute, [...first, '-c', script, 'sh', place, then], { env });
    running.push(child);
    return child;
  };
  const take = (place: string) =>
    spawnSync(absolute, [...first, '-c', script, 'sh', place, ':'], { env: environment(), encoding: 'utf8' });

  it('refuses the second one and names the first, until that has ended or was killed', async () => {
    const place = folder();
    for (const end of ['itself', 'killed']) {
      const holder = start(place);
      await once(holder.stdout, 'data');
      const second = take(place);
      expect(second.status).toBe(1);
      expect(second.stdout).toBe('');
      expect(second.stderr).toMatch(
        new RegExp(
          `another vmgpu is at work on this host: process ${holder.pid} of \\S+, since \\d{4}-\\d\\d-\\d\\dT[0-9:]{8}Z`,
        ),
      );
      const error = scriptFailure('gpu01', undefined, { status: 1, stdout: '', stderr: second.stderr });
      expect(error).toMatchObject({ code: 'conflict', message: expect.stringContaining(`${holder.pid}`) });
      if (end === 'killed') holder.kill('SIGKILL');
      else holder.stdin.end();
      await once(holder, 'close');
      expect(take(place)).toMatchObject({ status: 0, stdout: 'held\n' });
    }
  });

  it('lets exactly one in when many come at once', async () => {
    const place = folder();
    const env = environment();
    const all = Array.from({ length: 8 }, () => start(place, 'sleep 5', env));
    const outcomes = await Promise.all(
      all.map(async (child) => {
        const [what] = await Promise.race([
          once(child.stdout, 'data').then(() => ['in']),
          once(child, 'exit').then(() => ['out']),
        ]);
        return what;
      }),
    );
    expect(outcomes.filter((outcome) => outcome === 'in')).toHaveLength(1);
  });
});

describe.skipIf(!hasBusybox)('a lock without flock', () => {
  const take = (place: string) =>
    spawnSync('/bin/sh', ['-c', script, 'sh', place, ':'], { env: { PATH: userland() }, encoding: 'utf8' });
  const links = (place: string) => readdirSync(join(place, 'state'));

  it.each([
    ['an earlier boot', `${process.pid} 1 00000000-dead-beef-0000-000000000000 root 2026-01-01T00:00:00Z`],
    ['a number that is another process now', 'PID 1 BOOT root 2026-01-01T00:00:00Z'],
    ['nothing that can be read', 'rubbish'],
  ])('of %s is taken over', (_, text) => {
    const place = folder();
    const boot = execFileSync('cat', ['/proc/sys/kernel/random/boot_id'], { encoding: 'utf8' }).trim();
    execFileSync('mkdir', [join(place, 'state')]);
    const old = text.replace('PID', String(process.pid)).replace('BOOT', boot);
    symlinkSync(old, join(place, 'state/lock.7'));
    expect(take(place)).toMatchObject({ status: 0, stdout: 'held\n' });
    // The old one goes, and the count goes on.
    expect(links(place)).toEqual(['lock.8']);
    expect(readlinkSync(join(place, 'state/lock.8'))).toContain(boot);
  });
});

describe('a boot entry that cannot be read', () => {
  const words = (consent: readonly 'unread-boot-entry'[]) => {
    const plan = planHost(new ModelHost().facts(), { mode: 'vm-passthrough', consent });
    const line = /^entry_has .*$/m.exec(shellScript(plan))?.[0] ?? '';
    const [functions = ''] = shellScript(plan).split('[ -n "$root" ] || [ "$(id -u)"');
    return spawnSync('sh', ['-c', `${functions}\nroot= entry=\n${line}\necho went on`], { encoding: 'utf8' });
  };

  it('stops the work before the reboot', () => {
    const { status, stdout, stderr } = words([]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    const error = scriptFailure('gpu01', 'verify-boot-entry', { status: 1, stdout: '', stderr });
    expect(error).toMatchObject({
      code: 'host-not-ready',
      hint: expect.stringContaining('unread-boot-entry'),
    });
  });

  it('is passed over when that risk was taken by name', () => {
    expect(words(['unread-boot-entry'])).toMatchObject({ status: 0, stdout: 'went on\n' });
  });
});
