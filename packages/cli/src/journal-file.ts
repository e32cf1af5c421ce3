import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { badInput } from '@vmgpu/core';
import { type JournalPort, type OperationState, parseOperationState } from '@vmgpu/core/engine';
import { readText } from './files.ts';
import type { Io } from './io.ts';

/**
 * A journal in one file, replaced whole at each save and flushed to the disk before the work goes on. Only its owner may
 * read it: it holds native values.
 */
export function journalFile(path: string, io: Pick<Io, 'cwd'>): JournalPort {
  const target = resolve(io.cwd, path);
  const temporary = join(dirname(target), `.${process.pid}-${Date.now()}.vmgpu-journal`);
  return {
    async save(state) {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(state)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, target).catch(async (error: unknown) => {
        await rm(temporary, { force: true });
        throw error;
      });
    },
  };
}

/** Reads a journal back. Throws `bad-input` that names the file when it is none. */
export async function readJournal(path: string, io: Io): Promise<OperationState> {
  const text = await readText(path, io);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw badInput('not a journal', {
      where: { file: path },
      found: (error as Error).message,
      expected: 'JSON',
    });
  }
  return parseOperationState(document);
}
