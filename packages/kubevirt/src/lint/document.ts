import type { TextEdit } from '@vmgpu/core';
import { type Document, isMap, isPair, isScalar, isSeq, type Node, type Pair } from 'yaml';
import { isObject } from '../translate/manifest.ts';

/** One YAML document of a snippet, with what rules need: its value, its places, and edits of its text. */
export interface YamlDocument {
  readonly text: string;
  readonly value: unknown;
  /** Offset of a node's first character; of the nearest parent when the path ends in nothing. */
  offsetOf(path: readonly (string | number)[], part?: 'key' | 'value'): number;
  /** Replaces a plain value or a key. */
  replace(
    path: readonly (string | number)[],
    text: string,
    part?: 'key' | 'value',
  ): readonly TextEdit[] | undefined;
  /** Removes the lines of a key or list item. */
  remove(path: readonly (string | number)[]): readonly TextEdit[] | undefined;
  /** Moves the lines of a key to the end of another map, below keys that are made when missing. */
  move(
    from: readonly (string | number)[],
    parent: readonly (string | number)[],
    missing: readonly string[],
  ): readonly TextEdit[] | undefined;
  /** Adds `key: value` below the last key of a map. */
  add(path: readonly (string | number)[], line: string): readonly TextEdit[] | undefined;
}

type Path = readonly (string | number)[];

/** The value of a document, or why it has none: an alias to nothing, or aliases that would unfold without end. */
export function readValue(document: Document): { readonly value?: unknown; readonly problem?: string } {
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) as unknown };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

export function createDocument(text: string, document: Document): YamlDocument {
  const { value } = readValue(document);
  return { text, value, offsetOf, replace, remove, move, add };

  function find(path: Path): { node: Node | null; pair: Pair | undefined } {
    let node = document.contents as Node | null;
    let pair: Pair | undefined;
    for (const part of path) {
      const next = isMap(node)
        ? node.items.find(
            (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
          )
        : undefined;
      const item =
        isSeq(node) && typeof part === 'number' ? (node.items[part] as Node | undefined) : undefined;
      if (next === undefined && item === undefined) return { node: null, pair: undefined };
      pair = next;
      node = (next === undefined ? item : (next.value as Node | null)) ?? null;
    }
    return { node, pair };
  }

  function rangeOf(path: Path, part: 'key' | 'value'): readonly [number, number] | undefined {
    const { node, pair } = find(path);
    const target = part === 'key' ? (pair?.key as Node | undefined) : node;
    return target?.range ? [target.range[0], target.range[1]] : undefined;
  }

  function offsetOf(path: Path, part: 'key' | 'value' = 'key'): number {
    for (let length = path.length; length > 0; length -= 1) {
      const range = rangeOf(path.slice(0, length), part) ?? rangeOf(path.slice(0, length), 'value');
      if (range) return range[0];
    }
    return (document.contents as Node | null)?.range?.[0] ?? 0;
  }

  function replace(path: Path, replacement: string, part: 'key' | 'value' = 'value') {
    const range = rangeOf(path, part);
    return range && [{ start: range[0], end: range[1], text: replacement }];
  }

  /** Whole lines from the key (or the dash) up to the next sibling. */
  function blockOf(path: Path): { start: number; end: number; column: number } | undefined {
    const { node, pair } = find(path);
    const key = (pair?.key as Node | undefined)?.range?.[0] ?? node?.range?.[0];
    if (key === undefined) return undefined;
    const start = text.lastIndexOf('\n', key - 1) + 1;
    const lead = text.slice(start, key);
    if (!/^ *$/.test(lead)) return undefined;
    const column = key - start;
    const dashes = isSeq(pair?.value);
    let end = nextLine(start);
    for (let line = end; line < text.length; line = nextLine(line)) {
      const content = text.slice(line, nextLine(line));
      if (content.trim() === '') continue;
      const indent = content.length - content.trimStart().length;
      const inside = indent > column || (dashes && indent === column && /^\s*-(\s|$)/.test(content));
      if (!inside || /^(---|\.\.\.)/.test(content)) break;
      end = nextLine(line);
    }
    return { start, end, column };
  }

  function nextLine(offset: number): number {
    const found = text.indexOf('\n', offset);
    return found < 0 ? text.length : found + 1;
  }

  function remove(path: Path) {
    const block = blockOf(path);
    return block && [{ start: block.start, end: block.end, text: '' }];
  }

  function move(from: Path, parent: Path, missing: readonly string[]) {
    const block = blockOf(from);
    const target = endOfMap(parent);
    if (block === undefined || target === undefined) return undefined;
    const inside = target.offset > block.start && target.offset < block.end;
    if (inside) return undefined;
    const parents = missing.map((key, depth) => `${' '.repeat(target.column + 2 * depth)}${key}:\n`).join('');
    const shift = target.column + 2 * missing.length;
    const moved = text
      .slice(block.start, block.end)
      .split('\n')
      .map((line) =>
        line.trim() === '' ? line : ' '.repeat(shift) + line.slice(Math.min(block.column, indentOf(line))),
      )
      .join('\n');
    const newline = target.offset > 0 && text[target.offset - 1] !== '\n' ? '\n' : '';
    const ending = moved.endsWith('\n') ? '' : '\n';
    return [
      { start: target.offset, end: target.offset, text: newline + parents + moved + ending },
      { start: block.start, end: block.end, text: '' },
    ];
  }

  function indentOf(line: string): number {
    return line.length - line.trimStart().length;
  }

  /** Where a new key of a block map goes: after the lines of its last key. */
  function endOfMap(path: Path): { offset: number; column: number } | undefined {
    const { node } = path.length === 0 ? { node: document.contents as Node | null } : find(path);
    if (!isMap(node) || node.flow || node.items.length === 0 || !isObject(valueAt(path))) return undefined;
    const keys = node.items.map((item) => (isScalar(item.key) ? String(item.key.value) : ''));
    const first = rangeOf([...path, keys[0] ?? ''], 'key');
    const last = blockEnd([...path, keys.at(-1) ?? '']);
    if (first === undefined || last === undefined) return undefined;
    return { offset: last, column: first[0] - (text.lastIndexOf('\n', first[0] - 1) + 1) };
  }

  /** End of the lines of a key, also of one that stands behind the dash of a list item. */
  function blockEnd(path: Path): number | undefined {
    const block = blockOf(path);
    if (block) return block.end;
    const range = rangeOf(path, 'key');
    return range && nextLine(Math.max(range[0], (find(path).node?.range?.[1] ?? range[1]) - 1));
  }

  function valueAt(path: Path): unknown {
    return path.reduce<unknown>(
      (current, part) => (current as Record<string, unknown> | undefined)?.[part],
      value,
    );
  }

  function add(path: Path, line: string) {
    const target = endOfMap(path);
    if (target === undefined) return undefined;
    const newline = target.offset > 0 && text[target.offset - 1] !== '\n' ? '\n' : '';
    return [
      { start: target.offset, end: target.offset, text: `${newline}${' '.repeat(target.column)}${line}\n` },
    ];
  }
}
