import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** A real Debian host in QEMU; see README.md beside this file. */
export interface TestHost {
  readonly name: string;
  /** Runs a shell line there as root. Throws with what it printed when it fails. */
  ssh(command: string, stdin?: string): string;
  /** Reboots it and waits until it answers with another boot id. */
  reboot(): void;
  down(): void;
}

const tool = (name: string) => join(import.meta.dirname, name);

/** Builds the disk image once; a second run returns at once. */
export function buildImage(): void {
  execFileSync(tool('host-image'), ['--with-mdev'], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Boots a fresh host. `options` are those of `host-up`. */
export function bootHost(name: string, options: readonly string[] = []): TestHost {
  execFileSync(tool('host-up'), [...options, name], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ssh = (command: string, stdin = '') => {
    const { status, stdout, stderr } = spawnSync(tool('host-ssh'), [name, command], {
      input: stdin,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`${name}: ${command}: status ${status}\n${stdout}${stderr}`);
    return stdout;
  };
  return {
    name,
    ssh,
    reboot() {
      const before = ssh('cat /proc/sys/kernel/random/boot_id').trim();
      // The connection of a machine that goes down may never be closed: the reboot starts in the background.
      ssh('(sleep 1; systemctl reboot) </dev/null >/dev/null 2>&1 &');
      execFileSync(tool('host-ssh'), ['--wait', '900', '-b', before, name], { stdio: 'ignore' });
    },
    down() {
      spawnSync(tool('host-down'), [name], { stdio: 'ignore' });
    },
  };
}
