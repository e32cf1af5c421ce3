import type { LintFinding, SourceFile, TextEdit } from '@vmgpu/core';

/** What a rule says; the same for every place it is found at. */
export interface Advice {
  readonly rule: string;
  readonly severity: LintFinding['severity'];
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
}

export interface SourceLine {
  readonly text: string;
  /** Offset of its first character. */
  readonly start: number;
}

/** Longer lines are data, not configuration; reading only their beginning keeps every rule fast. */
const longestLine = 2_000;

/** The lines of a text, without their ends (`\n` or `\r\n`). */
export function linesOf(text: string): SourceLine[] {
  const lines: SourceLine[] = [];
  let start = 0;
  for (const line of text.split('\n')) {
    lines.push({ text: line.slice(0, longestLine).replace(/\r$/, ''), start });
    start += line.length + 1;
  }
  return lines;
}

/** The words of a stretch of text, with their offsets. */
export function wordsOf(text: string, offset: number): SourceLine[] {
  return [...text.matchAll(/\S+/g)].map((match) => ({ text: match[0], start: offset + match.index }));
}

const lineStarts = new WeakMap<SourceFile, readonly number[]>();

/** Line and column of an offset. The starts of lines are kept, so that many findings in a long file stay cheap. */
function place(file: SourceFile, offset: number): { readonly line: number; readonly column: number } {
  let starts = lineStarts.get(file);
  if (starts === undefined) {
    starts = linesOf(file.text).map(({ start }) => start);
    lineStarts.set(file, starts);
  }
  let line = 0;
  for (let step = 2 ** Math.ceil(Math.log2(starts.length + 1)); step >= 1; step /= 2) {
    if ((starts[line + step] ?? Number.POSITIVE_INFINITY) <= offset) line += step;
  }
  return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
}

export function findingAt(
  file: SourceFile,
  offset: number,
  advice: Advice,
  fix?: readonly TextEdit[],
): LintFinding {
  return {
    rule: advice.rule,
    severity: advice.severity,
    where: { file: file.path, ...place(file, offset) },
    message: advice.message,
    why: advice.why,
    ...(advice.remedy === undefined ? {} : { remedy: advice.remedy }),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** Removes a word and the blank before it. */
export function withoutWord(file: SourceFile, { text, start }: SourceLine): TextEdit {
  const blank = /[ \t]/.test(file.text[start - 1] ?? '') ? 1 : 0;
  return { start: start - blank, end: start + text.length, text: '' };
}

/** Removes a whole line with its end. */
export function withoutLine(file: SourceFile, { text, start }: SourceLine): TextEdit {
  const after = file.text.indexOf('\n', start);
  return { start, end: after < 0 ? start + text.length : after + 1, text: '' };
}

/** True for prose that only quotes host files: guides have a linter of their own. */
export function isGuide({ path }: SourceFile): boolean {
  return /\.(md|markdown|rst|sh)$/i.test(path);
}
