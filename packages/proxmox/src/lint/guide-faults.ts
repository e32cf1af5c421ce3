/** What guides for people say that is wrong or half: the VM's side of it (the host's side is host-prep's). */
import type { LintFinding, SourceFile } from '@vmgpu/core';
import { type Fault, findingAt } from './findings.ts';

interface GuideRule extends Fault {
  readonly pattern: RegExp;
  /** The fault is not one when the text says this anywhere. */
  readonly unless?: RegExp;
}

const rules: readonly GuideRule[] = [
  {
    pattern: /\bOMVF\b/,
    rule: 'ovmf-misspelt',
    severity: 'warning',
    message: 'OMVF should be OVMF',
    why: 'The option is bios: ovmf; the misspelt word is refused.',
    replacement: 'OVMF',
  },
  {
    pattern: /(?:attempt |关闭.{0,20}|disable.{0,20}|turn.{0,12}off.{0,12})secure ?boot/i,
    unless: /pre-enrolled-keys/,
    rule: 'secure-boot-by-hand',
    severity: 'warning',
    message: 'Secure Boot is switched off by hand in the firmware',
    why: 'It has nothing to do with access to the EFI disk: the enrolled keys make the firmware refuse unsigned loaders. The step is needed for every VM and cannot be scripted.',
    remedy: 'make the EFI disk without keys: efidisk0 STORAGE:1,efitype=4m,pre-enrolled-keys=0',
  },
  {
    pattern: /PCI Device[^\n]*\n(?:[^\n]*\n){0,3}?[^\n]*!\[/i,
    unless: /hostpci\d|pcie=/i,
    rule: 'device-by-screenshot',
    severity: 'info',
    message: 'the PCI device is only shown in a picture',
    why: 'Whether all functions, PCI Express, the ROM and primary GPU are chosen cannot be seen from the text.',
    remedy: 'write the option: hostpci0: mapping=NAME,pcie=1',
  },
  {
    pattern: /(?:Machine|机器)[^\n]{0,20}q35/i,
    unless: /cpu[^\n]{0,24}\bhost\b|balloon/i,
    rule: 'guide-cpu-memory',
    severity: 'info',
    message: 'nothing is said about CPU type and ballooning',
    why: 'The defaults are CPU type kvm64, which lacks AVX and caps addresses, and ballooning, which frees nothing here.',
    remedy: 'add cpu: host and balloon: 0',
  },
];

export function guideFindings(file: SourceFile): readonly LintFinding[] {
  return rules.flatMap(({ pattern, unless, ...fault }) => {
    const match = unless?.test(file.text) ? null : pattern.exec(file.text);
    return match ? [findingAt(file, match.index, match[0].length, fault)] : [];
  });
}
