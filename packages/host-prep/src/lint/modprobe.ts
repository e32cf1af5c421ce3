import type { LintContext, Linter, LintFinding, SourceFile, TextEdit } from '@vmgpu/core';
import { misspelt, moduleName, vfioPciParameters } from '../modules/module-names.ts';
import { cutList, misspeltModule } from './kernel-arguments.ts';
import {
  type Advice,
  findingAt,
  isGuide,
  linesOf,
  type SourceLine,
  withoutLine,
  withoutWord,
  wordsOf,
} from './source.ts';

const place = /(^|\/)modprobe\.d\/[^/]+$/;
const keyword = /^\s*(options|blacklist|softdep|install|alias|remove)\s+\S/;

/** Files of modprobe.d. */
export const modprobeLinter: Linter = {
  name: 'modprobe.d',
  recognises(file) {
    if (isGuide(file)) return false;
    if (place.test(file.path)) return true;
    const lines = linesOf(file.text).filter(({ text }) => text.trim() !== '' && !text.startsWith('#'));
    return file.path.endsWith('.conf') && lines.length > 0 && lines.every(({ text }) => keyword.test(text));
  },
  lint: lintModprobe,
};

function lintModprobe(file: SourceFile, context: LintContext = {}): readonly LintFinding[] {
  const ignored: LintFinding[] =
    place.test(file.path) && !file.path.endsWith('.conf')
      ? [
          findingAt(file, 0, {
            rule: 'modprobe.not-read',
            severity: 'warning',
            message: 'This file is not read: its name does not end in .conf.',
            why: 'modprobe reads only *.conf in modprobe.d.',
            remedy: 'Rename it.',
          }),
        ]
      : [];
  const lines = logicalLines(file.text);
  return [
    ...ignored,
    ...lines.flatMap((line) => lintModprobeLine(file, line, true)),
    ...severalLists(file, lines, context),
  ];
}

/** Lines with `\` continuations joined; offsets stay true. */
function logicalLines(text: string): SourceLine[] {
  return linesOf(text.replaceAll('\\\n', '  '));
}

/** Blacklists that cost a host its disks, network or keyboards. */
const vitalDrivers =
  /^(nvme|ahci|megaraid_sas|mpt3sas|xhci_hcd|xhci_pci|usbhid|igb|ixgbe|i40e|ice|e1000e|mlx5_core|bnxt_en|tg3|virtio_net|virtio_blk|sd_mod)$/;
const sharedDrivers = /^(nvidia|amdgpu|radeon|i915|xe|snd_hda_intel)$/;

/** Judges one line of modprobe.d, which may also be quoted in a guide. */
export function lintModprobeLine(file: SourceFile, line: SourceLine, repair: boolean): LintFinding[] {
  const [first, second, ...rest] = wordsOf(line.text, line.start);
  if (first === undefined || second === undefined) return [];
  const name = moduleName(second.text);
  switch (first.text) {
    case 'options':
      return [...spelling(file, second, repair), ...options(file, name, rest, repair)];
    case 'softdep':
      return [...spelling(file, second, repair), ...softdep(file, rest, repair)];
    case 'blacklist':
      return [...spelling(file, second, repair), ...blacklist(file, second, name)];
    default:
      return [];
  }
}

function options(
  file: SourceFile,
  module: string,
  words: readonly SourceLine[],
  repair: boolean,
): LintFinding[] {
  if (module === 'vfio_pci') return vfioPci(file, words, repair);
  return words.flatMap((word) => {
    if (module === 'vfio_iommu_type1' && /^allow_unsafe_interrupts=[1y]/i.test(word.text))
      return [findingAt(file, word.start, unsafeInterrupts)];
    return module === 'kvm' && /^ignore_msrs=[1y]/i.test(word.text)
      ? [findingAt(file, word.start, ignoreMsrs)]
      : [];
  });
}

