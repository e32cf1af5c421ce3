import { VmgpuError } from '@vmgpu/core';

/**
 * The text that the capture script prints and that every parser of this package starts from.
 *
 * ```
 * #vmgpu-capture 1
 * #file ok /proc/cmdline
 * |BOOT_IMAGE=/boot/vmlinuz-6.1 root=/dev/sda1 ro quiet
 * #command rc=1 dmesg
 * |dmesg: read kernel buffer failed: Operation not permitted
 * #file absent /etc/kernel/cmdline
 * #end 3
 * ```
 *
 * Headers stand at column 0, content never does: each of its lines follows a `|`, so nothing that a host says can fake
 * a header. `#end` counts the sections, so that a capture that was cut off is noticed.
 */
export interface CaptureSection {
  /**
   * - `file`: a whole file
   * - `command`: what a command printed, both streams
   * - `lines`: only the lines of a file or command that matter here
   * - `table`: `path:text` of many small files below a directory, and `path:target` of its links
   * - `list`: paths that exist
   */
  readonly kind: CaptureKind;
  /** File, directory or command. */
  readonly name: string;
  readonly status: CaptureStatus;
  /** Content; every line ends in a newline. */
  readonly text: string;
}

export type CaptureKind = (typeof kinds)[number];

/**
 * - `ok`
 * - `rc=N`: the command ended with this status; 124 says that it ran out of time
 * - `absent`: no such file or command
 * - `denied`: root could have read it
 * - `skipped`: left out because it is slow; the content says how to get it
 */
export type CaptureStatus = 'ok' | 'absent' | 'denied' | 'skipped' | `rc=${number}`;

export interface HostCapture {
  /** Name of the file it was read from; only used in messages. */
  readonly file?: string;
  readonly sections: readonly CaptureSection[];
}

const kinds = ['file', 'command', 'lines', 'table', 'list'] as const;
const magic = '#vmgpu-capture';
const version = '1';
const headerLine = new RegExp(`^#(${kinds.join('|')}) (ok|absent|denied|skipped|rc=\\d{1,3}) (.+)$`);

/** True when the text has a capture's first line, damaged or not. A login shell's greeting may stand before it. */
export function looksLikeCapture(text: string): boolean {
  return startOf(text) >= 0;
}

/** Reads a capture. Throws `bad-capture` for anything that is not one whole capture. CRLF line ends are accepted. */
export function parseCapture(text: string, options: { readonly file?: string } = {}): HostCapture {
  const start = startOf(text);
  const fail = (message: string, line: number, found: string, expected: string, hint?: string) =>
    new VmgpuError('bad-capture', message, {
      where: { ...options, line },
      found,
      expected,
      ...(hint === undefined ? {} : { hint }),
    });
  if (text.trim() === '') {
    throw fail('the capture is empty', 1, '', `a first line "${magic} ${version}"`, rerun);
  }
  if (start < 0) {
    throw fail('not a capture', 1, text.split('\n', 1)[0] ?? '', `a first line "${magic} ${version}"`, rerun);
  }
  const skipped = text.slice(0, start).split('\n').length - 1;
  const lines = text.slice(start).split('\n');
  const crlf = lines[0]?.endsWith('\r') === true;
  const sections: { kind: CaptureKind; status: CaptureStatus; name: string; lines: string[] }[] = [];
  for (const [index, raw] of lines.entries()) {
    const line = crlf && raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const number = skipped + index + 1;
    if (index === 0) {
      if (line !== `${magic} ${version}`) {
        throw fail('unknown version of the capture format', number, line, `${magic} ${version}`, rerun);
      }
      continue;
    }
    if (line.includes('\0')) {
      throw fail('the capture holds binary data', number, line, 'text', rerun);
    }
    const current = sections.at(-1);
    if (line.startsWith('|') && current) {
      current.lines.push(line.slice(1));
      continue;
    }
    const header = headerLine.exec(line);
    if (header) {
      const [, kind, status, name = ''] = header;
      sections.push({ kind: kind as CaptureKind, status: status as CaptureStatus, name, lines: [] });
      continue;
    }
    if (!line.startsWith('#end ')) {
      const cutOff = index >= lines.length - 1;
      throw cutOff
        ? fail('the capture is cut off', number, line, `a last line "#end ${sections.length}"`, rerun)
        : fail('a damaged line', number, line, 'a line that starts with "|", a section header or "#end N"');
    }
    if (line !== `#end ${sections.length}`) {
      throw fail('sections are missing', number, line, `#end ${sections.length}`, rerun);
    }
    const rest = lines.findIndex((after, place) => place > index && after.trim() !== '');
    if (rest >= 0) {
      throw fail('text after the end of the capture', skipped + rest + 1, lines[rest] ?? '', 'nothing');
    }
    return {
      ...options,
      sections: sections.map(({ lines: content, ...section }) => ({
        ...section,
        text: content.map((each) => `${each}\n`).join(''),
      })),
    };
  }
  throw fail(
    'the capture is cut off',
    skipped + lines.length,
    lines.at(-1) ?? '',
    `a last line "#end ${sections.length}"`,
    rerun,
  );
}

/** Prints sections; `parseCapture` reads exactly them back. A last line without a newline gets one. */
export function printCapture(sections: readonly CaptureSection[]): string {
  const printed = sections.map(({ kind, status, name, text }) => {
    const content = text === '' ? [] : (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
    return [`#${kind} ${status} ${name}`, ...content.map((line) => `|${line}`)].join('\n');
  });
  return `${[`${magic} ${version}`, ...printed, `#end ${sections.length}`].join('\n')}\n`;
}

const rerun = 'run the capture script again and keep everything that it prints: vmgpu collect -o FILE';

function startOf(text: string): number {
  if (text.startsWith(magic)) return 0;
  const place = text.indexOf(`\n${magic} `);
  if (place >= 0) return place + 1;
  // A byte-order mark, as Windows shells write when they redirect.
  return text.startsWith(`\uFEFF${magic}`) ? 1 : -1;
}
