import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HostEvent } from '@vmgpu/host-prep/exec';

const root = join(import.meta.dirname, '../..');

/** `vmgpu` as a process of its own, so that it can be killed. */
export interface Vmgpu {
  /** Exit status; null when it was killed. */
  readonly ended: Promise<number | null>;
  /** All it has said on standard error so far. */
  said(): string;
  /** Resolves with the first event that fits; undefined when there was none before the end. */
  event(fits: (event: HostEvent) => boolean): Promise<HostEvent | undefined>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Starts `vmgpu WORD... --json`. */
export function startVmgpu(words: readonly string[]): Vmgpu {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions=@vmgpu/source', 'packages/cli/src/main.ts', ...words, '--json'],
    { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const lines: string[] = [];
  const events: HostEvent[] = [];
  const listeners = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (line.startsWith('{')) events.push(JSON.parse(line) as HostEvent);
    for (const listener of listeners) listener();
  });
  const ended = once(child, 'close').then(([status]) => status as number | null);
  return {
    ended,
    said: () => lines.join('\n'),
    event: (fits) =>
      new Promise((resolve) => {
        const look = () => {
          const found = events.find(fits);
          if (found === undefined) return;
          listeners.delete(look);
          resolve(found);
        };
        listeners.add(look);
        void ended.then(() => resolve(undefined));
        look();
      }),
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs `vmgpu WORD...` to its end. */
export async function vmgpu(words: readonly string[]) {
  const run = startVmgpu(words);
  return { status: await run.ended, said: run.said() };
}