const unsafeInterrupts: Advice = {
  rule: 'modprobe.unsafe-interrupts',
  severity: 'warning',
  message: 'allow_unsafe_interrupts=1 accepts that interrupts are not remapped.',
  why: 'It remaps nothing: it lets a guest send interrupts to the host. Most hosts remap interrupts and do not need it.',
  remedy: 'Only where the kernel log says that remapping is missing, and the guests are trusted.',
};
const ignoreMsrs: Advice = {
  rule: 'modprobe.ignore-msrs',
  severity: 'info',
  message: 'ignore_msrs=1 has nothing to do with passthrough.',
  why: 'Only some Windows and macOS guests need it; it hides real faults and floods the log without report_ignored_msrs=0.',
};
const disableVga: Advice = {
  rule: 'modprobe.disable-vga',
  severity: 'info',
  message: 'disable_vga=1 suits UEFI guests only.',
  why: 'Guests that start with SeaBIOS get no screen from the card; guests with UEFI do not need the option.',
};

function vfioPci(file: SourceFile, words: readonly SourceLine[], repair: boolean): LintFinding[] {
  const findings: LintFinding[] = [];
  let inList = false;
  for (const [index, word] of words.entries()) {
    const previous = words[index - 1] ?? word;
    const key = word.text.split('=')[0] ?? '';
    if (inList && /^,?[0-9a-f]{4}:[0-9a-f]{4}/i.test(word.text)) {
      const before = previous.start + previous.text.length;
      const comma = previous.text.endsWith(',') || word.text.startsWith(',') ? '' : ',';
      const fix = [{ start: before, end: word.start, text: comma }];
      findings.push(findingAt(file, word.start, cutList, repair ? fix : undefined));
      continue;
    }
    inList = key === 'ids';
    if (key === 'ids') findings.push(...malformedIds(file, word));
    else if (key === 'disable_vga') findings.push(findingAt(file, word.start, disableVga));
    else if (/^[a-z_]+$/i.test(key) && !vfioPciParameters.includes(key)) {
      const meant = misspelt(key, vfioPciParameters);
      const fix =
        meant === undefined ? undefined : [{ start: word.start, end: word.start + key.length, text: meant }];
      findings.push(
        findingAt(
          file,
          word.start,
          {
            rule: 'modprobe.unknown-option',
            severity: 'error',
            message: `vfio-pci has no option ${key}${meant === undefined ? '' : `; ${meant} is meant`}.`,
            why: 'The module ignores it and only says so in the kernel log.',
            remedy: meant === undefined ? `Known are ${vfioPciParameters.join(', ')}.` : `Write ${meant}.`,
          },
          repair ? fix : undefined,
        ),
      );
    }
  }
  return findings;
}

function malformedIds(file: SourceFile, word: SourceLine): LintFinding[] {
  const list = word.text.slice('ids='.length).replaceAll('"', '');
  const wrong = list
    .split(',')
    .filter((id) => id !== '' && !/^[0-9a-f]{1,8}:[0-9a-f]{1,8}(:[0-9a-f]{1,8}){0,4}$/i.test(id));
  // Placeholders such as <vendor>:<device>, $IDS or xxxx:yyyy belong to guides and templates.
  return wrong
    .filter((id) => !/[<>${}[\]x.…]/i.test(id))
    .map((id) =>
      findingAt(file, word.start + word.text.indexOf(id), {
        rule: 'modprobe.malformed-id',
        severity: 'error',
        message: `${id} is not an id.`,
        why: 'vfio-pci takes vendor:device in hexadecimal, as lspci -nn prints them in brackets.',
      }),
    );
}

function spelling(file: SourceFile, word: SourceLine, repair: boolean): LintFinding[] {
  const meant = misspelt(word.text);
  if (meant !== undefined) {
    const fix = [{ start: word.start, end: word.start + word.text.length, text: meant }];
    return [findingAt(file, word.start, misspeltModule(word.text, meant), repair ? fix : undefined)];
  }
  return /^[A-Z][A-Za-z]+$/.test(word.text) && word.text !== 'BusLogic'
    ? [
        findingAt(file, word.start, {
          rule: 'host.not-a-module',
          severity: 'warning',
          message: `${word.text} is no module: modules are written in lower case.`,
          why: 'Names of modules that do not exist are ignored without a word.',
          remedy: 'lspci -k shows the name of the driver.',
        }),
      ]
    : [];
}

