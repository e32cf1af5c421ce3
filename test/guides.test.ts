import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  commandsOf,
  isAsShown,
  programsOf,
  runCommand,
  runProgram,
  trimmed,
  workplace,
} from './guide-scenes.ts';

// What the guides show is what happens: every command and every program is run. `…` alone on a line stands for lines
// left out.

const directory = join(import.meta.dirname, '../docs/guides');
const guides = readdirSync(directory)
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => ({ name, text: readFileSync(join(directory, name), 'utf8') }));

/** Fails with the difference of the texts. */
function compare(shown: string, real: string): void {
  if (!isAsShown(shown, real)) expect(trimmed(real)).toEqual(trimmed(shown));
}

describe.each(guides)('$name', ({ text }) => {
  const place = workplace();
  afterAll(place.remove);

  it.each(commandsOf(text))('vmgpu $input', async ({ input, expected }) => {
    compare(expected, await runCommand(input, place.cwd));
  });

  it('has a program for the guest that prints what is shown', async () => {
    const programs = programsOf(text);
    expect(programs.length).toBeGreaterThan(0);
    for (const { input, expected } of programs) {
      compare(expected, await runProgram(input));
    }
  });
});

describe('the comparison', () => {
  it.each([
    ['a\nb\n', 'a\nb\n', true],
    ['a\n…\n', 'a\nb\nc\n', true],
    ['a\n…\nd\n', 'a\nb\nc\nd\n', true],
    ['a\n…\nc\n…\n', 'a\nb\nc\nd\n', true],
    ['a\n', 'a\nb\n', false],
    ['a\nb\n', 'a\n', false],
    ['a\n…\nx\n', 'a\nb\nc\n', false],
    ['a\n…\nx\n…\n', 'a\nb\nc\n', false],
    ['b\n…\n', 'a\nb\n', false],
  ])('%j shows %j: %s', (shown, real, same) => {
    expect(isAsShown(shown, real)).toBe(same);
  });
});
