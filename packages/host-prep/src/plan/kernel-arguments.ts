import { isUnknown } from '@vmgpu/core';
import { parseCommandLine } from '../facts/command-line.ts';
import type { HostFacts } from '../facts/host-facts.ts';
import { normalWord } from '../modules/kernel-arguments.ts';
import { consents, type Draft, dropFile, editFile, type Unordered, wantFile } from './draft.ts';
import { familyCommands } from './family.ts';
import { blockOf, replaceLines, withBlock } from './foreign-text.ts';
import type { BootFamily, FamilyName } from './host-plan.ts';
import { own, ownLines, textOf } from './own-files.ts';

const grubFile = '/etc/default/grub';
const kernelFile = '/etc/kernel/cmdline';

/** What can stand in every boot configuration without quoting. */
export function isPlainArgument(token: string): boolean {
  return /^[A-Za-z0-9_.,:=+/@-]+$/.test(token);
}

/** The ids of vfio-pci, which are planned apart from other arguments. */
export function isIdsArgument(token: string): boolean {
  return /^vfio[-_]pci\.ids=/.test(token);
}

/** Arguments that an earlier plan added. */
export function ownArguments(facts: HostFacts): readonly string[] {
  const drop = /GRUB_CMDLINE_LINUX_DEFAULT="\$GRUB_CMDLINE_LINUX_DEFAULT ?([^"]*)"/.exec(
    textOf(facts, own.grub) ?? '',
  )?.[1];
  const noted = ownLines(facts, own.arguments).flatMap((line) =>
    line.startsWith('+') ? [line.slice(1)] : [],
  );
  return [...wordsOf(drop ?? ''), ...noted];
}

/** Arguments that an earlier plan took away. */
export function removedArguments(facts: HostFacts): readonly string[] {
  return ownLines(facts, own.arguments).flatMap((line) => (line.startsWith('-') ? [line.slice(1)] : []));
}

