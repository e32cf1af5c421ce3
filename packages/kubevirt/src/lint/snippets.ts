import type { SourceFile, TextEdit } from '@vmgpu/core';

/** A YAML text inside a file: the whole file, or a fenced block of a guide, without its indentation. */
export interface Snippet {
  readonly text: string;
  /** Offset in the file of each line's first character that is kept, and how much indentation was cut off. */
  readonly lines: readonly { readonly offset: number; readonly cut: number }[];
}

const documentPath = /\.(md|markdown|mdx|rst|adoc|txt)$/i;
const yamlPath = /\.(ya?ml|json)$/i;

/** The YAML texts of a file: one for YAML files, every fenced block for Markdown and reStructuredText. */
export function snippetsOf({ path, text }: SourceFile): readonly Snippet[] {
  const lines = splitLines(text);
  if (yamlPath.test(path) || (!documentPath.test(path) && !/^[ \t]*(```|~~~|\.\. code)/m.test(text))) {
    return [{ text, lines: lines.map(({ offset }) => ({ offset, cut: 0 })) }];
  }
  return fencedBlocks(lines).map((block) => dedent(block));
}

interface Line {
  readonly offset: number;
  readonly text: string;
}

function splitLines(text: string): readonly Line[] {
  let offset = 0;
  return text.split('\n').map((line) => {
    const start = offset;
    offset += line.length + 1;
    return { offset: start, text: line };
  });
}

const indentOf = (text: string) => text.length - text.trimStart().length;

function fencedBlocks(lines: readonly Line[]): readonly (readonly Line[])[] {
  const blocks: Line[][] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index]?.text ?? '';
    const fence = /^\s*(```+|~~~+)\s*\{?\.?(ya?ml)\b/i.exec(line);
    const directive = /^\s*\.\. code(-block)?:: ya?ml\s*$/i.test(line);
    if (!fence && !directive) continue;
    const block: Line[] = [];
    const indent = indentOf(line);
    for (index += 1; index < lines.length; index += 1) {
      const inner = lines[index] as Line;
      if (fence && inner.text.trim().startsWith(fence[1] ?? '```')) break;
      if (directive && inner.text.trim() !== '' && indentOf(inner.text) <= indent) {
        index -= 1;
        break;
      }
      const option = directive && block.length === 0 && /^\s*:[\w-]+:/.test(inner.text);
      if (!option) block.push(inner);
    }
    blocks.push(block);
  }
  return blocks;
}

function dedent(block: readonly Line[]): Snippet {
  const indents = block.filter(({ text }) => text.trim() !== '').map(({ text }) => indentOf(text));
  const cut = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  const cuts = block.map(({ offset, text }) => ({ offset, cut: Math.min(cut, text.length), text }));
  const last = block.at(-1);
  const end = last === undefined ? 0 : last.offset + last.text.length + 1;
  return {
    // "..." stands for "more here" in guides and for the end of a document in YAML.
    text: cuts.map((line) => `${line.text.slice(line.cut).replace(/^(\s*)\.\.\.\s*$/, '$1###')}\n`).join(''),
    lines: [...cuts.map(({ offset, cut: own }) => ({ offset, cut: own })), { offset: end, cut: 0 }],
  };
}

/** Offset in the file of an offset in the snippet. */
export function fileOffset({ text, lines }: Snippet, offset: number): number {
  const before = text.slice(0, offset);
  const line = before.split('\n').length - 1;
  const place = lines[line] ?? { offset: 0, cut: 0 };
  return place.offset + place.cut + (offset - (before.lastIndexOf('\n') + 1));
}

/** An edit of the snippet as an edit of the file: new lines get the indentation that was cut off. */
export function fileEdit(snippet: Snippet, { start, end, text }: TextEdit): TextEdit {
  const cut = ' '.repeat(Math.max(0, ...snippet.lines.map((line) => line.cut)));
  const atLineStart = start === 0 || snippet.text[start - 1] === '\n';
  const endsAtLineStart = end === 0 || snippet.text[end - 1] === '\n';
  const lineStart = (offset: number) =>
    fileOffset(snippet, offset) - (snippet.lines[lineOf(snippet, offset)]?.cut ?? 0);
  const pattern = atLineStart ? /^(?=.)/gm : /(?<=\n)(?=.)/g;
  return {
    start: atLineStart ? lineStart(start) : fileOffset(snippet, start),
    end: endsAtLineStart && (atLineStart || end > start) ? lineStart(end) : fileOffset(snippet, end),
    text: text.replace(pattern, cut),
  };
}

function lineOf({ text }: Snippet, offset: number): number {
  return text.slice(0, offset).split('\n').length - 1;
}