function softdep(file: SourceFile, words: readonly SourceLine[], repair: boolean): LintFinding[] {
  return words.flatMap((word) => {
    const joined = /^(pre|post):(?=\S)/.exec(word.text);
    if (joined) {
      const end = word.start + joined[0].length;
      return [
        findingAt(
          file,
          word.start,
          {
            rule: 'modprobe.softdep-blank',
            severity: 'error',
            message: `A blank is missing after ${joined[0]}`,
            why: 'modprobe takes the whole word for an unknown one and ignores the line, so the order is not kept.',
            remedy: `Write "${joined[0]} ${word.text.slice(joined[0].length)}".`,
          },
          repair ? [{ start: end, end, text: ' ' }] : undefined,
        ),
      ];
    }
    return /^(pre|post):$/.test(word.text) ? [] : spelling(file, word, repair);
  });
}

function blacklist(file: SourceFile, word: SourceLine, module: string): LintFinding[] {
  if (vitalDrivers.test(module)) {
    return [
      findingAt(file, word.start, {
        rule: 'modprobe.vital-blacklist',
        severity: 'error',
        message: `This takes ${word.text} from every device of the host.`,
        why: 'A blacklist cannot tell devices apart: the host may lose its disks, network or keyboards.',
        remedy: 'Bind the one device to vfio-pci by its address (driver_override).',
      }),
    ];
  }
  return sharedDrivers.test(module)
    ? [
        findingAt(file, word.start, {
          rule: 'modprobe.shared-blacklist',
          severity: 'info',
          message: `This takes ${word.text} from all cards, not only from the one to be given away.`,
          why: 'The host cannot use any other card of that kind, and a blacklist does not stop explicit loading.',
          remedy: `"softdep ${word.text} pre: vfio-pci", or binding by address, spares the others.`,
        }),
      ]
    : [];
}

/** A string parameter keeps its last value, so earlier lists are lost. */
function severalLists(
  file: SourceFile,
  lines: readonly SourceLine[],
  { files = [] }: LintContext,
): LintFinding[] {
  const own = lines.flatMap((line) => listOf(line) ?? []);
  const last = own.at(-1);
  if (last === undefined) return [];
  const later = files.find(
    (other) =>
      other.path !== file.path &&
      place.test(other.path) &&
      other.path.endsWith('.conf') &&
      baseName(other.path) > baseName(file.path) &&
      place.test(file.path) &&
      logicalLines(other.text).some((line) => listOf(line)),
  );
  const kept = new Set(idsOf(last.list));
  const findings = own.slice(0, -1).map(({ line, list }) => {
    const missing = idsOf(list).filter((id) => !kept.has(id));
    for (const id of missing) kept.add(id);
    const end = last.list.start + last.list.text.length;
    const only = wordsOf(line.text, line.start).length === 3;
    const fix: TextEdit[] = [
      only ? withoutLine(file, line) : withoutWord(file, list),
      ...(missing.length === 0 ? [] : [{ start: end, end, text: `,${missing.join(',')}` }]),
    ];
    return findingAt(file, list.start, severalLinesAdvice(missing), fix);
  });
  return later === undefined
    ? findings
    : [
        ...findings,
        findingAt(file, last.list.start, {
          ...severalLinesAdvice([]),
          message: `This list does not count: ${later.path} gives a later one.`,
        }),
      ];
}

function severalLinesAdvice(missing: readonly string[]): Advice {
  return {
    rule: 'modprobe.several-ids-lines',
    severity: 'error',
    message: `This list does not count: a later line gives another${missing.length === 0 ? '' : `, without ${missing.join(', ')}`}.`,
    why: 'Lists on several lines do not add up; vfio-pci takes the last one only.',
    remedy: 'Write all ids into one list.',
  };
}

function listOf(line: SourceLine): { readonly line: SourceLine; readonly list: SourceLine } | undefined {
  const [first, second, ...rest] = wordsOf(line.text, line.start);
  if (first?.text !== 'options' || moduleName(second?.text ?? '') !== 'vfio_pci') return undefined;
  const list = rest.filter(({ text }) => text.startsWith('ids=')).at(-1);
  return list === undefined ? undefined : { line, list };
}

function idsOf({ text }: SourceLine): string[] {
  return text.slice('ids='.length).split(',').filter(Boolean);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
