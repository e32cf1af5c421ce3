import {
  type ErrorWhere,
  type LintContext,
  type LintFinding,
  positionAt,
  type SourceFile,
  type TextEdit,
} from '@vmgpu/core';
import { normalKey, type OsloOption, parseOslo, sameSection } from '../translate/oslo-config.ts';
import { type NovaRelease, newestRelease, parseRelease } from '../translate/releases.ts';
import type { Deployment, NovaService } from '../translate/snapshot.ts';

/** A configuration text to judge: a file, or a part of one (a fenced block, a DevStack section). */
export interface ConfigView {
  readonly file: SourceFile;
  /** Offset of the part in the file. */
  readonly base: number;
  /** Path the text is for; of a fenced block, the path its commands name. */
  readonly path: string;
  readonly options: readonly OsloOption[];
  /** Lines that oslo.config would refuse. */
  readonly invalid: readonly { readonly start: number; readonly raw: string }[];
  readonly sections: readonly { readonly name: string; readonly start: number; readonly raw: string }[];
  /** The one service that reads it; undefined when several may. */
  readonly service?: NovaService | 'cyborg-agent';
  readonly deployment: Deployment;
  /** Whether the text is part of a guide for people. */
  readonly guide: boolean;
}

/** What a rule may look at. */
export interface LintInput {
  readonly view: ConfigView;
  /** This text and all others of the same system. */
  readonly all: readonly ConfigView[];
  readonly release: NovaRelease;
}

/** A finding before it is placed. Offsets are of the view. */
export interface Draft {
  readonly rule: string;
  readonly severity: LintFinding['severity'];
  readonly at: number;
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
  readonly fix?: readonly TextEdit[];
}

export type Rule = (input: LintInput) => readonly Draft[];

export function configView(
  file: SourceFile,
  part: { readonly text: string; readonly base: number; readonly path: string; readonly guide?: boolean } = {
    text: file.text,
    base: 0,
    path: file.path,
  },
): ConfigView {
  const { entries } = parseOslo(part.text);
  const service = serviceOf(part.path);
  return {
    file,
    base: part.base,
    path: part.path,
    options: entries.filter((entry) => entry.kind === 'option'),
    invalid: entries.filter((entry) => entry.kind === 'invalid'),
    sections: entries.filter((entry) => entry.kind === 'section'),
    ...(service === undefined ? {} : { service }),
    deployment: /kolla/.test(part.path) ? 'kolla-ansible' : 'packages',
    guide: part.guide ?? false,
  };
}

/** The service whose own file a path is. */
export function serviceOf(path: string): ConfigView['service'] {
  if (/placement/.test(path)) return 'placement-api';
  if (/cyborg/.test(path)) return 'cyborg-agent';
  const name = /nova-(compute|api|scheduler|conductor|cpu)(?=[/.])/.exec(path)?.[1];
  if (name === undefined) return undefined;
  return name === 'cpu' ? 'nova-compute' : (`nova-${name}` as NovaService);
}

/** Options of a section by any of their names. */
export function optionsOf(
  view: ConfigView,
  section: string,
  ...keys: readonly string[]
): readonly OsloOption[] {
  return view.options.filter(
    (option) => sameSection(option.section, section) && keys.includes(normalKey(option.key)),
  );
}

/** Values of a comma-separated option. */
export function listOf({ value }: OsloOption): readonly string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

export function releaseOf(context: LintContext | undefined): NovaRelease {
  try {
    return context?.version === undefined ? newestRelease : parseRelease(context.version);
  } catch {
    // The version may be another platform's, when files of several are linted at once.
    return newestRelease;
  }
}

/** Runs rules over a text and puts their findings into its file. */
export function runRules(rules: readonly Rule[], input: LintInput): readonly LintFinding[] {
  const { view } = input;
  return rules
    .flatMap((rule) => rule(input))
    .sort((a, b) => a.at - b.at || (a.rule < b.rule ? -1 : 1))
    .map(({ at, fix, ...finding }) => ({
      ...finding,
      where: whereIs(view.file, view.base + at),
      ...(fix === undefined
        ? {}
        : {
            fix: fix.map(({ start, end, text }) => ({
              start: start + view.base,
              end: end + view.base,
              text,
            })),
          }),
    }));
}

export function whereIs(file: SourceFile, offset: number): ErrorWhere {
  return { file: file.path, ...positionAt(file.text, offset) };
}

/** Takes away a whole option with its line. */
export function removal(option: OsloOption): readonly TextEdit[] {
  return [{ start: option.start, end: option.start + option.raw.length, text: '' }];
}

export function replaceKey(option: OsloOption, key: string): readonly TextEdit[] {
  return [{ start: option.at.key, end: option.at.key + option.key.length, text: key }];
}

export function replaceValue(option: OsloOption, value: string): readonly TextEdit[] {
  return [{ start: option.at.value, end: option.at.end, text: value }];
}

/** Offset of a text inside an option’s value; the value itself when it is not there as written. */
export function insideValue(option: OsloOption, needle: string): number {
  const index = option.raw.indexOf(needle, option.at.value - option.start);
  return index < 0 ? option.at.value : option.start + index;
}
