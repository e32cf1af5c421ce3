import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Large collections of facts that lie beside the project and are never part of it, because they carry other licences.
 * Tests compare with them when they are there; every promise is also kept by a test of our own samples.
 */
const root = fileURLToPath(new URL('../../../../shared/data/', import.meta.url));

if (!existsSync(root)) {
  console.warn('shared data are not here: tests that compare with them are skipped');
}

/** Absolute path of a file or folder such as `proxmox/cases/x.json`; undefined when it is absent. */
export function sharedData(path: string): string | undefined {
  const file = `${root}${path}`;
  return existsSync(file) ? file : undefined;
}

/** The JSON document in such a file; undefined when it is absent. */
export function sharedJson<T>(path: string): T | undefined {
  const file = sharedData(path);
  return file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as T);
}
