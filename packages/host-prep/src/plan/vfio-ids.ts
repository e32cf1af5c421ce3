import { type GpuDevice, isUnknown, type PciFunction } from '@vmgpu/core';
import { isReleased, isVfioDriver } from '../modules/drivers-in-use.ts';
import { normalWord } from '../modules/kernel-arguments.ts';
import { moduleName } from '../modules/module-names.ts';
import { idsParameter, takesId, vfioIds } from '../modules/vfio-ids.ts';
import { bindsById } from './binding.ts';
import { addArgument, consents, type Draft, editFile, faults, removeArgument, wantLine } from './draft.ts';
import { switchOff } from './foreign-text.ts';
import { isIdsArgument, ownArguments } from './kernel-arguments.ts';
import { own } from './own-files.ts';

/**
 * The one list of ids that vfio-pci may have. Several lists do not add up, a blank ends one, and a list that names a vGPU
 * host's GPU takes its virtual functions: then the lines are switched off where they stand, and one merged line of our own
 * replaces them. Returns the ids that count from then on.
 */
export function settleIds(
  draft: Draft,
  gpus: readonly GpuDevice[],
  functions: readonly PciFunction[],
): readonly string[] {
  const { facts, goal } = draft;
  const ids = vfioIds(facts);
  if (isUnknown(ids)) return [];
  const passthrough = goal.mode === 'vm-passthrough';
  const wanted = bindsById(draft);
  const lists = ids.sources.length > 1 || ids.sources.some(({ cutOff }) => cutOff.length > 0);
  const named = unique(ids.sources.flatMap((source) => [...source.ids, ...source.cutOff]));
  const taken = (entry: string, items: readonly PciFunction[]) => items.some(({ id }) => takesId(entry, id));
  const twins = passthrough && consents(draft, 'release-twins') ? twinsOf(draft, gpus) : [];
  const hits = named.filter((entry) => (passthrough ? taken(entry, twins) : taken(entry, gpus)));
  const missing =
    wanted === undefined ? [] : functions.filter(({ id }) => !named.some((entry) => takesId(entry, id)));
  const dead =
    facts.kernelModules.vfioPci === 'builtin' && ids.sources.some(({ source }) => source !== '/proc/cmdline');
  const softdeps = wanted !== undefined && facts.kernelModules.vfioPci !== 'builtin';
  if (!lists && hits.length === 0 && missing.length === 0 && !(dead && wanted)) {
    keepOwnLine(draft);
    const unbound = functions.some(({ driver }) => typeof driver !== 'string' || !isVfioDriver(driver));
    if (softdeps && unbound) addSoftdeps(draft, functions);
    return ids.sources.length > 0 ? ids.effective : [];
  }
  const checks = ['H17', 'H18', 'H20', 'V13', 'H21', 'H19'].filter((id) => faults(draft, id).length > 0);
  const merged = unique([
    ...named.filter((entry) => !hits.includes(entry) && !wouldSteal(draft, entry, ids.effective, functions)),
    ...missing.map(({ id }) => id.split(':').slice(0, 2).join(':')),
  ]);
  const asArgument = wanted === 'argument' || facts.kernelModules.vfioPci === 'builtin';
  const argument = asArgument && merged.length > 0 ? `vfio-pci.ids=${merged.join(',')}` : '';
  const standing = ids.sources.some(
    ({ source, text }) => source === '/proc/cmdline' && normalWord(text) === normalWord(argument),
  );
  const parameters = new Set<string>();
  for (const { source, text } of ids.sources) {
    const [, path, line] = /^(\/.+):(\d+)$/.exec(source) ?? [];
    if (path === undefined) {
      // `modprobe -c` repeats what stands on the command line.
      if (source === '/proc/cmdline' && normalWord(text) !== normalWord(argument))
        removeArgument(draft, text, ...checks);
      continue;
    }
    for (const word of text.split(/\s+/).slice(2))
      if (/^[a-z_]+=/.test(word) && !word.startsWith('ids=')) parameters.add(word);
    if (path === own.modprobe) continue;
    const done = editFile(draft, path, (old) => switchOff(old, [Number(line)]), checks);
    if (!done) cannotEdit(draft, path);
  }
  if (hits.length > 0) {
    if (!passthrough) draft.rebootFor.add('drivers');
    freeDrivers(draft, twins);
  }
  if (merged.length === 0) return [];
  if (asArgument) {
    if (!standing || ownArguments(facts).includes(argument)) addArgument(draft, argument, ...checks);
  } else {
    const line = ['options vfio-pci', `ids=${merged.join(',')}`, ...parameters].join(' ');
    wantLine(draft, own.modprobe, line, ...checks);
  }
  if (softdeps) addSoftdeps(draft, functions);
  return merged;
}

