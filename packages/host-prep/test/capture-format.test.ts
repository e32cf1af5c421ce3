import { isVmgpuError, type VmgpuError } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CaptureSection, looksLikeCapture, parseCapture, printCapture } from '../src/capture/index.ts';
import { exampleCapture, exampleNames } from './capture-samples.ts';

const small =
  '#vmgpu-capture 1\n#file ok /proc/cmdline\n|ro quiet\n#file absent /etc/kernel/cmdline\n#end 2\n';

function refusal(text: string): VmgpuError {
  try {
    parseCapture(text, { file: 'host.txt' });
  } catch (error) {
    if (isVmgpuError(error)) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('parseCapture', () => {
  it('reads sections with their status and content', () => {
    expect(parseCapture(small, { file: 'a' })).toEqual({
      file: 'a',
      sections: [
        { kind: 'file', status: 'ok', name: '/proc/cmdline', text: 'ro quiet\n' },
        { kind: 'file', status: 'absent', name: '/etc/kernel/cmdline', text: '' },
      ],
    });
  });

  it('accepts CRLF line ends, a byte-order mark, and a greeting of the login shell', () => {
    const sections = parseCapture(small).sections;
    expect(parseCapture(small.replaceAll('\n', '\r\n')).sections).toEqual(sections);
    expect(parseCapture(`\uFEFF${small}`).sections).toEqual(sections);
    expect(parseCapture(`Welcome!\n${small}`).sections).toEqual(sections);
  });

  it('keeps content that looks like a header', () => {
    const text = '#vmgpu-capture 1\n#command ok x\n|#end 1\n||\n|\n#end 1\n';
    expect(parseCapture(text).sections[0]?.text).toBe('#end 1\n|\n\n');
    expect(printCapture(parseCapture(text).sections)).toBe(text);
  });

  it.each([
    ['nothing', '', 1, 'empty'],
    ['blanks', ' \n\n', 1, 'empty'],
    ['another file', 'root=/dev/sda1\n', 1, 'not a capture'],
    ['a later version', small.replace('capture 1', 'capture 2'), 1, 'unknown version'],
    ['a missing end', small.replace('#end 2\n', ''), 5, 'cut off'],
    ['an end in the middle of a line', small.slice(0, 45), 3, 'cut off'],
    ['a lost section', small.replace('#file absent /etc/kernel/cmdline\n', ''), 4, 'sections are missing'],
    ['a line without a bar', small.replace('|ro', 'ro'), 3, 'damaged'],
    ['binary data', small.replace('quiet', '\0\0'), 3, 'binary'],
    ['two captures in one file', small + small, 6, 'after the end'],
  ])('refuses %s and says where', (_, text, line, message) => {
    const error = refusal(text);
    expect(error).toMatchObject({ code: 'bad-capture', where: { file: 'host.txt', line } });
    expect(error.message).toContain(message);
    expect(error.expected).toBeTruthy();
  });

  it('notices every place at which a capture can be cut off', () => {
    const text = exampleCapture('qemu-mdev.txt');
    for (let length = 0; length < text.length - 1; length += 97) {
      expect(refusal(text.slice(0, length)).code).toBe('bad-capture');
    }
  });
});

describe('printCapture', () => {
  it.each(exampleNames)('gives back %s byte for byte', (name) => {
    const text = exampleCapture(name);
    expect(looksLikeCapture(text)).toBe(true);
    expect(printCapture(parseCapture(text).sections)).toBe(text);
  });

  it('is the inverse of parseCapture for any content', () => {
    const line = fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replace(/[\n\0]/g, ' '));
    const section: fc.Arbitrary<CaptureSection> = fc.record({
      kind: fc.constantFrom('file', 'command', 'lines', 'table', 'list'),
      status: fc.constantFrom('ok', 'absent', 'denied', 'skipped', 'rc=0', 'rc=124'),
      name: fc.string({ minLength: 1, maxLength: 30 }).map((text) => text.replace(/\s/g, '_')),
      text: fc.array(line, { maxLength: 5 }).map((lines) => lines.map((each) => `${each}\n`).join('')),
    });
    fc.assert(
      fc.property(fc.array(section, { maxLength: 6 }), (sections) => {
        expect(parseCapture(printCapture(sections)).sections).toEqual(sections);
      }),
      { numRuns: 300 },
    );
  });
});
