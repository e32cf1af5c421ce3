import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shellCommand, shellQuote, VmgpuError } from '../src/index.ts';

/** What a real `sh` hands to a program as its arguments. */
function argumentsSeenBySh(line: string): string[] {
  const result = spawnSync('sh', ['-c', line], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: '/canary' },
  });
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return result.stdout.split('\0').slice(0, -1);
}

const nasty = fc.constantFrom(
  '',
  ' ',
  "'",
  '"',
  '\\',
  '\n',
  '$HOME',
  '$(id)',
  '`id`',
  '*',
  '~',
  '~root',
  '!!',
  '#',
  '&&',
  ';',
  '|',
  '-n',
  '--',
  '=x',
  'a=b',
  '{a,b}',
  '[a]',
  "'\\''",
  '\r',
  '\t',
  '\u0001',
  '\u007f',
  'ü',
  '🚀',
  '%s',
  '%%',
  '\\0',
  '>x',
  '<(id)',
  'if',
);
const word = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), nasty), { maxLength: 4 })
  .map((pieces) => pieces.join('').replaceAll('\0', ''));

describe('shellQuote', () => {
  it('gives a real sh back every byte of every argument', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (words) => {
        expect(argumentsSeenBySh(`printf '%s\\0' ${words.map(shellQuote).join(' ')}`)).toEqual(words);
        expect(argumentsSeenBySh(shellCommand(['printf', '%s\\0', ...words]))).toEqual(words);
      }),
      { numRuns: 60 },
    );
  });

  it('survives being quoted again, as for ssh and sh -c', () => {
    fc.assert(
      fc.property(word, (text) => {
        const inner = shellCommand(['printf', '%s\\0', text]);
        expect(argumentsSeenBySh(shellCommand(['sh', '-c', inner]))).toEqual([text]);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves harmless words readable and quotes the others', () => {
    for (const text of [
      'vfio-pci',
      '/etc/modprobe.d/vfio.conf',
      '10de:2236,10de:1aef',
      'iommu=pt',
      'a@b',
      '50%',
      'x+y',
    ]) {
      expect(shellQuote(text)).toBe(text);
    }
    expect(shellQuote('')).toBe("''");
    expect(shellQuote('=x')).toBe("'=x'");
    expect(shellQuote("it's")).toBe("'it'\\''s'");
  });

  it('lets no word become grammar when it stands first', () => {
    for (const name of ['PATH=/tmp', 'if', 'done', 'for', 'while', '{', '!']) {
      const { status, stderr } = spawnSync('sh', ['-c', shellCommand([name])], { encoding: 'utf8' });
      expect(status, name).toBe(127);
      expect(stderr).toContain('not found');
    }
  });

  it('refuses what no argument can carry', () => {
    for (const refuse of [
      () => shellQuote('a\0b'),
      () => shellCommand(['a=\0']),
      () => shellCommand(['a', '\0']),
    ]) {
      expect(refuse).toThrow(VmgpuError);
    }
  });
});