export function wordsOf(line: string): readonly string[] {
  return line.match(/(?:[^\s"]|"[^"]*(?:"|$))+/g) ?? [];
}

const same = (a: string) => (b: string) => normalWord(a) === normalWord(b);

/** The words without those to be removed, and with those to be added behind. */
export function changeWords(
  words: readonly string[],
  add: readonly string[],
  remove: readonly string[],
): readonly string[] {
  const kept = words.filter((word) => !remove.some(same(word)));
  return [...kept, ...add.filter((word) => !kept.some(same(word)))];
}

/** True when a text has all of `add` and none of `remove`. */
export function settled(text: string, add: readonly string[], remove: readonly string[]): boolean {
  const words = wordsOf(text);
  return add.every((word) => words.some(same(word))) && !remove.some((word) => words.some(same(word)));
}

export function isRunning(facts: HostFacts, token: string): boolean {
  return !isUnknown(facts.boot.cmdline) && facts.boot.cmdline.args.some(({ raw }) => same(raw)(token));
}

/**
 * Brings the wanted arguments to where the boot loader of the family reads them; the steps make the entries anew and
 * compare them. `add` is the whole list that is ours, `remove` what must not stand there.
 */
export function argumentSteps(draft: Draft, family: BootFamily): readonly Unordered[] {
  const { facts } = draft;
  const remove = [...draft.remove.keys()];
  for (const token of [...draft.add.keys()]) if (remove.some(same(token))) draft.add.delete(token);
  const add = [...draft.add.keys()];
  const turnsGreen = [
    ...new Set([...draft.add.values(), ...draft.remove.values()].flatMap((ids) => [...ids])),
  ];
  const before = new Map(draft.edits);
  const changed = writers[family.name]?.(draft, add, remove, turnsGreen) ?? [];
  const touched =
    changed.length > 0 ||
    [...draft.edits].some(([path, edit]) => edit !== before.get(path) && edit.text !== textOf(facts, path)) ||
    differs(draft, own.grub);
  const { refresh, output, entries } = familyCommands(family, facts);
  const running = isUnknown(facts.boot.cmdline) ? '' : facts.boot.cmdline.raw;
  const known = isUnknown(facts.boot.entries) ? undefined : facts.boot.entries[0]?.args;
  const stale = !settled(known ?? running, add, remove);
  const live = settled(running, add, remove);
  if (!live && (touched || stale || add.length + remove.length > 0)) draft.rebootFor.add('kernel arguments');
  if (!family.writable || (!touched && !stale)) return changed;
  return [
    ...changed,
    ...(refresh === undefined
      ? []
      : [
          {
            id: 'boot-loader',
            kind: 'boot-loader' as const,
            argv: refresh,
            ...(output === undefined ? {} : { output }),
            summary: `Make the boot entries anew (${refresh[0]})`,
            risk: 'none' as const,
            reversible: true,
            turnsGreen,
          },
        ]),
    ...(entries.read === undefined && entries.files === undefined
      ? []
      : [
          {
            id: 'verify-boot-entry',
            kind: 'verify-boot-entry' as const,
            ...entries,
            present: add,
            absent: remove,
            ...(consents(draft, 'unread-boot-entry') ? { unread: 'go-on' as const } : {}),
            summary: 'Compare the boot entry with the plan',
            risk: 'none' as const,
            reversible: true,
            turnsGreen: [],
          },
        ]),
  ];
}

function differs({ files, facts }: Draft, path: string): boolean {
  const wanted = files.get(path);
  const now = textOf(facts, path);
  // A file that shall go, of which nobody knows whether it is there, is left out of the plan.
  return wanted !== undefined && wanted.text !== now && (wanted.text !== null || now !== undefined);
}

type Writer = (
  draft: Draft,
  add: readonly string[],
  remove: readonly string[],
  turnsGreen: readonly string[],
) => readonly Unordered[];

const writers: Partial<Record<FamilyName, Writer>> = {
  'grub-drop-in': (draft, add, remove, turnsGreen) => {
    if (add.length > 0)
      wantFile(
        draft,
        own.grub,
        `GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT ${add.join(' ')}"\n`,
        {
          purpose: 'kernel arguments',
          turnsGreen,
        },
      );
    else dropFile(draft, own.grub, 'kernel arguments');
    removeFromGrub(draft, remove, turnsGreen);
    return [];
  },
  'grub-defaults': (draft, add, remove, turnsGreen) => {
    grubBlock(draft, 'GRUB_CMDLINE_LINUX_DEFAULT', add, turnsGreen);
    removeFromGrub(draft, remove, turnsGreen);
    noteArguments(draft, add, []);
    return [];
  },
  grubby: (draft, add, remove, turnsGreen) => {
    const { facts } = draft;
    // For kernels that are installed later.
    grubBlock(draft, 'GRUB_CMDLINE_LINUX', add, turnsGreen);
    if (typeof facts.boot.kernelCmdlineFile === 'string') changeKernelFile(draft, add, remove, turnsGreen);
    const gone = noteArguments(draft, add, remove);
    const entries = isUnknown(facts.boot.entries) ? [] : facts.boot.entries;
    const wrong =
      entries.length === 0 || entries.some(({ args }) => !settled(args, add, [...remove, ...gone]));
    if (add.length + remove.length + gone.length === 0 || !wrong) return [];
    const change = (plus: readonly string[], minus: readonly string[]) => [
      'grubby',
      '--update-kernel=ALL',
      ...(plus.length === 0 ? [] : [`--args=${plus.join(' ')}`]),
      ...(minus.length === 0 ? [] : [`--remove-args=${minus.join(' ')}`]),
    ];
    return [
      {
        id: 'grubby',
        kind: 'run',
        argv: change(add, [...remove, ...gone]),
        undo: change([...remove, ...gone], add),
        summary: `Set the kernel arguments of all boot entries (${[...add, ...remove.map((word) => `-${word}`)].join(' ')})`,
        risk: 'none',
        reversible: true,
        turnsGreen,
      },
    ];
  },
  'proxmox-systemd-boot': (draft, add, remove, turnsGreen) => {
    changeKernelFile(draft, add, remove, turnsGreen);
    noteArguments(draft, add, remove);
    return [];
  },
  'kernel-cmdline': (draft, add, remove, turnsGreen) => {
    changeKernelFile(draft, add, remove, turnsGreen);
    noteArguments(draft, add, remove);
    return [];
  },
  'loader-entries': (draft, add, remove, turnsGreen) => {
    const gone = noteArguments(draft, add, remove);
    const paths = Object.keys(draft.facts.files ?? {}).filter((path) =>
      /\/loader\/entries\/.*\.conf$/.test(path),
    );
    for (const path of paths) {
      const turn = (text: string) =>
        text.replace(
          /^(options[ \t]+)(.*)$/m,
          (_, key: string, line: string) =>
            key + changeWords(wordsOf(line), add, [...remove, ...gone]).join(' '),
        );
      if (turn(textOf(draft.facts, path) ?? '') !== textOf(draft.facts, path))
        editFile(draft, path, turn, turnsGreen);
    }
    return [];
  },
};

function changeKernelFile(
  draft: Draft,
  add: readonly string[],
  remove: readonly string[],
  turnsGreen: readonly string[],
): void {
  const gone = ownArguments(draft.facts).filter((word) => !add.some(same(word)));
  const line = draft.facts.boot.kernelCmdlineFile;
  if (isUnknown(line) || line === null || settled(line, add, [...remove, ...gone])) return;
  const words = changeWords(wordsOf(line), add, [...remove, ...gone]);
  if (!editFile(draft, kernelFile, () => `${words.join(' ')}\n`, turnsGreen))
    unknownFile(draft, kernelFile, add);
}

/** Keeps what was added and removed, where the boot configuration itself cannot carry a mark. Returns what is no longer wanted. */
function noteArguments(draft: Draft, add: readonly string[], remove: readonly string[]): readonly string[] {
  const away = [...new Set([...removedArguments(draft.facts), ...remove])];
  const lines = [...add.map((word) => `+${word}`), ...away.map((word) => `-${word}`)];
  if (lines.length === 0) dropFile(draft, own.arguments, 'kernel arguments that were changed');
  else
    wantFile(draft, own.arguments, lines.map((line) => `${line}\n`).join(''), {
      purpose: 'kernel arguments that were changed',
    });
  return ownArguments(draft.facts).filter((word) => !add.some(same(word)));
}

function grubBlock(
  draft: Draft,
  variable: string,
  add: readonly string[],
  turnsGreen: readonly string[],
): void {
  const lines = add.length === 0 ? [] : [`${variable}="$${variable} ${add.join(' ')}"`];
  const text = textOf(draft.facts, grubFile);
  if (typeof text !== 'string') {
    if (add.length > 0 && variable.endsWith('DEFAULT')) unknownFile(draft, grubFile, add);
  } else if (blockOf(text).join('\n') !== lines.join('\n')) {
    editFile(draft, grubFile, (old) => withBlock(old, lines), turnsGreen);
  }
}

/** Takes words out of the assignments of GRUB's defaults. */
function removeFromGrub(draft: Draft, remove: readonly string[], turnsGreen: readonly string[]): void {
  const ours = ownArguments(draft.facts);
  const foreign = remove.filter((word) => !ours.some(same(word)));
  if (foreign.length === 0) return;
  const files = Object.keys(draft.facts.files ?? {}).filter(
    (path) => path === grubFile || (/^\/etc\/default\/grub\.d\/[^/]+\.cfg$/.test(path) && path !== own.grub),
  );
  const missed = new Set(foreign.filter((word) => standsInGrub(draft.facts, word)));
  for (const path of files) {
    const turn = (line: string) => {
      if (!/^\s*(?:export\s+)?GRUB_CMDLINE_LINUX(?:_DEFAULT)?\+?=/.test(line) || /\$\(|`/.test(line))
        return line;
      return foreign.reduce((current, word) => {
        const next = withoutWord(current, word);
        if (next !== current) missed.delete(word);
        return next;
      }, line);
    };
    if (replaceLines(textOf(draft.facts, path) ?? '', turn) !== textOf(draft.facts, path))
      editFile(draft, path, (text) => replaceLines(text, turn), turnsGreen);
  }
  for (const word of missed) {
    draft.diagnostics.push({
      kind: 'blocked',
      code: 'host.argument-not-found',
      path: '',
      message: `${word} comes from a part of GRUB's defaults that only running it can tell.`,
      remedy: `Take ${word} out of ${grubFile} by hand.`,
    });
  }
}

function standsInGrub({ boot }: HostFacts, word: string): boolean {
  if (isUnknown(boot.grub)) return true;
  return parseCommandLine(`${boot.grub.linux} ${boot.grub.linuxDefault}`).args.some(({ raw }) =>
    same(raw)(word),
  );
}

/** The assignment without one word of its value. */
function withoutWord(line: string, word: string): string {
  const place = line.indexOf('=') + 1;
  const words = line.slice(place).split(/([\s"']+)/);
  const index = words.findIndex(
    (part) => part === word || (part !== '' && normalWord(part) === normalWord(word)),
  );
  if (index < 0) return line;
  const [before = '', after = ''] = [words[index - 1], words[index + 1]];
  // One of the two blanks around it goes as well.
  const blankBefore = /^\s+$/.test(before);
  words[index] = '';
  if (blankBefore) words[index - 1] = '';
  else if (/^\s+$/.test(after)) words[index + 1] = '';
  return line.slice(0, place) + words.join('');
}

function unknownFile(draft: Draft, path: string, add: readonly string[]): void {
  draft.diagnostics.push({
    kind: 'blocked',
    code: 'host.file-not-known',
    path: '',
    message: `The text of ${path} is not known, so ${add.join(' ')} cannot be added to it.`,
    remedy: 'Read the host again as root with the current collection script.',
  });
}
