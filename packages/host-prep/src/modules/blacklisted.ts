import { type Evidence, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { seen } from './check.ts';
import { moduleName } from './module-names.ts';

export interface Blacklisted {
  readonly module: string;
  readonly evidence: Evidence;
}

/** Everything that keeps modules from loading, in files and on the kernel command line. */
export function blacklisted({ kernelModules, boot }: HostFacts): readonly Blacklisted[] | undefined {
  const { modprobe } = kernelModules;
  if (isUnknown(modprobe)) return undefined;
  const args = isUnknown(boot.cmdline) ? [] : boot.cmdline.args;
  return [
    ...modprobe.blacklist.map(({ module, file, line }) => ({
      module: moduleName(module),
      evidence: seen(`${file}:${line}`, `blacklist ${module}`),
    })),
    ...modprobe.install
      .filter(({ command }) => /^\/(usr\/)?bin\/(false|true)\b/.test(command.trim()))
      .map(({ module, command, file, line }) => ({
        module: moduleName(module),
        evidence: seen(`${file}:${line}`, `install ${module} ${command}`),
      })),
    ...args
      .filter(({ key }) => key === 'modprobe.blacklist' || key === 'module_blacklist')
      .flatMap(({ value = '', raw }) =>
        value.split(',').map((module) => ({
          module: moduleName(module),
          evidence: seen('/proc/cmdline', raw),
        })),
      ),
  ];
}

/** What keeps these modules from being loaded at boot. */
export function blacklistsOf(facts: HostFacts, modules: readonly string[]): readonly Evidence[] {
  return (blacklisted(facts) ?? [])
    .filter(({ module }) => modules.includes(module))
    .map(({ evidence }) => evidence);
}

// systemd-modules-load probes with the blacklist applied (systemd 252, src/shared/module-util.c,
// KMOD_PROBE_APPLY_BLACKLIST), and udev loads by alias, so here a plain `blacklist` keeps out what is named.
export const blacklistedAtBoot = 'a blacklist keeps what is needed from being loaded at boot.';
export const removeBlacklist = 'Remove the blacklist.';
