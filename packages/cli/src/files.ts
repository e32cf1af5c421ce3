import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { badInput, VmgpuError } from '@vmgpu/core';
import type { Io } from './io.ts';

const largestInput = 64 * 1024 * 1024;

/** Reads a text file; `-` is standard input. Throws `bad-input` that names the file when it cannot be read. */
export async function readText(path: string, io: Io): Promise<string> {
  if (path === '-') return io.readStdin();
  let bytes: Buffer;
  try {
    bytes = await readFile(resolve(io.cwd, path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'no such file',
      EACCES: 'no permission to read',
      EISDIR: 'a directory',
    };
    throw badInput('cannot read the file', {
      where: { file: path },
      found: reasons[code ?? ''] ?? String(code),
      expected: 'a readable file',
    });
  }
  if (bytes.length > largestInput) {
    throw badInput('the file is too large', {
      where: { file: path },
      found: `${bytes.length} bytes`,
      expected: 'at most 64 MiB',
    });
  }
  return bytes.toString('utf8');
}

/** Writes one file whole or not at all. */
export async function writeText(path: string, text: string, io: Io, mode = 0o644): Promise<void> {
  const target = resolve(io.cwd, path);
  const temporary = join(dirname(target), `.vmgpu-${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeFile(temporary, text, { mode, flag: 'wx' });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new VmgpuError('bad-input', 'cannot write the file', {
      where: { file: path },
      found: (error as NodeJS.ErrnoException).code ?? String(error),
      expected: 'a place that can be written to',
      cause: error,
    });
  }
}

/** A path below a directory; refuses one that would leave it. */
export function pathInside(directory: string, relative: string): string {
  const clean = normalize(relative);
  if (isAbsolute(clean) || clean.startsWith('..')) {
    throw badInput('a file would be written outside the directory', {
      found: relative,
      expected: `a path below ${directory}`,
    });
  }
  return join(directory, clean);
}
