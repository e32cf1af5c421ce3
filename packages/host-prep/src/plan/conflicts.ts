import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { isVfioDriver, vfioModules } from '../modules/drivers-in-use.ts';
import { relevantWords, remappingOff, switchedOff } from '../modules/kernel-arguments.ts';
import { moduleName } from '../modules/module-names.ts';
import { addArgument, type Draft, editFile, faults, removeArgument, wantLine } from './draft.ts';
import { switchOff } from './foreign-text.ts';
import { isIdsArgument, isPlainArgument, isRunning, ownArguments, wordsOf } from './kernel-arguments.ts';
import { own, ownLines } from './own-files.ts';
import { cannotEdit } from './vfio-ids.ts';

/** Lines of other people's files that work against the goal: switched off where the check that found them says. */
export function settleConflicts(draft: Draft): void {
  for (const finding of faults(draft, 'H07', 'H15', 'H16', 'H17', 'H26')) {
    for (const { source, text } of finding.evidence) {
      const [, path, line] = /^(\/.+):(\d+)$/.exec(source) ?? [];
      if (source === '/proc/cmdline') withoutModule(draft, text, finding.id);
      else if (path !== undefined && path !== own.modprobe) {
        const done = editFile(draft, path, (old) => switchOff(old, [Number(line)]), [finding.id]);
        if (!done) cannotEdit(draft, path);
      }
    }
  }
  firmBlacklists(draft);
}

/** Takes the modules that the host needs out of `modprobe.blacklist=a,b`; the others stay. */
function withoutModule(draft: Draft, token: string, check: string): void {
  const [key = '', value = ''] = token.split('=');
  const kept = value.split(',').filter((module) => !isNeeded(draft, moduleName(module)));
  removeArgument(draft, token, check);
  if (kept.length > 0) addArgument(draft, `${key}=${kept.join(',')}`, check);
}

/** True for KVM and VFIO, and when a device that the host keeps is, or can only be, driven by the module. */
function isNeeded({ facts, readiness }: Draft, module: string): boolean {
  if (vfioModules.includes(module) || /^kvm(_intel|_amd)?$/.test(module)) return true;
  const given = new Set<string>(
    facts.gpus
      .filter(({ address }) => readiness.devices.some((device) => device.address === address))
      .flatMap((gpu) => [gpu.address, ...gpu.companions.map(({ address }) => address)]),
  );
  return (isUnknown(facts.pci) ? [] : facts.pci).some(
    ({ address, driver, modules = [] }) =>
      !given.has(address) &&
      (typeof driver === 'string'
        ? moduleName(driver) === module
        : modules.length > 0 && modules.every((name) => moduleName(name) === module)),
  );
}

/** A driver that loads although it is blacklisted is refused by the kernel itself, where no device of the host needs it. */
function firmBlacklists(draft: Draft): void {
  const { facts } = draft;
  const loaded = isUnknown(facts.kernelModules.loaded) ? [] : facts.kernelModules.loaded;
  for (const { evidence } of faults(draft, 'H23')) {
    const modules = evidence.map(({ text }) => moduleName(text.split(/\s+/)[1] ?? ''));
    const idle = [...new Set(modules)].filter(
      (module) => loaded.includes(module) && !isNeeded(draft, module) && !couldDrive(draft, module),
    );
    if (idle.length > 0) addArgument(draft, `module_blacklist=${idle.sort().join(',')}`, 'H23');
  }
}

/** True when a GPU that the host keeps could be driven by the module. */
function couldDrive({ facts, readiness }: Draft, module: string): boolean {
  return facts.gpus.some(
    ({ address, modules = [] }) =>
      modules.some((name) => moduleName(name) === module) &&
      !readiness.devices.some((device) => device.address === address),
  );
}

/** Arguments that must go, that belong into another file, or that the IOMMU needs. */
export function settleArguments(draft: Draft): void {
  const { facts } = draft;
  const resized = draft.goal.hugepages !== undefined;
  for (const token of ownArguments(facts))
    if (!isIdsArgument(token) && !(resized && /^(?:default_)?hugepages/.test(token)))
      addArgument(draft, token);
  if (draft.goal.mode === 'container') return;
  if (isUnknown(facts.boot.cmdline)) return;
  const { args } = facts.boot.cmdline;
  const vendor = isUnknown(facts.system.cpu) ? undefined : facts.system.cpu.vendor;
  // Where something else switches the IOMMU off, the kernel's own default may be off as well.
  const intel =
    faults(draft, 'H11').some(({ remedy }) => remedy?.includes('intel_iommu=on')) ||
    (faults(draft, 'H09').length > 0 && isIntel(facts));
  const off = switchedOff(args, vendor);
  // The last intel_iommu= counts, so one that switches off need not be found and removed.
  if (intel || off.some((token) => token.startsWith('intel_iommu=')))
    addArgument(draft, 'intel_iommu=on', 'H09', 'H10', 'H11');
  for (const token of off) if (!token.startsWith('intel_iommu=')) removeArgument(draft, token, 'H09', 'H10');
  for (const token of remappingOff(args)) removeArgument(draft, token, 'H10', 'H14');
  misplacedArguments(draft);
}

function isIntel({ boot, system }: HostFacts): boolean {
  if (!isUnknown(boot.acpiTables) && boot.acpiTables.includes('DMAR')) return true;
  return !isUnknown(system.cpu) && system.cpu.vendor === 'GenuineIntel';
}

/** Words that stand in the file of a loader that is not in use, and were meant to count. */
function misplacedArguments(draft: Draft): void {
  const { facts } = draft;
  const finding = faults(draft, 'H10').find(({ why }) => why.includes('does not read that file'));
  const text = finding?.evidence[0]?.text;
  if (text === undefined) return;
  const wanted = relevantWords(text);
  for (const word of wordsOf(text))
    if (isPlainArgument(word) && wanted.includes(relevantWords(word)[0] ?? '') && !isRunning(facts, word))
      addArgument(draft, word, 'H10');
}

/** Keeps nouveau from a GPU that NVIDIA's driver must have: one it holds, or would take when vfio-pci lets go. */
export function settleNouveau(draft: Draft, gpus: readonly GpuDevice[]): void {
  if (draft.goal.mode === 'vm-passthrough') return;
  const { modprobe } = draft.facts.kernelModules;
  const barred = isUnknown(modprobe) ? [] : modprobe.blacklist.map(({ module }) => module);
  for (const line of ownLines(draft.facts, own.modprobe))
    if (line.startsWith('blacklist ')) wantLine(draft, own.modprobe, line, 'H22');
  for (const { vendor, driver, modules = [] } of gpus) {
    if (vendor !== 'nvidia' || typeof driver !== 'string') continue;
    const rivals = ['nouveau', 'nvidiafb'].filter(
      (name) => driver === name || (isVfioDriver(driver) && modules.includes(name)),
    );
    for (const rival of rivals) {
      if (!barred.includes(rival) || driver === rival)
        wantLine(draft, own.modprobe, `blacklist ${rival}`, 'H22');
      if (driver === rival) draft.rebootFor.add('drivers');
    }
  }
}
