import type { ErrorWhere } from '../errors/vmgpu-error.ts';

/** A text to lint; the path only names it and helps to recognise its kind. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Replaces the characters from `start` up to, not including, `end` (offsets into the text, UTF-16 units). */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface LintFinding {
  /** Stable, dotted: `kubevirt.resource-name-blank`, `nova.filters-overwritten`, `modprobe.several-ids-lines`. */
  readonly rule: string;
  readonly severity: 'error' | 'warning' | 'info';
  /** file, line and column are always set. */
  readonly where: ErrorWhere;
  /** What is wrong, one sentence. */
  readonly message: string;
  /** Why it matters: what the platform does with it. */
  readonly why: string;
  /** What to write instead, in words. */
  readonly remedy?: string;
  /** Present when the repair is certain. */
  readonly fix?: readonly TextEdit[];
}

/** Facts about the target that change a verdict: versions, other files, the hosts. */
export interface LintContext {
  /** Version or release of the platform, when known. */
  readonly version?: string;
  /** Other files of the same system, so that files can be judged together. */
  readonly files?: readonly SourceFile[];
}

/** One kind of file that can be linted. Pure. */
export interface Linter {
  /** `KubeVirt YAML`, `nova.conf`, `Proxmox VM configuration`. */
  readonly name: string;
  /** True when the file is of this kind, by path and content. */
  recognises(file: SourceFile): boolean;
  lint(file: SourceFile, context?: LintContext): readonly LintFinding[];
}

/** Applies edits; later edits that overlap earlier ones are left out, so that a second run can pick them up. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  let result = '';
  let position = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (edit.start < position) continue;
    result += text.slice(position, edit.start) + edit.text;
    position = edit.end;
  }
  return result + text.slice(position);
}

/** Line and column (from 1) of an offset. */
export function positionAt(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}
