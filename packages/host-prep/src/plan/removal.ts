import { apiVersion, deepFreeze } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { inOrder, rebootStep } from './assemble.ts';
import type { Unordered } from './draft.ts';
import { bootFamily, familyCommands, initramfsCommand } from './family.ts';
import { restored } from './foreign-text.ts';
import type { Consent, HostDiagnostic, HostPlan } from './host-plan.ts';
import { changeWords, ownArguments, removedArguments, wordsOf } from './kernel-arguments.ts';
import { backupOf, editedFiles, isOwn, own, ownLines, textOf } from './own-files.ts';

const quiet = { risk: 'none', reversible: true, turnsGreen: [] } as const;

/**
 * The way back: removes every file and unit of ours, restores the foreign files that were edited, and makes the boot
 * entries and the initramfs anew. Drivers that were installed stay; their steps name how they are removed.
 */
export function planHostRemoval(
  facts: HostFacts,
  { consent = [] }: { readonly consent?: readonly Consent[] } = {},
): HostPlan {
  const family = bootFamily(facts);
  const diagnostics: HostDiagnostic[] = [];
  const add = ownArguments(facts);
  const away = removedArguments(facts);
  const steps: Unordered[] = [...stopUnits(facts)];
  const changed: string[] = [];
  for (const path of editedFiles(facts)) {
    const step = restoreStep(facts, path, add, away, diagnostics);
    if (step !== undefined) {
      steps.push(step);
      changed.push(path);
    }
  }
  const present = Object.keys(facts.files ?? {})
    .filter(isOwn)
    .sort();
  for (const path of present)
    steps.push({
      ...quiet,
      id: `remove${path}`,
      kind: 'remove-file',
      path,
      before: textOf(facts, path) ?? '',
      summary: `Remove ${path}`,
    });
  const argv = initramfsCommand(family);
  const early = [...present, ...changed].some((path) =>
    /modprobe\.d|initramfs-tools|dracut|mkinitcpio|\/etc\/vmgpu\/(devices|bind)$/.test(path),
  );
  if (early && argv !== undefined)
    steps.push({
      ...quiet,
      id: 'initramfs',
      kind: 'initramfs',
      argv,
      summary: `Rebuild the initramfs of all kernels (${argv[0]})`,
    });
  if (family.name === 'grubby' && add.length + away.length > 0) steps.push(grubbyStep(add, away));
  const { refresh, output, entries } = familyCommands(family, facts);
  const bootFiles = [...present, ...changed].some((path) =>
    /default\/grub|kernel\/cmdline|loader\/entries/.test(path),
  );
  if (bootFiles && refresh !== undefined)
    steps.push({
      ...quiet,
      id: 'boot-loader',
      kind: 'boot-loader',
      argv: refresh,
      ...(output === undefined ? {} : { output }),
      summary: `Make the boot entries anew (${refresh[0]})`,
    });
  if (
    (bootFiles || family.name === 'grubby') &&
    add.length + away.length > 0 &&
    (entries.read ?? entries.files)
  )
    steps.push({
      ...quiet,
      id: 'verify-boot-entry',
      kind: 'verify-boot-entry',
      ...entries,
      present: away,
      absent: add,
      ...(consent.includes('unread-boot-entry') ? { unread: 'go-on' as const } : {}),
      summary: 'Compare the boot entry with the plan',
    });
  const reasons = [
    ...(ownLines(facts, own.devices).length > 0 ||
    [...present, ...changed].some((path) => path.includes('modprobe.d'))
      ? ['drivers']
      : []),
    ...(bootFiles || add.length + away.length > 0 ? ['kernel arguments'] : []),
  ];
  if (reasons.length > 0) steps.push(rebootStep(reasons, steps));
  return deepFreeze({
    apiVersion,
    kind: 'HostPlan',
    host: facts.host,
    family,
    goal: null,
    steps: inOrder(steps),
    diagnostics,
    kernelArguments: { add: away, remove: add },
    reboot: reasons.length > 0,
  } satisfies HostPlan);
}

function stopUnits(facts: HostFacts): readonly Unordered[] {
  const units = [
    ['vmgpu-vgpu.service', own.vgpuUnit, own.vgpuScript, 'vGPUs'],
    ['vmgpu-functions.service', own.functionsUnit, own.functionsScript, 'virtual functions'],
  ] as const;
  return units
    .filter(([, file]) => textOf(facts, file) !== null && facts.files !== undefined)
    .flatMap(([unit, , script, what]) => [
      {
        ...quiet,
        id: `remove-${unit}`,
        kind: 'run' as const,
        argv: ['sh', script, 'remove'],
        undo: ['sh', script, 'apply'],
        risk: 'vm-restart' as const,
        summary: `Remove the ${what}; virtual machines that use them must be off`,
      },
      {
        ...quiet,
        id: `service/${unit}`,
        kind: 'service' as const,
        unit,
        action: 'disable' as const,
        summary: `Switch ${unit} off`,
      },
    ]);
}

/** Moves the original back when nobody else has changed the file since; else takes only our changes out. */
function restoreStep(
  facts: HostFacts,
  path: string,
  add: readonly string[],
  away: readonly string[],
  diagnostics: HostDiagnostic[],
): Unordered | undefined {
  const before = textOf(facts, path);
  const backup = backupOf(path);
  const original = textOf(facts, backup);
  if (typeof before !== 'string' || typeof original !== 'string') return undefined;
  const isLine = path === '/etc/kernel/cmdline';
  const isEntry = path.includes('/loader/entries/');
  const takeBack = (text: string) =>
    isLine
      ? `${changeWords(wordsOf(text), away, add).join(' ')}\n`
      : isEntry
        ? text.replace(
            /^(options[ \t]+)(.*)$/m,
            (_, key: string, line: string) => key + changeWords(wordsOf(line), away, add).join(' '),
          )
        : restored(text);
  const after = takeBack(before);
  const untouched = isLine || isEntry ? sameWords(after, takeBack(original)) : after === original;
  if (!untouched) {
    if (after === before) return undefined;
    diagnostics.push({
      kind: 'approximated',
      code: 'host.changed-since',
      path: '',
      message: `${path} was changed by somebody else since; only the changes made here are taken out of it.`,
      remedy: `The original is kept at ${backup}.`,
    });
    return {
      ...quiet,
      id: `edit${path}`,
      kind: 'edit-file',
      path,
      before,
      after,
      backup,
      summary: `Take our changes out of ${path}`,
    };
  }
  return {
    ...quiet,
    id: `restore${path}`,
    kind: 'restore-file',
    path,
    before,
    after: original,
    backup,
    summary: `Restore the original of ${path}`,
  };
}

function sameWords(a: string, b: string): boolean {
  return [...wordsOf(a)].sort().join('\n') === [...wordsOf(b)].sort().join('\n');
}

function grubbyStep(add: readonly string[], away: readonly string[]): Unordered {
  const change = (plus: readonly string[], minus: readonly string[]) => [
    'grubby',
    '--update-kernel=ALL',
    ...(plus.length === 0 ? [] : [`--args=${plus.join(' ')}`]),
    ...(minus.length === 0 ? [] : [`--remove-args=${minus.join(' ')}`]),
  ];
  return {
    ...quiet,
    id: 'grubby',
    kind: 'run',
    argv: change(away, add),
    undo: change(add, away),
    summary: 'Set the kernel arguments of all boot entries back',
  };
}

/** True when an earlier plan has left anything on the host. */
export function isPrepared({ files = {} }: HostFacts): boolean {
  return Object.keys(files).some(isOwn);
}
