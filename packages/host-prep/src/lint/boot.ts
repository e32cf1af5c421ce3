import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { relevantWords } from '../modules/kernel-arguments.ts';
import { lintKernelArguments } from './kernel-arguments.ts';
import { findingAt, isGuide, linesOf, type SourceLine } from './source.ts';

const definition = /^\s*(?:export\s+)?(GRUB_CMDLINE_LINUX(?:_DEFAULT)?)(\+?=)/;

/** `/etc/default/grub` and its drop-ins. */
export const grubLinter: Linter = {
  name: 'GRUB defaults',
  recognises: (file) =>
    !isGuide(file) &&
    (/(^|\/)etc\/default\/grub(\.d\/[^/]+\.cfg)?$/.test(file.path) ||
      /^\s*(?:export\s+)?GRUB_CMDLINE_LINUX/m.test(file.text)),
  lint: lintGrub,
};

function lintGrub(file: SourceFile, context: LintContext = {}): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  const earlier = new Map<string, number>();
  for (const [index, line] of linesOf(file.text).entries()) {
    const value = grubValue(line);
    if (value === undefined) continue;
    const before = earlier.get(value.name);
    if (
      before !== undefined &&
      value.operator === '=' &&
      !value.text.includes(`$${value.name}`) &&
      !value.text.includes(`\${${value.name}}`)
    ) {
      findings.push(
        findingAt(file, line.start, {
          rule: 'grub.defined-twice',
          severity: 'warning',
          message: `${value.name} was set in line ${before} already; only this line counts.`,
          why: 'The file is a shell script: a later assignment replaces an earlier one.',
          remedy: 'Keep one line with all words.',
        }),
      );
    }
    earlier.set(value.name, index + 1);
    findings.push(
      ...lintKernelArguments(file, value.text, value.start, true),
      ...wrongLoader(file, value, context),
    );
  }
  return findings;
}

/** The value of a GRUB_CMDLINE line, without its quotes. */
export function grubValue(
  line: SourceLine,
): (SourceLine & { readonly name: string; readonly operator: string }) | undefined {
  const match = definition.exec(line.text);
  if (!match) return undefined;
  const [whole, name = '', operator = ''] = match;
  const rest = line.text.slice(whole.length);
  const quote = rest[0] === '"' || rest[0] === "'" ? rest[0] : '';
  const end = quote === '' ? rest.search(/\s|$/) : rest.indexOf(quote, 1);
  const text = rest.slice(quote.length, end < 0 ? undefined : end);
  return { name, operator, text, start: line.start + whole.length + quote.length };
}

/** Boot entries of systemd-boot among the files prove which loader is in use; `/etc/kernel/cmdline` alone does not. */
function wrongLoader(file: SourceFile, value: SourceLine, { files = [] }: LintContext): LintFinding[] {
  const entries = files.filter(({ path }) => /loader\/entries\/[^/]+\.conf$/.test(path));
  const words = relevantWords(value.text);
  if (entries.length === 0 || words.length === 0) return [];
  const inEffect = entries.some(({ text }) => words.every((word) => relevantWords(text).includes(word)));
  return inEffect
    ? []
    : [
        findingAt(file, value.start, {
          rule: 'grub.not-the-loader',
          severity: 'warning',
          message: 'This host boots with systemd-boot, which does not read this file.',
          why: `${words.join(' ')} stands in no boot entry (${entries[0]?.path}).`,
          remedy: 'Put the words into /etc/kernel/cmdline and run proxmox-boot-tool refresh.',
        }),
      ];
}

/** `/etc/kernel/cmdline`: one line, taken as it is. */
export const kernelCmdlineLinter: Linter = {
  name: 'kernel command line',
  recognises: (file) => /(^|\/)etc\/kernel\/cmdline$/.test(file.path),
  lint: lintKernelCmdline,
};

function lintKernelCmdline(file: SourceFile): readonly LintFinding[] {
  const lines = linesOf(file.text).filter(({ text }) => text.trim() !== '');
  const findings = lines.flatMap(({ text, start }) => lintKernelArguments(file, text, start, true));
  const second = lines[1];
  if (second !== undefined) {
    findings.push(
      findingAt(file, second.start, {
        rule: 'cmdline.several-lines',
        severity: 'error',
        message: 'The kernel command line must be one line.',
        why: 'Proxmox VE requires one line; a second one ends up in the boot entry as something else.',
        remedy: 'Put all words on the first line.',
      }),
    );
  }
  for (const { text, start } of lines) {
    const wrapped = /^\s*(?:"|'|#|GRUB_CMDLINE|GRUB_)/.exec(text);
    if (wrapped) {
      findings.push(
        findingAt(file, start, {
          rule: 'cmdline.not-plain',
          severity: 'error',
          message: 'This file takes the bare words: no quotes around them, no variable name, no comment.',
          why: 'Everything in it is given to the kernel as it stands.',
          remedy: 'Write only the words, as in /proc/cmdline.',
        }),
      );
    }
  }
  return findings;
}
