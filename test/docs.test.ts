import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../packages/cli/test/harness.ts';

// Pages that name files that are gone mislead whoever takes over.

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...markdownBelow('docs'),
  ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`),
].filter((page) => existsSync(join(root, page)));

function markdownBelow(directory: string): readonly string[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name));
}

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');

  it('links only to what exists', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] ?? '');
    const missing = links.filter((link) => !existsSync(join(root, dirname(page), link)));
    expect(missing).toEqual([]);
  });

  it('names only files that exist', () => {
    const paths = [
      ...text.matchAll(/`((?:packages|scripts|test|bench|docs|examples|e2e|config)\/[A-Za-z0-9_./-]+)`/g),
    ]
      .map((match) => match[1] ?? '')
      .filter((path) => !/[*{…]/.test(path));
    const missing = paths.filter((path) => !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});
