import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Secret } from '@vmgpu/core';
import type { HostPort } from '@vmgpu/host-prep/exec';
import { createSshPort, fingerprintOf } from '@vmgpu/host-prep/ssh';

const start = promisify(execFile);

/**
 * `reset`: the processor starts anew; what the kernel had not written yet is lost. `power`: QEMU is killed as well; what the
 * disk had not flushed yet is lost too.
 */
export type Cut = 'reset' | 'power';

/** A real Debian host in QEMU; see README.md beside this file. */
export interface TestHost {
  readonly name: string;
  /** Runs a shell line there as root. Throws with what it printed when it fails. */
  ssh(command: string, stdin?: string): string;
  /** Connected as the user whose sudo asks for no password. To be closed. */
  port(): HostPort;
  /** Options of `vmgpu` that lead here. */
  target(): readonly string[];
  /** Variables of an Ansible inventory that lead here. */
  ansible(): Readonly<Record<string, string>>;
  bootId(): string;
  /** What the serial console has said since the machine was switched on. */
  console(): string;
  /** Reboots it and waits until it answers with another boot id. */
  reboot(): void;
  /** Waits until it answers with another boot id than this. */
  answers(before: string): Promise<void>;
  /** Cuts it off in the middle of whatever it does, switches it on, and waits until it answers. */
  cut(kind: Cut): Promise<void>;
  down(): void;
}

const tool = (name: string) => join(import.meta.dirname, name);

/** Builds the disk image once; a second run returns at once. */
export function buildImage(): void {
  execFileSync(tool('host-image'), ['--with-mdev'], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Boots a fresh host. `options` are those of `host-up`. */
export function bootHost(name: string, options: readonly string[] = []): TestHost {
  const up = [...options, '--timeout', '900', name];
  execFileSync(tool('host-up'), up, { stdio: ['ignore', 'ignore', 'inherit'] });
  const at = (variable: string) =>
    execFileSync('bash', ['-c', `. "$0"; printf %s "$${variable}"`, join(stateOf(name), 'env')], {
      encoding: 'utf8',
    });
  const [host, port, key] = ['HOSTVM_HOST', 'HOSTVM_PORT', 'HOSTVM_KEY'].map(at) as [string, string, string];
  const [, , hostKey = ''] = readFileSync(at('HOSTVM_KNOWN_HOSTS'), 'utf8').trim().split(' ');
  const user = 'hostadmin';
  const ssh = (command: string, stdin = '') => {
    const { status, stdout, stderr } = spawnSync(tool('host-ssh'), [name, command], {
      input: stdin,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`${name}: ${command}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  };
  const bootId = () => ssh('cat /proc/sys/kernel/random/boot_id').trim();
  const booted = (before: string) => ['--wait', '900', '-b', before, name];
  const answers = async (before: string) => void (await start(tool('host-ssh'), booted(before)));
  return {
    name,
    ssh,
    bootId,
    port: () =>
      createSshPort({
        host,
        port: Number(port),
        user,
        keys: [{ text: new Secret(readFileSync(key, 'utf8')) }],
        fingerprint: fingerprintOf(hostKey),
      }),
    target: () => [
      ...['--ssh', `${user}@${host}:${port}`],
      ...['--identity', key, '--fingerprint', fingerprintOf(hostKey)],
    ],
    ansible: () => ({
      ansible_host: host,
      ansible_port: port,
      ansible_user: user,
      ansible_ssh_private_key_file: key,
      ansible_python_interpreter: '/usr/bin/python3',
      ansible_ssh_common_args: `-F /dev/null -o UserKnownHostsFile=${at('HOSTVM_KNOWN_HOSTS')} -o HostKeyAlias=gpu-hostvm`,
    }),
    console: () => readFileSync(join(stateOf(name), 'serial.log'), 'utf8'),
    reboot() {
      const before = bootId();
      // The connection of a machine that goes down may never be closed: the reboot starts in the background.
      ssh('(sleep 1; systemctl reboot) </dev/null >/dev/null 2>&1 &');
      execFileSync(tool('host-ssh'), booted(before), { stdio: 'ignore' });
    },
    answers,
    async cut(kind) {
      if (kind === 'reset') {
        const monitor = join(stateOf(name), 'qmp.sock');
        await start('bash', ['-c', '. "$0"; qmp "$1" system_reset', tool('lib.sh'), monitor]);
        return answers('none');
      }
      const pid = Number(readFileSync(join(stateOf(name), 'pid'), 'utf8'));
      process.kill(pid, 'SIGKILL');
      while (isAlive(pid)) await wait(50);
      await start(tool('host-up'), up, { env: { ...process.env, HOSTVM_PORT: port } });
    },
    down() {
      spawnSync(tool('host-down'), [name], { stdio: 'ignore' });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function stateOf(name: string): string {
  return join(stateFolder(), 'run', name);
}

/** Where images, tools and running hosts are kept. */
export function stateFolder(): string {
  const { HOSTVM_STATE, XDG_STATE_HOME, HOME = '' } = process.env;
  return HOSTVM_STATE ?? join(XDG_STATE_HOME ?? join(HOME, '.local/state'), 'gpu-hostvm');
}
