import { type LintContext, type LintFinding, positionAt, type SourceFile, type TextEdit } from '@vmgpu/core';
import { type ProxmoxSnapshot, parseSnapshot } from '../translate/snapshot.ts';

export type Severity = LintFinding['severity'];

/** What a rule says; the place is added by whoever knows it. */
export interface Fault {
  /** Without the prefix `proxmox.`. */
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
  /** What the judged text should be, when that is certain. */
  readonly replacement?: string;
}

/** A finding at an offset. A replacement takes the place of `length` characters from there. */
export function findingAt(file: SourceFile, offset: number, length: number, fault: Fault): LintFinding {
  const { rule, severity, message, why, remedy, replacement } = fault;
  const fix: readonly TextEdit[] | undefined =
    replacement === undefined ? undefined : [{ start: offset, end: offset + length, text: replacement }];
  return {
    rule: `proxmox.${rule}`,
    severity,
    where: { file: file.path, ...positionAt(file.text, offset) },
    message,
    why,
    ...(remedy === undefined ? {} : { remedy }),
    ...(fix === undefined ? {} : { fix }),
  };
}

/** The cluster's snapshot, when one lies among the files that are judged together. */
export function snapshotOf(context: LintContext | undefined): ProxmoxSnapshot | undefined {
  for (const { text } of context?.files ?? []) {
    if (!text.includes('"ProxmoxSnapshot"')) continue;
    try {
      return parseSnapshot(JSON.parse(text));
    } catch {
      // A file that only mentions the word is no snapshot; whoever lints it as such will say so.
    }
  }
  return undefined;
}