/** Cards that come back to the host get their drivers back: blacklists of all that could drive them are switched off. */
function freeDrivers(draft: Draft, cards: readonly GpuDevice[]): void {
  const { kernelModules, boot } = draft.facts;
  const modules = cards
    .flatMap((card) => [card, ...card.companions].flatMap((item) => item.modules ?? []))
    .map(moduleName);
  const { blacklist, install } = isUnknown(kernelModules.modprobe)
    ? { blacklist: [], install: [] }
    : kernelModules.modprobe;
  for (const { module, file, line } of [...blacklist, ...install])
    if (modules.includes(module)) editFile(draft, file, (text) => switchOff(text, [line]), ['H26']);
  for (const { key, value = '', raw } of isUnknown(boot.cmdline) ? [] : boot.cmdline.args) {
    const kept = value.split(',').filter((name) => !modules.includes(moduleName(name)));
    if (!/^(?:modprobe\.blacklist|module_blacklist)$/.test(key) || kept.join(',') === value) continue;
    removeArgument(draft, raw, 'H26');
    if (kept.length > 0) addArgument(draft, `${key}=${kept.join(',')}`, 'H26');
  }
}

/** True for an id that had no effect so far, and would now take a device that the host works with. */
function wouldSteal(
  { facts, diagnostics }: Draft,
  entry: string,
  effective: readonly string[],
  functions: readonly PciFunction[],
): boolean {
  if (effective.includes(entry) || isUnknown(facts.pci)) return false;
  const used = facts.pci.find(
    ({ id, address, driver }) =>
      takesId(entry, id) &&
      isReleased(driver) === false &&
      !functions.some((item) => item.address === address),
  );
  if (used === undefined) return false;
  diagnostics.push({
    kind: 'lossy',
    code: 'host.idle-id',
    path: '',
    message: `${entry} stands in a list of ids that has no effect; it is left out of the merged one, because the host works with ${used.address}.`,
    remedy: 'Name the device in the goal if it is to be given away.',
  });
  return true;
}

function keepOwnLine(draft: Draft): void {
  for (const token of ownArguments(draft.facts)) if (isIdsArgument(token)) addArgument(draft, token);
  const { modprobe } = draft.facts.kernelModules;
  if (isUnknown(modprobe)) return;
  for (const { module, parameters, file } of modprobe.options)
    if (file === own.modprobe && moduleName(module) === 'vfio_pci' && idsParameter(parameters))
      wantLine(draft, own.modprobe, `options vfio-pci ${parameters}`);
  for (const { module, pre, file } of modprobe.softdep)
    if (file === own.modprobe && pre.includes('vfio_pci')) wantLine(draft, own.modprobe, softdep(module));
}

const softdep = (module: string) => `softdep ${module} pre: vfio-pci`;

function addSoftdeps(draft: Draft, functions: readonly PciFunction[]): void {
  const drivers = functions.flatMap(({ modules = [], driver }) => [
    ...modules,
    ...(typeof driver === 'string' ? [driver] : []),
  ]);
  for (const driver of unique(drivers.map(moduleName))
    .filter((name) => !name.includes('vfio'))
    .sort())
    wantLine(draft, own.modprobe, softdep(driver), 'H19', 'H22');
}

/** Equal cards that were not asked for. */
export function twinsOf({ facts }: Draft, gpus: readonly GpuDevice[]): readonly GpuDevice[] {
  return facts.gpus.filter(
    (other) =>
      other.role === 'physical' &&
      !gpus.some(({ address }) => address === other.address) &&
      gpus.some(({ id }) => id.slice(0, 9) === other.id.slice(0, 9)),
  );
}

export function cannotEdit(draft: Draft, path: string): void {
  draft.diagnostics.push({
    kind: 'blocked',
    code: 'host.foreign-file',
    path: '',
    message: `${path} stands in the way, and it is not a file that may be edited here: a package owns it, or its text is not known.`,
    remedy:
      'Read the host again as root; or put a file of the same name into /etc/modprobe.d, which hides it.',
  });
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}
