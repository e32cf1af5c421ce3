/**
 * Edits of files that are not ours, each of which can be taken back from the text alone: a line that is switched off is
 * kept behind a mark, a line put in its place ends in another, lines of our own stand between two.
 */
const off = '#vmgpu# ';
const instead = ' # vmgpu';
const begin = '# >>> vmgpu';
const end = '# <<< vmgpu';

/** Switches lines off, by number from 1; a line that ends in `\` takes its continuation with it. */
export function switchOff(text: string, numbers: readonly number[]): string {
  const lines = text.split('\n');
  const chosen = new Set(numbers.flatMap((number) => withContinuation(lines, number - 1)));
  return lines
    .map((line, index) => (chosen.has(index) && !line.startsWith(off) ? off + line : line))
    .join('\n');
}

function withContinuation(lines: readonly string[], first: number): number[] {
  let last = first;
  while (lines[last]?.endsWith('\\') && last + 1 < lines.length) last += 1;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Puts another line in the place of each line that `turn` changes; one that was put there before is changed again. */
export function replaceLines(text: string, turn: (line: string) => string): string {
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith(off)) return [line];
      if (line.endsWith(instead)) return [turn(line.slice(0, -instead.length)) + instead];
      const turned = turn(line);
      return turned === line ? [line] : [off + line, turned + instead];
    })
    .join('\n');
}

/** The text with our block as its end; an empty block leaves it out. */
export function withBlock(text: string, lines: readonly string[]): string {
  const rest = withoutBlock(text);
  if (lines.length === 0) return rest;
  const joined = rest === '' || rest.endsWith('\n') ? rest : `${rest}\n`;
  return `${joined}${[begin, ...lines, end].join('\n')}\n`;
}

/** Lines of our block. */
export function blockOf(text: string): readonly string[] {
  const lines = text.split('\n');
  const start = lines.indexOf(begin);
  return start < 0 ? [] : lines.slice(start + 1, lines.indexOf(end, start));
}

function withoutBlock(text: string): string {
  const start = text.indexOf(`${begin}\n`);
  const stop = text.indexOf(`${end}\n`, start);
  return start < 0 || stop < 0 ? text : text.slice(0, start) + text.slice(stop + end.length + 1);
}

/** The text without anything of ours. */
export function restored(text: string): string {
  return withoutBlock(text)
    .split('\n')
    .filter((line) => !line.endsWith(instead))
    .map((line) => (line.startsWith(off) ? line.slice(off.length) : line))
    .join('\n');
}
