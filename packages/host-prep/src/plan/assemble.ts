import { apiVersion, deepFreeze } from '@vmgpu/core';
import { type Draft, dropFile, type Unordered, wantFile } from './draft.ts';
import { initramfsCommand } from './family.ts';
import type { BootFamily, HostPlan, HostStep } from './host-plan.ts';
import { argumentSteps } from './kernel-arguments.ts';
import { backupOf, own, textOf } from './own-files.ts';

const purposes: Readonly<Record<string, string>> = {
  [own.modprobe]: 'options of kernel modules',
  [own.modulesLoad]: 'modules to load at boot',
};

/** Makes ordered steps of what the subjects want, leaving out what is so already. */
export function assemble(draft: Draft, family: BootFamily): HostPlan {
  const { facts, goal, readiness } = draft;
  gatherLines(draft);
  const boot = argumentSteps(draft, family);
  const files = fileSteps(draft);
  const initramfs = initramfsStep(draft, family, files);
  const before = [...draft.first, ...files, ...initramfs, ...boot];
  const reboot = draft.rebootFor.size > 0;
  const steps: Unordered[] = [...before];
  if (reboot) steps.push(rebootStep([...draft.rebootFor], before));
  steps.push(...draft.later.filter((step) => !(reboot && step.id.startsWith('modprobe/'))));
  const turnsGreen = [...new Set(steps.flatMap((step) => step.turnsGreen))].sort();
  if (steps.length > 0)
    steps.push({
      id: 'verify',
      kind: 'verify',
      mode: goal.mode,
      devices: readiness.devices.map(({ address }) => address),
      checks: turnsGreen,
      summary: `Read the host again and judge it (${turnsGreen.join(', ') || 'no check was failing'})`,
      risk: 'none',
      reversible: true,
      turnsGreen: [],
    });
  return deepFreeze({
    apiVersion,
    kind: 'HostPlan',
    host: facts.host,
    family,
    goal: { ...goal, devices: readiness.devices.map(({ address }) => address) },
    steps: inOrder(steps),
    diagnostics: draft.diagnostics,
    kernelArguments: { add: [...draft.add.keys()], remove: [...draft.remove.keys()] },
    reboot,
  } satisfies HostPlan);
}

/** Every step waits for the one before it: a host must be able to boot after each of them. */
export function inOrder(steps: readonly Unordered[]): readonly HostStep[] {
  return steps.map((step, index) => {
    const previous = steps[index - 1];
    return { ...step, needs: previous === undefined ? [] : [previous.id] } as HostStep;
  });
}

function gatherLines(draft: Draft): void {
  for (const path of [own.modprobe, own.modulesLoad]) {
    const lines = draft.lines.get(path);
    const purpose = purposes[path] ?? '';
    const early = path === own.modprobe;
    if (lines === undefined) dropFile(draft, path, purpose, early);
    else
      wantFile(draft, path, [...lines.keys()].map((line) => `${line}\n`).join(''), {
        purpose,
        early,
        turnsGreen: [...new Set([...lines.values()].flatMap((ids) => [...ids]))],
      });
  }
}

export function fileSteps({ facts, files, edits }: Draft): readonly Unordered[] {
  const common = { risk: 'none', reversible: true } as const;
  const steps: Unordered[] = [];
  for (const { path, text, mode, purpose, turnsGreen } of files.values()) {
    const before = textOf(facts, path);
    if (before === text) continue;
    if (text === null) {
      if (typeof before !== 'string') continue;
      steps.push({
        ...common,
        id: `remove${path}`,
        kind: 'remove-file',
        path,
        before,
        summary: `Remove ${path} (${purpose})`,
        turnsGreen: [...turnsGreen],
      });
    } else {
      steps.push({
        ...common,
        id: `write${path}`,
        kind: 'write-file',
        path,
        mode,
        ...(before === undefined ? {} : { before }),
        after: text,
        summary: `${before === null || before === undefined ? 'Write' : 'Change'} ${path} (${purpose})`,
        turnsGreen: [...turnsGreen],
      });
    }
  }
  for (const [path, { text, turnsGreen }] of edits) {
    const before = textOf(facts, path) ?? '';
    if (before === text) continue;
    steps.push({
      ...common,
      id: `edit${path}`,
      kind: 'edit-file',
      path,
      before,
      after: text,
      backup: backupOf(path),
      summary: `Edit ${path}, keeping the original`,
      turnsGreen: [...turnsGreen],
    });
  }
  return steps;
}

function initramfsStep(draft: Draft, family: BootFamily, files: readonly Unordered[]): readonly Unordered[] {
  const argv = initramfsCommand(family);
  const early = files.filter(
    (step) =>
      'path' in step &&
      (draft.files.get(step.path)?.early || /\/(?:modprobe\.d|initramfs-tools|mkinitcpio)/.test(step.path)),
  );
  if (argv === undefined || (early.length === 0 && draft.rebuildFor.size === 0)) return [];
  return [
    {
      id: 'initramfs',
      kind: 'initramfs',
      argv,
      summary: `Rebuild the initramfs of all kernels (${argv[0]})`,
      risk: 'none',
      reversible: true,
      turnsGreen: [...new Set([...early.flatMap((step) => step.turnsGreen), ...draft.rebuildFor])],
    },
  ];
}

export function rebootStep(reasons: readonly string[], before: readonly Unordered[]): Unordered {
  return {
    id: 'reboot',
    kind: 'reboot',
    summary: `Reboot the host (${reasons.join(', ')})`,
    risk: 'host-reboot',
    reversible: false,
    turnsGreen: [...new Set(before.flatMap((step) => step.turnsGreen))],
  };
}
