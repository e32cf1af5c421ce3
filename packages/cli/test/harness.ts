import { join } from 'node:path';
import { type ExitStatus, type Io, run } from '../src/index.ts';

export const root = join(import.meta.dirname, '../../..');

export interface Outcome {
  readonly status: ExitStatus;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, as a user would type it, with a captured terminal. */
export async function vmgpu(
  words: readonly string[],
  options: { stdin?: string; cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<Outcome> {
  let out = '';
  let err = '';
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    readStdin: async () => options.stdin ?? '',
    env: options.env ?? {},
    cwd: options.cwd ?? root,
    terminal: false,
    width: 100,
    signal: new AbortController().signal,
  };
  const status = await run(words, io);
  return { status, out, err };
}
