import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { captureScript, parseCapture } from '../src/capture/index.ts';
import { hostFactsFromText, readHostFacts } from '../src/facts/index.ts';

/** Shells that are on this machine; the script has to work under all of them. */
const shells: readonly (readonly string[])[] = [['sh'], ['dash'], ['bash', '--posix'], ['busybox', 'sh']];

const available = (shell: readonly string[]) =>
  spawnSync(shell[0] ?? '', [...shell.slice(1), '-c', ':']).status === 0;

function collect(shell: readonly string[], environment: NodeJS.ProcessEnv = process.env): string {
  const [command = '', ...args] = shell;
  // As over SSH: the program comes on standard input.
  const result = spawnSync(command, [...args, '-s'], {
    input: captureScript,
    encoding: 'utf8',
    env: environment,
  });
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return result.stdout;
}

describe.each(shells.map((shell) => ({ name: shell.join(' '), shell })))('$name', ({ shell }) => {
  it.skipIf(!available(shell))('prints a whole capture that yields facts', () => {
    const capture = parseCapture(collect(shell));
    const facts = readHostFacts(capture);
    expect(facts.system.kernelRelease).toBe(spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout.trim());
    expect(facts.boot.cmdline).toHaveProperty('raw');
    expect(capture.sections.map(({ name }) => name)).toContain('/sys/kernel/iommu_groups');
  });
});

describe('the capture script', () => {
  it('works with an empty environment and without the commands it would like to have', () => {
    const facts = hostFactsFromText(collect(['/bin/sh'], {}));
    expect(facts.kind).toBe('HostFacts');
  });

  it('writes no file and starts nothing that stays', () => {
    expect(captureScript).not.toMatch(/[^<>&0-9]>{1,2}\s*[^&\s/]|\brm\b|\bmodprobe -[^c]|&\s*$/m);
    expect(
      [...captureScript.matchAll(/>\s*(\/\S+)/g)].map(([, file]) => file?.replace(/[;)].*/, '')),
    ).toEqual(expect.arrayContaining(['/dev/null']));
  });
});
