import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vmgpu } from '../../packages/cli/test/harness.ts';

// OpenSSH's own server and agent, and the real sudo with its real prompt: for a user who is made for it and removed again.

const sshd = '/usr/sbin/sshd';
const user = `vmgpu${process.pid}`;
const sudoers = `/etc/sudoers.d/${user}`;
const secret = 'a word for sudo';
let directory: string;
let port: number;
const running: ChildProcess[] = [];

describe('OpenSSH and sudo', () => {
  beforeAll(async () => {
    needPackages();
    directory = mkdtempSync(join(tmpdir(), 'vmgpu-sshd-'));
    const at = (name: string) => join(directory, name);
    const key = (name: string, passphrase = '') =>
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', at(name)]);
    key('host');
    key('plain');
    key('locked', 'a word for the key');
    execFileSync('useradd', ['--create-home', '--shell', '/bin/sh', user]);
    execFileSync('chpasswd', { input: `${user}:${secret}\n` });
    writeFileSync(sudoers, `${user} ALL=(ALL) ALL\n`, { mode: 0o440 });
    // The user must be able to read who may log in.
    const keys = join('/home', user, 'keys');
    writeFileSync(keys, ['plain', 'locked'].map((name) => readFileSync(at(`${name}.pub`), 'utf8')).join(''));
    port = await freePort();
    mkdirSync('/run/sshd', { recursive: true });
    writeFileSync(
      at('config'),
      `ListenAddress 127.0.0.1\nPort ${port}\nHostKey ${at('host')}\nAuthorizedKeysFile ${keys}\nStrictModes no\nPidFile none\nAllowTcpForwarding yes\n`,
    );
    const server = spawn(sshd, ['-D', '-e', '-f', at('config')], { stdio: ['ignore', 'ignore', 'pipe'] });
    running.push(server);
    await once(server.stderr as NonNullable<typeof server.stderr>, 'data');
    const known = readFileSync(at('host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    writeFileSync(at('known_hosts'), `[127.0.0.1]:${port} ${known}\n`);
  });
  afterAll(() => {
    for (const child of running) child.kill();
    spawnSync('userdel', ['--remove', '--force', user]);
    rmSync(sudoers, { force: true });
    rmSync(directory, { recursive: true, force: true });
  });

  /** `collect` from the host, with more fields of its entry. */
  const collect = (entry: string, env: Record<string, string> = {}, more: readonly string[] = []) => {
    writeFileSync(
      join(directory, 'hosts.yaml'),
      `hosts:\n  gpu01: { address: 127.0.0.1, port: ${port}, user: ${user}, ${entry} }\n  bastion: { address: 127.0.0.1, port: ${port}, user: ${user}, identity: plain }\n`,
    );
    const words = ['--hosts', 'hosts.yaml', '--ssh', 'gpu01', '--known-hosts', 'known_hosts', ...more];
    return vmgpu(['collect', ...words], { cwd: directory, env: { HOME: directory, ...env } });
  };
  const sudo = 'sudoPassword: { env: SUDO }';

  it('gives its password to the real prompt of sudo, and reads as root', async () => {
    const { status, out, err } = await collect(`identity: plain, ${sudo}`, { SUDO: secret });
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(out).toMatch(/^#vmgpu-capture 1\n/);
    expect(out).not.toContain(secret);
  });

  it('says that the password of sudo is wrong, or that none is named', async () => {
    const wrong = await collect(`identity: plain, ${sudo}`, { SUDO: 'not this one' });
    expect(wrong.status).toBe(3);
    expect(wrong.err).toContain(`does not take the password of ${user}`);
    expect(wrong.err + wrong.out).not.toContain('not this one');
    const none = await collect('identity: plain');
    expect(none).toMatchObject({
      status: 3,
      err: expect.stringMatching(/cannot become root|password is required/),
    });
  });

  it('logs in with an encrypted key, and says when its passphrase is wrong or missing', async () => {
    const withKey = (entry: string, env = {}) =>
      collect(`identity: locked, ${sudo}${entry}`, { SUDO: secret, ...env });
    const passphrase = ', passphrase: { env: KEY }';
    expect(await withKey(passphrase, { KEY: 'a word for the key' })).toMatchObject({ status: 0 });
    for (const refused of [await withKey(passphrase, { KEY: 'another' }), await withKey('')]) {
      expect(refused.status).not.toBe(0);
      expect(refused.err).toContain('a private key');
      expect(refused.err).toContain('passphrase');
    }
  });

  it('logs in by an agent, and through a jump host', async () => {
    const socket = join(directory, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'pipe' });
    running.push(agent);
    await once(agent.stdout, 'data');
    execFileSync('ssh-add', ['-q', join(directory, 'plain')], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
    });
    expect(await collect(sudo, { SUDO: secret, SSH_AUTH_SOCK: socket })).toMatchObject({
      status: 0,
      err: '',
    });
    const through = await collect(`identity: plain, jump: bastion, ${sudo}`, { SUDO: secret });
    expect(through).toMatchObject({ status: 0, err: '' });
  });

  it('is refused by a host whose key is not the known one, or not known', async () => {
    const other = `[127.0.0.1]:${port} ${readFileSync(join(directory, 'plain.pub'), 'utf8')}`;
    for (const [text, message] of [
      ['', 'is not known'],
      [other, 'has changed'],
    ]) {
      writeFileSync(join(directory, 'others'), text ?? '');
      const refused = await collect('identity: plain', {}, ['--known-hosts', 'others']);
      expect(refused.status).toBe(3);
      expect(refused.err).toContain(message);
      expect(refused.err).toMatch(/SHA256:/);
    }
  });
});

function needPackages(): void {
  const missing = ['openssh-server', 'openssh-client', 'sudo'].filter(
    (name) => spawnSync('dpkg', ['--status', name]).status !== 0,
  );
  if (missing.length === 0) return;
  execFileSync('apt-get', ['update', '-qq']);
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}
