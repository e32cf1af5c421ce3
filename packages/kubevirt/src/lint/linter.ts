import {
  type LintContext,
  type Linter,
  type LintFinding,
  positionAt,
  type SourceFile,
  type TextEdit,
} from '@vmgpu/core';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../translate/manifest.ts';
import { newestKnownVersion } from '../translate/snapshot.ts';
import { allowList, configKeys, featureGates } from './config-rules.ts';
import { createDocument, type YamlDocument } from './document.ts';
import { instancetypeConflict } from './instancetype-rules.ts';
import { recogniseManifest } from './kinds.ts';
import { embeddedConfig, nodeLabels, operatorSettings, vgpuConfig } from './operator-rules.ts';
import { proseFindings } from './prose.ts';
import type { Rule, RuleContext, RuleFinding } from './rule.ts';
import { leftovers, misplacedKeys } from './shared-rules.ts';
import { fileEdit, fileOffset, type Snippet, snippetsOf } from './snippets.ts';
import { syntaxFindings } from './syntax.ts';
import { cloudInitSecrets, deviceEntries, resourceClaims, vmSettings, volumeNames } from './vm-rules.ts';

const rules: readonly Rule[] = [
  misplacedKeys,
  deviceEntries,
  vmSettings,
  instancetypeConflict,
  resourceClaims,
  volumeNames,
  cloudInitSecrets,
  configKeys,
  featureGates,
  allowList,
  operatorSettings,
  nodeLabels,
  vgpuConfig,
  leftovers,
];

const marks =
  /kubevirt\.io\/|permittedHostDevices|permittedDevices|pciHostDevices|mediatedDevices|sandboxWorkloads|vgpuManager|vgpu-configs|nvidia\.com\/gpu\.workload\.config|kind: ClusterPolicy/;

/** YAML for KubeVirt and the GPU Operator: manifests, values, ConfigMaps, node labels, and the same inside guides. */
export const kubeVirtLinter: Linter = {
  name: 'KubeVirt YAML',
  recognises: ({ path, text }) => /\.(ya?ml|json|md|markdown|mdx|rst|txt)$/i.test(path) && marks.test(text),
  lint,
};

interface Part {
  readonly snippet: Snippet;
  readonly document: YamlDocument;
  readonly manifest: Manifest;
}

function lint(file: SourceFile, context: LintContext = {}): readonly LintFinding[] {
  const snippets = snippetsOf(file);
  const parts = snippets.flatMap(partsOf);
  const others = (context.files ?? []).flatMap((other) => snippetsOf(other).flatMap(partsOf));
  const ruleContext: RuleContext = {
    version: context.version ?? newestKnownVersion,
    versionIsKnown: context.version !== undefined,
    fileText: file.text,
    manifests: [...parts, ...others].map(({ manifest }) => manifest),
  };
  const at = (offset: number) => ({ file: file.path, ...positionAt(file.text, offset) });
  const isGuide = snippets.length !== 1 || snippets[0]?.text !== file.text;
  const found: LintFinding[] = [
    ...snippets.flatMap((snippet) =>
      syntaxFindings(snippet.text).map(({ offset, fix, ...finding }) => ({
        ...finding,
        where: at(fileOffset(snippet, offset)),
        ...(fix === undefined ? {} : { fix: fix.map((edit) => fileEdit(snippet, edit)) }),
      })),
    ),
    ...parts.flatMap(({ snippet, document, manifest }) =>
      rules
        .flatMap((rule) => rule(document, manifest, ruleContext))
        .map((finding) => place(finding, snippet, document, at)),
    ),
    ...(isGuide ? proseFindings(file) : []).map(({ offset, ...finding }) => ({
      ...finding,
      where: at(offset),
    })),
  ];
  return withoutOverlaps(unique(found).sort(byPlace));
}

function place(
  { path, part, fix, ...finding }: RuleFinding,
  snippet: Snippet,
  document: YamlDocument,
  at: (offset: number) => LintFinding['where'],
): LintFinding {
  const where = { ...at(fileOffset(snippet, document.offsetOf(path, part))), path: path.join('.') };
  return {
    ...finding,
    where,
    ...(fix === undefined ? {} : { fix: fix.map((edit) => fileEdit(snippet, edit)) }),
  };
}

function partsOf(snippet: Snippet): readonly Part[] {
  const documents = parseAllDocuments(snippet.text, { prettyErrors: false, logLevel: 'silent' });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((source) => {
    const document = createDocument(snippet.text, source);
    const manifest = recogniseManifest(document.value);
    if (manifest === undefined) return [];
    const inner = embeddedConfig(manifest);
    return [{ snippet, document, manifest }, ...(inner === undefined ? [] : embedded(inner, snippet))];
  });
}

/** The table in a ConfigMap is read where it stands, when it is a literal block; else its findings point to its top. */
function embedded(text: string, outer: Snippet): readonly Part[] {
  const first = text.split('\n')[0] ?? '';
  const match = new RegExp(`^( *)${first.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\s*$`, 'm').exec(outer.text);
  if (match === null) return [];
  const indent = match[1]?.length ?? 0;
  let offset = match.index;
  const lines = text.split('\n').map((line) => {
    const start = offset;
    offset = outer.text.indexOf('\n', start) + 1 || outer.text.length;
    return { offset: fileOffset(outer, start), cut: line === '' ? 0 : indent };
  });
  return partsOf({ text, lines });
}

function byPlace(left: LintFinding, right: LintFinding): number {
  return (
    (left.where.line ?? 0) - (right.where.line ?? 0) || (left.where.column ?? 0) - (right.where.column ?? 0)
  );
}

function unique(findings: readonly LintFinding[]): LintFinding[] {
  const seen = new Map(
    findings.map((finding) => [`${finding.rule} ${finding.where.line} ${finding.message}`, finding]),
  );
  return [...seen.values()];
}

/**
 * Repairs that would touch the same text are left for the next run, the small ones first: a move of a whole block waits
 * until what stands in it is right.
 */
function withoutOverlaps(findings: readonly LintFinding[]): readonly LintFinding[] {
  const taken: TextEdit[] = [];
  const size = ({ fix = [] }: LintFinding) => fix.reduce((sum, { start, end }) => sum + end - start, 0);
  const accepted = new Set<LintFinding>();
  for (const finding of [...findings].sort((a, b) => size(a) - size(b))) {
    const { fix } = finding;
    if (fix === undefined || fix.some((edit) => taken.some((other) => overlap(edit, other)))) continue;
    taken.push(...fix);
    accepted.add(finding);
  }
  return findings.map((finding) => {
    if (finding.fix === undefined || accepted.has(finding)) return finding;
    const { fix: _, ...rest } = finding;
    return rest;
  });
}

function overlap(left: TextEdit, right: TextEdit): boolean {
  const sameInsert = left.start === left.end && right.start === right.end;
  if (sameInsert) return false;
  return left.start < right.end && right.start < left.end;
}
