import type { LintFinding, TextEdit } from '@vmgpu/core';
import type { Manifest } from '../translate/manifest.ts';
import type { YamlDocument } from './document.ts';

/** What a rule found in a document; the engine adds file, line and column. */
export interface RuleFinding {
  readonly rule: string;
  readonly severity: LintFinding['severity'];
  readonly path: readonly (string | number)[];
  readonly part?: 'key' | 'value';
  readonly message: string;
  readonly why: string;
  readonly remedy?: string;
  readonly fix?: readonly TextEdit[] | undefined;
}

export interface RuleContext {
  /** KubeVirt release the file is for; the newest known one when nothing says it. */
  readonly version: string;
  /** True when the caller named the release: then repairs that depend on it are certain. */
  readonly versionIsKnown: boolean;
  /** The whole file, for facts that stand in its prose. */
  readonly fileText: string;
  /** All manifests of the file and of the other files of the cluster. */
  readonly manifests: readonly Manifest[];
}

/** A rule looks at one document; it returns nothing for kinds that are not its own. */
export type Rule = (
  document: YamlDocument,
  manifest: Manifest,
  context: RuleContext,
) => readonly RuleFinding[];
