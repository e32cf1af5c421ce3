/** Lines around a change. */
const context = 3;

/**
 * A unified diff of two texts as `diff -u` prints it, without time stamps; empty when they are equal. For configuration
 * files: what is common at both ends is set aside first, and the middle compared in full.
 */
export function unifiedDiff(before: string, after: string, path: string): string {
  if (before === after) return '';
  const edits = compare(linesOf(before), linesOf(after));
  const from = before === '' ? '/dev/null' : `a${path}`;
  const to = after === '' ? '/dev/null' : `b${path}`;
  return `--- ${from}\n+++ ${to}\n${hunks(edits).join('')}`;
}

interface Edit {
  readonly mark: ' ' | '-' | '+';
  readonly line: string;
}

/** Lines with their ends, so that a missing last one shows. */
function linesOf(text: string): readonly string[] {
  return text === '' ? [] : (text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
}

function compare(a: readonly string[], b: readonly string[]): readonly Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ mark: ' ', line }));
  return [
    ...same(a.slice(0, head)),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(a.slice(a.length - tail)),
  ];
}

/** The longest common subsequence; beyond a size that no configuration file has, all is replaced. */
function middle(a: readonly string[], b: readonly string[]): readonly Edit[] {
  if (a.length * b.length > 4_000_000)
    return [...a.map((line): Edit => ({ mark: '-', line })), ...b.map((line): Edit => ({ mark: '+', line }))];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1)
    for (let j = b.length - 1; j >= 0; j -= 1)
      common[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [old = '', fresh = ''] = [a[i], b[j]];
    if (i < a.length && j < b.length && old === fresh) {
      edits.push({ mark: ' ', line: old });
      i += 1;
      j += 1;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) {
      edits.push({ mark: '-', line: old });
      i += 1;
    } else {
      edits.push({ mark: '+', line: fresh });
      j += 1;
    }
  }
  return edits;
}

function hunks(edits: readonly Edit[]): readonly string[] {
  const changed = edits.flatMap(({ mark }, index) => (mark === ' ' ? [] : [index]));
  const spans: [start: number, end: number][] = [];
  for (const index of changed) {
    const last = spans.at(-1);
    const [start, end] = [Math.max(0, index - context), Math.min(edits.length, index + context + 1)];
    if (last !== undefined && start <= last[1]) last[1] = end;
    else spans.push([start, end]);
  }
  return spans.map(([start, end]) => {
    const part = edits.slice(start, end);
    const range = (skip: Edit['mark']) => {
      const before = edits.slice(0, start).filter(({ mark }) => mark !== skip).length;
      const count = part.filter(({ mark }) => mark !== skip).length;
      return `${count === 0 ? before : before + 1}${count === 1 ? '' : `,${count}`}`;
    };
    const body = part.map(
      ({ mark, line }) => mark + (line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`),
    );
    return `@@ -${range('+')} +${range('-')} @@\n${body.join('')}`;
  });
}
