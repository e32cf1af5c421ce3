import { shellCommand, shellQuote } from '@vmgpu/core';
import type { Command, HostStep } from '../plan/host-plan.ts';

/** How each package manager installs without asking. */
const installers = {
  // Another apt may be at work, as unattended upgrades are after a boot (apt.conf(5), DPkg::Lock::Timeout).
  apt: ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=300', 'install', '-y'],
  dnf: ['dnf', 'install', '-y'],
  zypper: ['zypper', '--non-interactive', 'install'],
  pacman: ['pacman', '-S', '--needed', '--noconfirm'],
} as const;

/** Program and arguments that install packages. */
export function installCommand({ manager, names }: Extract<HostStep, { kind: 'package' }>): Command {
  return [...installers[manager], ...names];
}

/** Shell lines that do a step with the functions of the script. */
export function doStep(step: HostStep): string {
  switch (step.kind) {
    case 'write-file':
      return `put ${shellQuote(step.path)} ${step.mode.toString(8).padStart(4, '0')} ${here(step.after)}`;
    case 'edit-file':
    case 'restore-file': {
      const word = step.kind === 'edit-file' ? 'edit' : 'restore';
      return [
        `expect ${shellQuote(step.path)} ${here(step.before)}`,
        `${word} ${shellQuote(step.path)} ${shellQuote(step.backup)} ${here(step.after)}`,
      ].join('\n');
    }
    case 'remove-file':
      return `drop ${shellQuote(step.path)}`;
    case 'run':
      return step.check === undefined
        ? `run ${shellCommand(step.argv)}`
        : `holds ${shellCommand(step.check)} || run ${shellCommand(step.argv)}`;
    case 'write-sysfs': {
      const write = `write ${shellQuote(step.path)} ${shellQuote(step.value)}`;
      return step.done === undefined
        ? write
        : `reads ${shellQuote(step.done.path)} ${shellQuote(step.done.value)} || ${write}`;
    }
    case 'service':
      return `service ${step.action} ${shellQuote(step.unit)}`;
    case 'package':
      return `run ${shellCommand(installCommand(step))}`;
    case 'manual':
      return `say ${shellQuote(step.instructions)}`;
    case 'initramfs':
      return `[ ! -e "$state/pending" ] || run ${shellCommand(step.argv)}`;
    case 'boot-loader': {
      const how = step.output === undefined ? 'run' : `remake ${shellQuote(step.output)}`;
      return `[ ! -e "$state/pending" ] || ${how} ${shellCommand(step.argv)}`;
    }
    case 'verify-boot-entry':
      return verifyEntry(step);
    case 'reboot':
      return 'after_reboot';
    case 'verify':
      return `say ${shellQuote('Done. Check it: vmgpu doctor')}`;
  }
}

/** Shell lines that take a step back; undefined when there is nothing to take back. */
export function undoStep(step: HostStep): string | undefined {
  switch (step.kind) {
    case 'write-file':
    case 'remove-file':
      return `back ${shellQuote(step.path)}`;
    case 'edit-file':
      return `back ${shellQuote(step.path)}\nrm -f "$root"${shellQuote(step.backup)}`;
    case 'run':
      return step.undo === undefined ? undefined : `run ${shellCommand(step.undo)} || :`;
    case 'write-sysfs':
      return step.undo === undefined
        ? undefined
        : `write ${shellQuote(step.undo.path)} ${shellQuote(step.undo.value)} || :`;
    case 'service':
      return step.unit.startsWith('vmgpu-') && step.action !== 'disable'
        ? `service disable ${shellQuote(step.unit)} || :`
        : undefined;
    default:
      return undefined;
  }
}

function verifyEntry(step: Extract<HostStep, { kind: 'verify-boot-entry' }>): string {
  const words = [...step.present.map((word) => `+${word}`), ...step.absent.map((word) => `-${word}`)];
  // Globs are ours; they stand unquoted to be expanded.
  const source =
    step.read === undefined
      ? `entry_of ${(step.files ?? []).map((glob) => `"$root"${glob}`).join(' ')}`
      : `entry_from ${shellCommand(step.read)}`;
  return `${source}\nentry_has ${step.unread ?? 'stop'} ${shellCommand(words)}`;
}

/** A here-document that nothing expands in, with an end that is no line of the text. */
export function here(text: string): string {
  if (!text.endsWith('\n') || text.includes('\0'))
    return `<<END_OF_LINE\n$(printf %s ${shellQuote(text)})\nEND_OF_LINE`;
  const lines = new Set(text.split('\n'));
  let end = 'VMGPU_END';
  while (lines.has(end)) end += '_';
  return `<<'${end}'\n${text}${end}`;
}
