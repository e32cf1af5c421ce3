import { shellQuote } from '@vmgpu/core';
import { type HostPlan, type HostStep, isBlocked } from '../plan/host-plan.ts';
import { scriptWords } from './script-words.ts';
import { doStep, undoStep } from './shell-step.ts';

/**
 * The plan as a POSIX sh script: does only what is not done yet, may be stopped and run again, `--rollback` takes it back.
 * The script of a way back has no `--rollback`: preparing anew is its opposite.
 * `first`: further lines, to be run once nobody else is at work.
 */
export function shellScript(plan: HostPlan, first: readonly string[] = []): string {
  const isWayBack = plan.goal === null;
  const lines = (step: HostStep) => [
    `# ${comment(step.summary)}`,
    `event step ${shellQuote(step.id)}`,
    doStep(step),
  ];
  const reboot = plan.steps.findIndex(({ kind }) => kind === 'reboot');
  const inThisBoot = reboot < 0 ? plan.steps : plan.steps.slice(0, reboot);
  const blocked = plan.diagnostics
    .filter(({ kind }) => kind === 'blocked')
    .map(({ message }) => `say ${shellQuote(message)}`);
  return [
    '#!/bin/sh',
    `# ${isWayBack ? `Takes back what was prepared on ${comment(plan.host)}` : `Prepares ${comment(plan.host)} for GPUs`}. Made by vmgpu.`,
    `# Run as root; again after a reboot. --reboot reboots when it is time${isWayBack ? '' : ', --rollback takes everything back'}.`,
    scriptWords,
    ...(isBlocked(plan) ? [...blocked, "stop 'The plan is blocked; nothing was done.'", ''] : []),
    '[ -n "$root" ] || [ "$(id -u)" = 0 ] || stop \'root is needed\'',
    'prepare() {',
    'lock "$state"',
    ...first,
    ...inThisBoot.flatMap(lines),
    ...(isWayBack ? ['forget'] : []),
    ...plan.steps.slice(inThisBoot.length).flatMap(lines),
    'rm -f "$state/pending"',
    '}',
    ...(isWayBack ? [] : rollbackFunction(plan)),
    'case $* in',
    "'') prepare ;;",
    '--reboot) reboot=yes; prepare ;;',
    ...(isWayBack
      ? ["*) stop 'usage: [--reboot]' ;;"]
      : ['--rollback) rollback ;;', "*) stop 'usage: [--reboot | --rollback]' ;;"]),
    'esac',
    '',
  ].join('\n');
}

function rollbackFunction({ steps }: HostPlan): readonly string[] {
  const undo = [...steps].reverse().flatMap((step) => undoStep(step) ?? []);
  const rebuild = steps.filter(({ kind }) => kind === 'initramfs' || kind === 'boot-loader');
  return [
    'rollback() {',
    'lock "$state"',
    ...undo,
    ...rebuild.map(doStep),
    'rm -f "$state/pending" "$state/boot-id"',
    "say 'Taken back. Reboot the host to start without it.'",
    '}',
  ];
}

/** One line, whatever the text: it comes after a `#`. */
function comment(text: string): string {
  return text.replace(/[\r\n]+/g, ' ');
}
