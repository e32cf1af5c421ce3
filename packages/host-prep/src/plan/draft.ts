import type { Finding, HostReadiness } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { normalWord } from '../modules/kernel-arguments.ts';
import type { Consent, HostDiagnostic, HostGoal, HostStep } from './host-plan.ts';
import { header, textOf } from './own-files.ts';

export type Unordered = HostStep extends infer S
  ? S extends HostStep
    ? Omit<S, 'needs'> & { readonly needs?: readonly string[] }
    : never
  : never;

export interface OwnFile {
  readonly path: string;
  /** Without the header, which is added; null for a file that shall go. */
  readonly text: string | null;
  readonly mode: number;
  readonly purpose: string;
  readonly turnsGreen: readonly string[];
  /** A copy of it lies in the initramfs. */
  readonly early: boolean;
}

/** What the subjects of a plan want of the host; `assemble` makes ordered steps of the differences. */
export interface Draft {
  readonly facts: HostFacts;
  readonly goal: HostGoal;
  readonly readiness: HostReadiness;
  readonly files: Map<string, OwnFile>;
  /** New texts of foreign files, and the checks they turn green. */
  readonly edits: Map<string, { text: string; readonly turnsGreen: Set<string> }>;
  /** Lines of those own files that several subjects write to, each with the checks it turns green. */
  readonly lines: Map<string, Map<string, Set<string>>>;
  readonly add: Map<string, Set<string>>;
  readonly remove: Map<string, Set<string>>;
  readonly diagnostics: HostDiagnostic[];
  /** Steps that need no reboot, or come after it. */
  readonly later: Unordered[];
  /** Steps that must come before files and reboot. */
  readonly first: Unordered[];
  /** Why a reboot is needed. */
  readonly rebootFor: Set<string>;
  readonly rebuildFor: Set<string>;
}

export function createDraft(facts: HostFacts, goal: HostGoal, readiness: HostReadiness): Draft {
  return {
    facts,
    goal,
    readiness,
    files: new Map(),
    edits: new Map(),
    lines: new Map(),
    add: new Map(),
    remove: new Map(),
    diagnostics: [],
    later: [],
    first: [],
    rebootFor: new Set(),
    rebuildFor: new Set(),
  };
}

/** Findings of these checks that something can be done about. */
export function faults({ readiness }: Draft, ...ids: readonly string[]): readonly Finding[] {
  return readiness.findings.filter(
    ({ id, status, automatic }) => ids.includes(id) && automatic === true && status !== 'pass',
  );
}

export function consents({ goal }: Draft, consent: Consent): boolean {
  return goal.consent?.includes(consent) ?? false;
}

export function wantFile(
  draft: Draft,
  path: string,
  text: string,
  options: {
    readonly purpose: string;
    readonly mode?: number;
    readonly turnsGreen?: readonly string[];
    readonly early?: boolean;
    /** First line that must stand before the header: `#!/bin/sh`. */
    readonly interpreter?: string;
  },
): void {
  const { purpose, mode = 0o644, turnsGreen = [], early = false, interpreter } = options;
  const first = interpreter === undefined ? '' : `${interpreter}\n`;
  draft.files.set(path, { path, text: first + header(purpose) + text, mode, purpose, turnsGreen, early });
}

/** A file of ours that shall not be there. */
export function dropFile(draft: Draft, path: string, purpose: string, early = false): void {
  draft.files.set(path, { path, text: null, mode: 0, purpose, turnsGreen: [], early });
}

/** Changes a foreign file's text; false when the file is not known. */
export function editFile(
  draft: Draft,
  path: string,
  turn: (text: string) => string,
  turnsGreen: readonly string[],
): boolean {
  const text = draft.edits.get(path)?.text ?? textOf(draft.facts, path);
  if (typeof text !== 'string') return false;
  const edit = draft.edits.get(path) ?? { text, turnsGreen: new Set() };
  edit.text = turn(text);
  for (const id of turnsGreen) edit.turnsGreen.add(id);
  draft.edits.set(path, edit);
  return true;
}

export function addArgument(draft: Draft, token: string, ...turnsGreen: readonly string[]): void {
  note(draft.add, token, turnsGreen);
}
export function removeArgument(draft: Draft, token: string, ...turnsGreen: readonly string[]): void {
  note(draft.remove, token, turnsGreen);
}

function note(map: Map<string, Set<string>>, token: string, ids: readonly string[]): void {
  const known = [...map.keys()].find((other) => normalWord(other) === normalWord(token)) ?? token;
  map.set(known, new Set([...(map.get(known) ?? []), ...ids]));
}

/** A line of one of our files that are made of lines. */
export function wantLine(draft: Draft, path: string, line: string, ...turnsGreen: readonly string[]): void {
  const lines = draft.lines.get(path) ?? new Map<string, Set<string>>();
  lines.set(line, new Set([...(lines.get(line) ?? []), ...turnsGreen]));
  draft.lines.set(path, lines);
}
