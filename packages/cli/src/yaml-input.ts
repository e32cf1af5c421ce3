import { badInput, type ErrorWhere, type GpuVm, parseGpuVm } from '@vmgpu/core';
import { isMap, isSeq, LineCounter, type Node, parseAllDocuments, parseDocument } from 'yaml';

/** Parses YAML (or JSON, which is YAML) and checks it as a GpuVm; every complaint carries file, line and column. */
export function parseVmYaml(text: string, file: string): GpuVm {
  const { value, locate } = parseYaml(text, file);
  return parseGpuVm(value, locate);
}

/** One YAML document and a way from a path in it to its place in the text. */
export function parseYaml(
  text: string,
  file: string,
): { readonly value: unknown; readonly locate: (path: readonly (string | number)[]) => ErrorWhere } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw badInput(`not valid YAML: ${error.message}`, { where: { file, line, column: col } });
  }
  return {
    value: document.toJS({ maxAliasCount: 100 }),
    locate: (path) => {
      const offset = nodeAt(document.contents, path)?.range?.[0];
      if (offset === undefined) return { file };
      const { line, col } = lines.linePos(offset);
      return { file, line, column: col };
    },
  };
}

/** All documents of a YAML stream as plain values; empty ones are left out. Throws `bad-input` with the place. */
export function parseYamlDocuments(text: string, file: string): readonly unknown[] {
  const lineCounter = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false });
  if ('empty' in documents) return [];
  return documents.flatMap((document) => {
    const [error] = document.errors;
    if (error) {
      const { line, col } = lineCounter.linePos(error.pos[0]);
      throw badInput(`not valid YAML: ${error.message}`, { where: { file, line, column: col } });
    }
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return value === null || value === undefined ? [] : [value];
  });
}

/** The node at the path, or the nearest one above it. */
function nodeAt(root: Node | null, path: readonly (string | number)[]): Node | null {
  let node = root;
  for (const part of path) {
    if (!isMap(node) && !isSeq(node)) break;
    const next = node.get(part, true) as Node | undefined;
    if (!next) break;
    node = next;
  }
  return node;
}
