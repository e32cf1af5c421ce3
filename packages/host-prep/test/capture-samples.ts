import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { sharedData } from '../../core/test/shared-data.ts';

const examples = fileURLToPath(new URL('../../../examples/captures/', import.meta.url));

/** One of the captures that ship with the project. */
export function exampleCapture(name: string): string {
  return readFileSync(join(examples, name), 'utf8');
}

export const exampleNames = readdirSync(examples).filter((name) => name.endsWith('.txt'));

/** Collected captures of real hosts, when they lie beside the project. */
export const collected = sharedData('host/captures/dev');

/** Paths below a folder, relative to it. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

/** Text of a file, unpacked when it is gzip; archives (tar, bzip2) give their bytes as text. */
export function readText(file: string): string {
  const bytes = readFileSync(file);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8');
}
