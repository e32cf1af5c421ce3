/** A real sshd on the loopback interface, with keys of its own: this machine as a host that is reached over SSH. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprintOf } from '@vmgpu/host-prep/ssh';

export interface Sshd {
  readonly port: number;
  /** File of the key that root logs in with. */
  readonly identity: string;
  readonly fingerprint: string;
  stop(): void;
}

/** Needs root, and Debian's openssh-server. */
export async function startSshd(folder: string): Promise<Sshd> {
  const port = await freePort();
  for (const name of ['host', 'user'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${join(folder, 'host')}
AuthorizedKeysFile ${join(folder, 'user.pub')}
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
`,
  );
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const daemon = spawn('/usr/sbin/sshd', ['-D', '-f', config], { stdio: 'ignore' });
  for (let tries = 0; !(await isOpen(port)); tries += 1) {
    if (tries > 100 || daemon.exitCode !== null) throw new Error(`sshd does not listen on port ${port}`);
    await sleep(50);
  }
  const key = readFileSync(join(folder, 'host.pub'), 'utf8').split(' ')[1] ?? '';
  return {
    port,
    identity: join(folder, 'user'),
    fingerprint: fingerprintOf(Buffer.from(key, 'base64')),
    stop: () => void daemon.kill(),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
