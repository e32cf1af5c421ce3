import type { LintFinding, SourceFile } from '@vmgpu/core';
import { misspelt } from '../modules/module-names.ts';
import { type Advice, findingAt, withoutWord, wordsOf } from './source.ts';

interface ArgumentRule extends Advice {
  readonly pattern: RegExp;
  /** The word does nothing, so taking it away is certain to be right. */
  readonly idle?: true;
}

/** Words of the kernel command line, `-` in keys turned to `_` (Linux, drivers/iommu and kernel-parameters.txt). */
const rules: readonly ArgumentRule[] = [
  {
    rule: 'host.amd-iommu-on',
    pattern: /^amd_iommu=on$/,
    severity: 'info',
    message: 'amd_iommu=on has no effect.',
    why: 'The kernel knows no such value ("AMD-Vi: Unknown option - \'on\'"); an AMD IOMMU is on whenever the firmware offers it.',
    remedy: 'Leave it out. iommu=pt is the useful companion.',
    idle: true,
  },
  {
    rule: 'host.iommu-value',
    pattern: /^iommu=(1|on|yes)$/,
    severity: 'warning',
    message: 'This is no value of iommu=.',
    why: 'The kernel ignores it. Intel takes intel_iommu=on, AMD needs nothing, iommu=pt leaves the host untranslated.',
    remedy: 'Leave it out.',
    idle: true,
  },
  {
    rule: 'host.amd-iommu-value',
    pattern:
      /^amd_iommu=(?!on$|off$)(?!(?:fullflush|force_enable|force_isolation|pgtbl_v[12]|irtcachedis|nohugepages|v2_pgsizes_only|gappi)(?:,|$))/,
    severity: 'warning',
    message: 'The kernel does not know this value of amd_iommu=.',
    why: 'It prints "AMD-Vi: Unknown option" and goes on without it.',
  },
  {
    rule: 'host.intel-iommu-value',
    pattern: /^intel_iommu=(?:pt|yes|1|enable)\b/,
    severity: 'warning',
    message: 'This is no value of intel_iommu=.',
    why: 'The kernel ignores it, so the IOMMU stays as it is by default.',
    remedy: 'intel_iommu=on, and iommu=pt for the host.',
  },
  {
    rule: 'host.iommu-off',
    pattern: /^(?:(?:intel|amd)_iommu=off|iommu=(?:off|soft))$/,
    severity: 'warning',
    message: 'This switches the IOMMU off.',
    why: 'Without an IOMMU no device can be given to a virtual machine.',
    remedy: 'Take it away on a host that gives away GPUs.',
  },
  {
    rule: 'host.interrupt-remapping-off',
    pattern: /^(?:nox2apic|nointremap|intremap=off)$/,
    severity: 'warning',
    message: 'This takes interrupt remapping away.',
    why: 'VFIO then refuses to hand out devices, unless unsafe interrupts are allowed.',
    remedy: 'Take it away.',
  },
  {
    rule: 'host.acs-override',
    pattern: /^pcie_acs_override=/,
    severity: 'warning',
    message: 'pcie_acs_override splits IOMMU groups on paper only.',
    why: 'It needs a patched kernel, and the devices it separates can still reach each other behind the IOMMU.',
    remedy: 'Use a slot with a group of its own; keep it only with trusted guests.',
  },
  {
    rule: 'host.framebuffer-off',
    pattern: /^video=(?:efifb|vesafb|simplefb|vesa):off/,
    severity: 'info',
    message: 'This keeps only the old framebuffer drivers away.',
    why: 'Kernels that start the screen with simpledrm ignore it, and vfio-pci then fails with "can\'t reserve".',
    remedy: 'initcall_blacklist=sysfb_init, or make another GPU the primary display.',
  },
  {
    rule: 'host.stray-argument',
    pattern: /^(?:multifunction|nofb|downstream)$/,
    severity: 'info',
    message: 'This word alone means nothing to the kernel.',
    why: 'It is left over from another option, such as pcie_acs_override=downstream,multifunction.',
    remedy: 'Leave it out.',
    idle: true,
  },
  {
    rule: 'host.unsafe-interrupts',
    pattern: /^vfio_iommu_type1\.allow_unsafe_interrupts=(?:1|y)$/i,
    severity: 'warning',
    message: 'This accepts that interrupts are not remapped.',
    why: 'It remaps nothing; it lets a guest send interrupts to the host.',
    remedy: 'Only where the kernel log says that remapping is missing, and the guests are trusted.',
  },
  {
    rule: 'host.ignore-msrs',
    pattern: /^kvm\.ignore_msrs=(?:1|y)$/i,
    severity: 'info',
    message: 'ignore_msrs has nothing to do with the IOMMU.',
    why: 'Only some Windows and macOS guests need it, and it hides real faults.',
  },
];

/** Judges the words of a kernel command line that stands at `offset`. */
export function lintKernelArguments(
  file: SourceFile,
  text: string,
  offset: number,
  repair: boolean,
): LintFinding[] {
  const words = wordsOf(text, offset);
  return words.flatMap((word, index) => {
    const [key = '', ...rest] = word.text.split('=');
    const normal = [key.replaceAll('-', '_'), ...rest].join('=');
    const found = rules
      .filter(({ pattern }) => pattern.test(normal))
      .map((rule) =>
        findingAt(file, word.start, rule, rule.idle && repair ? [withoutWord(file, word)] : undefined),
      );
    if (
      normal.startsWith('vfio_pci.ids=') &&
      /^[0-9a-f]{4}:[0-9a-f]{4}/i.test(words[index + 1]?.text ?? '')
    ) {
      found.push(findingAt(file, word.start, cutList));
    }
    if (/^(modprobe\.blacklist|module_blacklist)=/.test(normal)) {
      for (const name of rest.join('=').split(',')) {
        const meant = misspelt(name);
        if (meant !== undefined)
          found.push(findingAt(file, word.start + word.text.indexOf(name), misspeltModule(name, meant)));
      }
    }
    return found;
  });
}

export const cutList: Advice = {
  rule: 'host.ids-blank',
  severity: 'error',
  message: 'A blank ends the list of ids.',
  why: 'Everything after the blank is read as another option and lost, so those devices stay with the host.',
  remedy: 'Write the ids with commas and no blanks.',
};

export function misspeltModule(name: string, meant: string): Advice {
  return {
    rule: 'host.misspelt-module',
    severity: 'warning',
    message: `${name} is most likely meant to be ${meant}.`,
    why: 'Names of modules that do not exist are ignored without a word.',
    remedy: `Write ${meant}.`,
  };
}
