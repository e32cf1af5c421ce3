import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyManagedFiles, undoManagedFiles } from '../src/exec/index.ts';
import { createLocalPort } from '../src/local/index.ts';

/** What a shell would make something of, and other characters that are rare in names. */
const nasty = fc.string({
  unit: fc.constantFrom(
    ...' $`"\'\\;|&<>(){}[]*?!#~^%=-,.:@+aZ0é界'.split(''),
    '$(touch canary)',
    '`touch canary`',
    '--',
  ),
  minLength: 1,
  maxLength: 24,
});
const fileName = nasty.filter((name) => name !== '.' && name !== '..');
const content = fc.oneof(
  nasty,
  fc.string({ unit: fc.constantFrom('\n', '\t', '\r', "'", '$', 'EOF', 'a'), maxLength: 30 }),
);

describe('what a caller names', () => {
  it('reaches the host as it is: paths, contents, names of sets and services, arguments', async () => {
    const root = mkdtempSync(join(tmpdir(), 'vmgpu-nasty-'));
    const recorder = join(root, 'recorder');
    writeFileSync(recorder, `#!/bin/sh\nprintf '%s\\n' "$@" >'${root}/said'\n`);
    chmodSync(recorder, 0o755);
    const port = createLocalPort();
    try {
      await fc.assert(
        fc.asyncProperty(fileName, content, nasty, nasty, async (name, text, service, argument) => {
          const path = join(root, 'etc', 'x', name);
          fc.pre(path === `${root}/etc/x/${name}`);
          const set = {
            name: service,
            files: [{ path, content: text }],
            services: [{ name: service, restart: [recorder, argument, service] }],
          };
          const options = { stateDirectory: join(root, argument), settleSeconds: 0 };
          expect(await applyManagedFiles(port, set, options)).toEqual({
            status: 'changed',
            files: [path],
            restarted: [service],
          });
          expect(readFileSync(path, 'utf8')).toBe(text);
          expect(readFileSync(join(root, 'said'), 'utf8')).toBe(`${argument}\n${service}\n`);
          await undoManagedFiles(port, set, options);
          expect(existsSync(path)).toBe(false);
        }),
        { numRuns: 15 },
      );
      const all = readdirSync(root, { recursive: true, encoding: 'utf8' });
      expect(all.filter((path) => path.endsWith('canary'))).toEqual([]);
      expect(existsSync('canary')).toBe(false);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
