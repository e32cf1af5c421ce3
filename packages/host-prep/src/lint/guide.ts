import type { Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { moduleName } from '../modules/module-names.ts';
import { grubValue } from './boot.ts';
import { type GuideRule, guideRules } from './guide-rules.ts';
import { lintKernelArguments } from './kernel-arguments.ts';
import { lintModprobeLine } from './modprobe.ts';
import { virqfd } from './module-list.ts';
import { findingAt, isGuide, linesOf, type SourceLine } from './source.ts';

/** Guides in Markdown and reStructuredText, and shell scripts: the commands and host files they tell people to write. */
export const guideLinter: Linter = {
  name: 'guide for a GPU host',
  recognises: isGuide,
  lint: lintGuide,
};

interface GuideLine extends SourceLine {
  readonly code: boolean;
}

function lintGuide(file: SourceFile): readonly LintFinding[] {
  const lines = codeMarked(file);
  const findings = lines.flatMap((line) => hostFileLine(file, line));
  for (const rule of guideRules) {
    if ((rule.when && !rule.when.test(file.text)) || rule.unless?.test(file.text)) continue;
    findings.push(...places(file, lines, rule));
  }
  const order = ({ where }: LintFinding) => (where.line ?? 0) * 10_000 + (where.column ?? 0);
  return findings.sort((a, b) => order(a) - order(b));
}

function places(file: SourceFile, lines: readonly GuideLine[], rule: GuideRule): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const [index, line] of lines.entries()) {
    if (rule.only !== undefined && line.code !== (rule.only === 'code')) continue;
    if (line.code && isComment(line.text)) continue;
    const match = rule.pattern.exec(line.text);
    if (!match || (rule.rule === 'guide.property-without-command' && continues(lines[index - 1]))) continue;
    const start = line.start + match.index;
    const fix = rule.fix ? [{ start, end: start + match[0].length, text: rule.fix(match) }] : undefined;
    findings.push(findingAt(file, start + (/^\s*/.exec(match[0])?.[0].length ?? 0), rule, fix));
    if (rule.once) break;
  }
  return findings;
}

/** The line before belongs to the same command: it ends in a backslash, or stands for left-out lines. */
function continues(line: GuideLine | undefined): boolean {
  return line?.code === true && /(?:\\|^\s*(?:\.\.\.|…))\s*$/.test(line.text);
}

function isComment(text: string): boolean {
  return /^\s*#\s/.test(text);
}

const shownLine = /(?:^\s*(?:[$#]\s)?|["'])((?:options|softdep|blacklist)\s+[^"']+)/;

/** Lines of host files that the guide quotes, or writes with echo. */
function hostFileLine(file: SourceFile, line: GuideLine): LintFinding[] {
  if (!line.code) {
    // In prose only words without effect are mistakes: others may be named to explain them.
    return [...line.text.matchAll(/`([^`\n]*iommu=[^`\n]*)`/g)]
      .flatMap((match) => lintKernelArguments(file, match[1] ?? '', line.start + match.index + 1, false))
      .filter(({ rule }) => rule === 'host.amd-iommu-on' || rule === 'host.iommu-value');
  }
  const grub = grubValue(line);
  if (grub) return lintKernelArguments(file, grub.text, grub.start, false);
  if (moduleName(line.text.trim()) === 'vfio_virqfd')
    return [findingAt(file, line.start + line.text.search(/\S/), virqfd)];
  const shown = shownLine.exec(line.text);
  const text = shown?.[1];
  if (text === undefined || shown === null) return [];
  const start = line.start + shown.index + shown[0].length - text.length;
  return lintModprobeLine(file, { text, start }, false);
}

/** Marks the lines of code blocks: fences, reStructuredText directives and `::`, and all of a shell script. */
function codeMarked(file: SourceFile): GuideLine[] {
  const lines = linesOf(file.text);
  if (/\.sh$/i.test(file.path)) return lines.map((line) => ({ ...line, code: true }));
  return /\.rst$/i.test(file.path) ? literalBlocks(lines) : fences(lines);
}

function fences(lines: readonly SourceLine[]): GuideLine[] {
  let fence = '';
  return lines.map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line.text)?.[1];
    if (mark !== undefined && fence === '') {
      fence = mark;
      return { ...line, code: false };
    }
    if (mark?.startsWith(fence) && fence !== '' && line.text.trim() === mark) {
      fence = '';
      return { ...line, code: false };
    }
    return { ...line, code: fence !== '' };
  });
}

function literalBlocks(lines: readonly SourceLine[]): GuideLine[] {
  let parent: number | undefined;
  return lines.map((line) => {
    const indent = line.text.search(/\S/);
    if (indent < 0) return { ...line, code: false };
    if (parent !== undefined && indent > parent) return { ...line, code: true };
    const opens =
      /^\s*\.\.\s+(code-block|code|parsed-literal)::/.test(line.text) || /(^|[^:.])::\s*$/.test(line.text);
    parent = opens ? indent : undefined;
    return { ...line, code: false };
  });
}
