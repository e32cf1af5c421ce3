import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { applyEdits, formatWhere, type Linter, type LintFinding, type SourceFile } from '@vmgpu/core';
import { loadLinters } from '../adapters.ts';
import type { Command } from '../command.ts';
import { readText, writeText } from '../files.ts';
import { exitStatus, type Io } from '../io.ts';
import { type Palette, palette, printable, wrap } from '../style.ts';

/** Fixes can make further fixes possible (a moved block, then its keys); a text that keeps changing is a bug. */
const mostRounds = 20;

export const lint: Command = {
  name: 'lint',
  summary: 'find and repair mistakes in KubeVirt YAML, nova.conf, Proxmox and host files, and in guides',
  usage: 'FILE|DIR... [--fix]',
  operands: { min: 1, max: 1000 },
  options: {
    fix: { type: 'boolean', help: 'repair what is certain, in place; order and comments are kept' },
    'target-version': {
      type: 'string',
      value: 'V',
      help: 'version or release of the platform the files are for',
    },
  },
  examples: [
    {
      line: 'vmgpu lint kubevirt.yaml vm.yaml',
      what: 'silent mistakes first: what the API would drop without a word',
    },
    {
      line: 'vmgpu lint /etc/kolla/config/nova.conf --target-version 2024.1',
      what: 'judged for one release',
    },
    { line: 'vmgpu lint /etc/modprobe.d /etc/default/grub --fix', what: 'and repair what is certain' },
  ],
  async run(input, io) {
    const linters = await loadLinters();
    const files = await readAll(input.operands, io);
    const version = input.value('target-version');
    const results = files.map((file) => {
      const context = {
        files: files.filter((other) => other !== file),
        ...(version === undefined ? {} : { version }),
      };
      const kinds = linters.filter((linter) => linter.recognises(file));
      const before = lintFile(file, kinds, context);
      if (!input.flag('fix') || before.every((finding) => finding.fix === undefined)) {
        return { file, kinds, findings: before, fixed: [] as readonly LintFinding[] };
      }
      const repaired = repair(file, kinds, context);
      return {
        file: repaired,
        kinds,
        findings: lintFile(repaired, kinds, context),
        fixed: before.filter((f) => f.fix),
      };
    });
    for (const { file, fixed } of results) if (fixed.length > 0) await writeText(file.path, file.text, io);
    const findings = results.flatMap((result) => result.findings);
    if (input.json) {
      const document = {
        apiVersion: 'vmgpu/v1',
        kind: 'LintResult',
        files: results.map(({ file, kinds }) => ({ path: file.path, kinds: kinds.map((kind) => kind.name) })),
        findings,
        fixed: results.flatMap((result) => result.fixed),
      };
      io.out(`${JSON.stringify(document, null, 2)}\n`);
    } else {
      const paint = palette(io);
      for (const finding of findings) io.out(describeFinding(finding, paint, io.width));
      for (const { file, kinds, fixed } of results) {
        if (kinds.length === 0)
          io.err(`${printable(file.path)}: not a kind of file that vmgpu knows; not checked\n`);
        if (fixed.length > 0) io.err(`${printable(file.path)}: repaired ${fixed.length}\n`);
      }
      io.err(summary(findings, files.length, paint));
    }
    return findings.some((finding) => finding.severity === 'error') ? exitStatus.findings : exitStatus.done;
  },
};

type Context = Parameters<Linter['lint']>[1];

function lintFile(file: SourceFile, linters: readonly Linter[], context: Context): readonly LintFinding[] {
  return linters
    .flatMap((linter) => linter.lint(file, context))
    .sort(
      (a, b) => (a.where.line ?? 0) - (b.where.line ?? 0) || (a.where.column ?? 0) - (b.where.column ?? 0),
    );
}

function repair(file: SourceFile, linters: readonly Linter[], context: Context): SourceFile {
  let text = file.text;
  for (let round = 0; round < mostRounds; round += 1) {
    const edits = lintFile({ ...file, text }, linters, context).flatMap((finding) => finding.fix ?? []);
    const next = applyEdits(text, edits);
    if (next === text) break;
    text = next;
  }
  return { ...file, text };
}

async function readAll(paths: readonly string[], io: Io): Promise<readonly SourceFile[]> {
  const files: SourceFile[] = [];
  for (const path of paths) {
    const names = await listFiles(path, io);
    for (const name of names) files.push({ path: name, text: await readText(name, io) });
  }
  return files;
}

/** The file itself, or the files directly in a directory. */
async function listFiles(path: string, io: Io): Promise<readonly string[]> {
  const absolute = resolve(io.cwd, path);
  const isDirectory = await stat(absolute).then(
    (info) => info.isDirectory(),
    () => false,
  );
  if (!isDirectory) return [path];
  const entries = await readdir(absolute, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(path, entry.name))
    .sort();
}

function describeFinding(finding: LintFinding, paint: Palette, width: number): string {
  const colour = { error: paint.red, warning: paint.yellow, info: paint.blue }[finding.severity];
  const remedy =
    finding.remedy === undefined ? '' : `${wrap(`→ ${printable(finding.remedy)}`, width, '    ')}\n`;
  const fixable = finding.fix === undefined ? '' : paint.dim('    --fix repairs this\n');
  return `${paint.bold(printable(formatWhere(finding.where)))}: ${colour(finding.severity)}: ${printable(finding.message)} ${paint.dim(
    `[${finding.rule}]`,
  )}\n${wrap(printable(finding.why), width, '    ')}\n${remedy}${fixable}`;
}

function summary(findings: readonly LintFinding[], files: number, paint: Palette): string {
  const count = (severity: LintFinding['severity']) =>
    findings.filter((finding) => finding.severity === severity).length;
  const words = `${files} ${files === 1 ? 'file' : 'files'}: ${count('error')} errors, ${count('warning')} warnings, ${count('info')} notes`;
  return `${findings.length === 0 ? paint.green(words) : words}\n`;
}
