import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, vmgpu } from '../packages/cli/test/harness.ts';

// The README's picture of the output is the output, and its program runs.

const readme = readFileSync(join(root, 'README.md'), 'utf8');

function blocks(language: string): readonly string[] {
  return [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1] ?? '',
  );
}

const scenes = blocks('console').flatMap((block) =>
  block
    .split(/^\$ vmgpu /m)
    .slice(1)
    .map((scene) => {
      const end = scene.indexOf('\n');
      return { words: scene.slice(0, end).split(' '), output: scene.slice(end + 1) };
    }),
);

describe('README', () => {
  it('shows commands with their output', () => {
    expect(scenes.length).toBeGreaterThanOrEqual(3);
  });

  it.each(scenes)('vmgpu $words', async ({ words, output }) => {
    const { out } = await vmgpu(words);
    expect(out.trimEnd()).toBe(output.trimEnd());
  });

  it('quotes the example file as it is', () => {
    const [, quoted] = /# examples\/jellyfin\.yaml\n([\s\S]*?)```/.exec(readme) ?? [];
    expect(quoted?.trimEnd()).toBe(readFileSync(join(root, 'examples/jellyfin.yaml'), 'utf8').trimEnd());
  });

  it('has a program that runs and says what it should', () => {
    const [program] = blocks('ts');
    // Inside the workspace, so that the packages resolve as they do for a user.
    const directory = mkdtempSync(join(root, 'out-readme-'));
    try {
      writeFileSync(join(directory, 'program.ts'), program ?? '');
      const tsx = join(root, 'node_modules/.bin/tsx');
      const out = execFileSync(tsx, ['--conditions=@vmgpu/source', join(directory, 'program.ts')], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(out).toContain("not-ready [ 'H19', 'H22' ]");
      expect(out).toMatch(/mapping/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
