import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestHost } from './host.ts';

/** A place where a command of the host is held: before it, after it, or so many seconds after it began. */
export interface Stop {
  readonly when: 'before' | 'after' | number;
  /** Glob of the command and its arguments, as one line. */
  readonly command: string;
}

const stopHere = readFileSync(join(import.meta.dirname, 'stop-here'), 'utf8');
let stops = 0;

/**
 * Has the host stop once at a place. `reached` tells whether it has. Sudo looks into /usr/local/sbin first; the stand-in is
 * there for this one program only, as it makes update-initramfs slow.
 */
export function stopAt(host: TestHost, { when, command }: Stop) {
  stops += 1;
  const token = `${process.pid}-${stops}`;
  const [program] = command.split(' ');
  host.ssh(
    `cd /usr/local/sbin && rm -f ./* && cat >stop-here && chmod 755 stop-here && ln -s stop-here ${program} && echo '${token} ${when} ${command}' >/run/vmgpu-stop`,
    stopHere,
  );
  return {
    reached: () => host.console().includes(`vmgpu-stop ${token}`),
    release: () => host.ssh('rm -f /run/vmgpu-stop'),
  };
}
