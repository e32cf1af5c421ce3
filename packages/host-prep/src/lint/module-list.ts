import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { kernelAtLeast } from '../modules/kernel-arguments.ts';
import { misspelt, moduleName } from '../modules/module-names.ts';
import { misspeltModule } from './kernel-arguments.ts';
import { type Advice, findingAt, isGuide, linesOf, type SourceLine, withoutLine, wordsOf } from './source.ts';

const initramfs = /initramfs-tools\/modules$/;
const place = /(^|\/)(etc\/modules|modules-load\.d\/[^/]+\.conf|initramfs-tools\/modules)$/;

/** `/etc/modules`, modules-load.d and initramfs-tools/modules. `context.version` may be the kernel release. */
export const moduleListLinter: Linter = {
  name: 'list of kernel modules',
  recognises: (file) => !isGuide(file) && place.test(file.path),
  lint: lintModuleList,
};

function lintModuleList(file: SourceFile, { version }: LintContext = {}): readonly LintFinding[] {
  return linesOf(file.text)
    .filter(({ text }) => text.trim() !== '' && !/^\s*[#;]/.test(text))
    .flatMap((line) => lintModuleLine(file, line, version));
}

export const virqfd: Advice = {
  rule: 'modules.vfio-virqfd',
  severity: 'warning',
  message: 'vfio_virqfd is no module since Linux 6.2.',
  why: 'It became part of vfio; asking for it makes the loading of modules fail at boot.',
  remedy: 'Remove the line, unless the kernel is older.',
};

function lintModuleLine(file: SourceFile, line: SourceLine, version: string | undefined): LintFinding[] {
  const [first, ...rest] = wordsOf(line.text, line.start);
  if (first === undefined) return [];
  const findings: LintFinding[] = [];
  if (moduleName(first.text) === 'vfio_virqfd') {
    // A kernel release (6.8.12-4-pve), not the version of a platform (8.2).
    const known = version !== undefined && /^\d+\.\d+\.\d+-/.test(version);
    const gone = known ? kernelAtLeast(version, 6, 2) : undefined;
    if (gone !== false)
      findings.push(findingAt(file, first.start, virqfd, gone ? [withoutLine(file, line)] : undefined));
  }
  const meant = misspelt(first.text);
  if (meant !== undefined) {
    const fix = [{ start: first.start, end: first.start + first.text.length, text: meant }];
    findings.push(findingAt(file, first.start, misspeltModule(first.text, meant), fix));
  }
  const extra = rest.find(({ text }) => !initramfs.test(file.path) || !text.includes('='));
  if (extra !== undefined && !extra.text.startsWith('#')) {
    findings.push(
      findingAt(file, extra.start, {
        rule: 'modules.one-name-a-line',
        severity: 'error',
        message: initramfs.test(file.path)
          ? 'A line names one module and its parameters.'
          : 'A line names one module and nothing else.',
        why: 'The rest of the line is not read as modules, nor as parameters here.',
        remedy: 'Put each module on a line of its own, and parameters into modprobe.d.',
      }),
    );
  }
  return findings;
}
