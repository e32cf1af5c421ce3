import type { TextEdit } from '@vmgpu/core';
import { parseAllDocuments } from 'yaml';
import { readValue } from './document.ts';

export interface SyntaxFinding {
  readonly rule: string;
  readonly severity: 'error';
  readonly offset: number;
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
  readonly fix?: readonly TextEdit[];
}

const dropped = 'No tool that reads YAML can make sense of it.';

/** YAML errors; the one that guides bring along, a key indented deeper than the one above it, can be put right. */
export function syntaxFindings(text: string): readonly SyntaxFinding[] {
  // `--set` paths of helm, which guides show in YAML blocks: `sandboxWorkloads.enabled=true`.
  if (text.split('\n').every((line) => line.trim() === '' || /^\s*[\w.-]+=/.test(line))) return [];
  const documents = parseAllDocuments(text, { prettyErrors: false, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  const offsets = documents.flatMap((document) => {
    const { problem } = readValue(document);
    const aliases =
      problem === undefined ? [] : [{ offset: document.range[0], code: 'ALIAS', message: problem }];
    return [
      ...document.errors.map(({ pos, code, message }) => ({ offset: pos[0], code, message })),
      ...aliases,
    ];
  });
  const findings = offsets.flatMap(({ offset, code, message }): SyntaxFinding[] => {
    const deep =
      code === 'BLOCK_AS_IMPLICIT_KEY' || code === 'MULTILINE_IMPLICIT_KEY'
        ? tooDeep(text, offset)
        : undefined;
    return [
      deep ?? {
        rule: 'kubevirt.yaml',
        severity: 'error',
        offset,
        message: `not valid YAML: ${message}`,
        why: dropped,
      },
    ];
  });
  return [
    ...new Map(
      findings.map((finding) => [`${finding.rule} ${lineStart(text, finding.offset)}`, finding]),
    ).values(),
  ];
}

/** `deviceName: x` with `name: y` below it, indented deeper: YAML takes both lines for one value. */
function tooDeep(text: string, offset: number): SyntaxFinding | undefined {
  const lines = text.split('\n');
  const first = text.slice(0, offset).split('\n').length - 1;
  for (const number of [first, first + 1]) {
    const above = /^( *)((?:- +)?)([A-Za-z][\w-]*): +[^\s#{["'|>&*].*$/.exec(lines[number - 1] ?? '');
    const line = /^( +)([A-Za-z][\w-]*):( |$)/.exec(lines[number] ?? '');
    if (!above || !line) continue;
    const column = (above[1]?.length ?? 0) + (above[2]?.length ?? 0);
    const indent = line[1]?.length ?? 0;
    if (indent <= column) continue;
    const start = lines.slice(0, number).reduce((sum, item) => sum + item.length + 1, 0);
    return {
      rule: 'kubevirt.too-deep',
      severity: 'error',
      offset: start + indent,
      message: `${line[2]} is indented deeper than ${above[3]} above it`,
      why: dropped,
      remedy: `indent it like ${above[3]}`,
      fix: [{ start, end: start + indent, text: ' '.repeat(column) }],
    };
  }
  return undefined;
}

function lineStart(text: string, offset: number): number {
  return text.lastIndexOf('\n', offset - 1) + 1;
}
