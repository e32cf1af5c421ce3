import { baseId, type Evidence, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { blacklistedAtBoot, blacklistsOf, removeBlacklist } from './blacklisted.ts';
import {
  deviceCheck,
  fault,
  hostCheck,
  pass,
  passthrough,
  seen,
  skip,
  some,
  unclear,
  vgpu,
  warn,
} from './check.ts';
import { isVfioDriver, loadsVfio, vfioModules } from './drivers-in-use.ts';
import { kernelAtLeast } from './kernel-arguments.ts';
import { moduleName } from './module-names.ts';
import { type IdsSource, takesId, vfioIds } from './vfio-ids.ts';

const modules = hostCheck('H15', 'VFIO modules', 'blocker', passthrough, (facts, subject) => {
  const { vfioPci, loaded } = facts.kernelModules;
  if (vfioPci === 'builtin')
    return pass('vfio-pci is part of the kernel.', seen('modinfo -F filename vfio-pci', '(builtin)'));
  const bars = blacklistsOf(facts, vfioModules);
  const bound = facts.gpus.find(({ driver }) => typeof driver === 'string' && isVfioDriver(driver));
  if (bound) {
    const work = seen(`/sys/bus/pci/devices/${bound.address}/driver`, String(bound.driver));
    return bars.length === 0
      ? pass('VFIO is at work.', work)
      : warn(`VFIO is at work, but ${blacklistedAtBoot}`, [work, ...bars], removeBlacklist, true);
  }
  if (vfioPci === 'absent') {
    return fault(
      'The kernel has no vfio-pci.',
      [seen('modinfo -F filename vfio-pci', 'not found')],
      'Install the full kernel package (linux-modules-extra, kernel-modules), or a kernel with CONFIG_VFIO_PCI.',
    );
  }
  if (isUnknown(loaded)) return unclear('/proc/modules', loaded);
  const wanted = ['vfio_pci', ...(builtIn(facts, 'CONFIG_VFIO_IOMMU_TYPE1') ? [] : ['vfio_iommu_type1'])];
  const missing = wanted.filter((name) => !loaded.includes(name));
  if (missing.length === 0)
    return bars.length === 0
      ? pass('The VFIO modules are loaded.', seen('/proc/modules', some(wanted)))
      : warn(`The VFIO modules are loaded, but ${blacklistedAtBoot}`, bars, removeBlacklist, true);
  const isAre = missing.length === 1 ? 'is' : 'are';
  const judgement = [
    bars.length === 0
      ? `${some(missing)} ${isAre} not loaded.`
      : `${some(missing)} ${isAre} not loaded, and ${blacklistedAtBoot}`,
    [seen('/proc/modules', `without ${some(missing)}`), ...bars],
    `${bars.length === 0 ? '' : `${removeBlacklist} `}Load vfio, vfio_iommu_type1 and vfio_pci at boot.`,
    true,
  ] as const;
  return loadsVfio(subject) ? warn(...judgement) : fault(...judgement);
});

function builtIn({ system }: HostFacts, option: string): boolean {
  return !isUnknown(system.kernelConfig) && system.kernelConfig[option] === 'y';
}

const virqfd = hostCheck('H16', 'No vfio_virqfd', 'warning', passthrough, ({ kernelModules, system }) => {
  const { loadAtBoot } = kernelModules;
  if (isUnknown(loadAtBoot)) return unclear('the list of modules to load at boot', loadAtBoot);
  const listed = loadAtBoot.filter(({ module }) => moduleName(module) === 'vfio_virqfd');
  if (listed.length === 0)
    return pass('vfio_virqfd is not asked for.', seen('/etc/modules', 'without vfio_virqfd'));
  const evidence = listed.map(({ file, line, text }) => seen(`${file}:${line}`, text));
  const gone = kernelAtLeast(system.kernelRelease, 6, 2);
  if (gone === undefined) {
    return unclear('the kernel release', isUnknown(system.kernelRelease) ? system.kernelRelease : undefined);
  }
  return gone
    ? fault(
        'Since Linux 6.2 vfio_virqfd is part of vfio and no module; asking for it makes the loading of modules fail at boot.',
        evidence,
        'Remove the line.',
        true,
      )
    : pass('This kernel still has vfio_virqfd as a module.', ...evidence);
});

const builtin = hostCheck(
  'H17',
  'vfio-pci options that are read',
  'warning',
  passthrough,
  ({ kernelModules }) => {
    const { vfioPci, modprobe } = kernelModules;
    if (isUnknown(vfioPci)) return unclear('whether vfio-pci is a module', vfioPci);
    if (vfioPci !== 'builtin') return skip('vfio-pci is a module, so modprobe.d is read for it.');
    if (isUnknown(modprobe)) return unclear('modprobe.d', modprobe);
    const dead: Evidence[] = [
      ...modprobe.options
        .filter(({ module }) => moduleName(module) === 'vfio_pci')
        .map(({ file, line, module, parameters }) =>
          seen(`${file}:${line}`, `options ${module} ${parameters}`),
        ),
      ...modprobe.softdep
        .filter(({ pre }) => pre.some((name) => moduleName(name) === 'vfio_pci'))
        .map(({ file, line, module }) => seen(`${file}:${line}`, `softdep ${module} pre: vfio-pci`)),
    ];
    return dead.length === 0
      ? pass(
          'vfio-pci is built in, and nothing in modprobe.d counts on it.',
          seen('modinfo -F filename vfio-pci', '(builtin)'),
        )
      : fault(
          'vfio-pci is built into this kernel: modprobe never loads it, so these lines do nothing.',
          dead,
          'Bind by address (driver_override), or put vfio-pci.ids= on the kernel command line.',
          true,
        );
  },
);

const effectiveIds = deviceCheck('H18', 'vfio-pci id list', 'blocker', passthrough, (facts, subject, gpu) => {
  const ids = vfioIds(facts);
  if (isUnknown(ids)) return unclear('the id list of vfio-pci', ids);
  const { effective, lost, sources, from } = ids;
  if (sources.length === 0 && effective.length === 0) {
    return skip('No id list is used: devices are bound by address, or by the platform.');
  }
  const evidence = [
    ...sources.map(({ source, text }) => seen(source, text)),
    seen(from, effective.join(',') || 'empty'),
  ];
  const wanted = [gpu, ...gpu.companions];
  const waiting = wanted.filter(({ driver }) => typeof driver !== 'string' || !isVfioDriver(driver));
  const unserved = waiting.filter(({ id }) => lost.some((entry) => takesId(entry, id)));
  if (lost.length > 0) {
    const why = `${lossReason(sources)}: ${effective.join(',') || 'nothing'} counts, ${lost.join(',')} ${lost.length === 1 ? 'is' : 'are'} lost.`;
    const remedy = 'Write one list in one place, without blanks.';
    return unserved.length > 0 ? fault(why, evidence, remedy, true) : warn(why, evidence, remedy, true);
  }
  const missing = waiting.filter(({ id }) => !effective.some((entry) => takesId(entry, id)));
  if (missing.length > 0 && missing.length < wanted.length) {
    return warn(
      `The id list leaves out ${some(missing.map(({ address, id }) => `${baseId(id)} (${address})`))}, which belong to the same cards.`,
      evidence,
      'Add these ids, or bind by address.',
      true,
    );
  }
  const twins = facts.gpus.filter(
    (other) =>
      other.role === 'physical' &&
      baseId(other.id) === baseId(gpu.id) &&
      !subject.devices.some(({ address }) => address === other.address) &&
      effective.some((entry) => takesId(entry, other.id)),
  );
  return twins.length > 0
    ? warn(
        `Ids cannot tell equal cards apart: the list also takes ${some(twins.map(({ address }) => address))}, which was not asked for.`,
        evidence,
        'Bind by address instead (driver_override from the initramfs).',
        true,
      )
    : pass('One id list is in effect.', ...evidence);
});

function lossReason(sources: readonly IdsSource[]): string {
  if (sources.some(({ cutOff }) => cutOff.length > 0)) return 'A blank ends an id list';
  return sources.length > 1
    ? 'Several id lists do not add up, the last one replaces the others'
    : 'The list was changed after vfio-pci had been loaded';
}

const noOverlap = deviceCheck(
  'V13',
  'vfio-pci leaves the GPU alone',
  'blocker',
  vgpu,
  (facts, _subject, gpu) => {
    if (gpu.vendor !== 'nvidia')
      return skip('Only NVIDIA makes vGPUs on functions that a driver of the host holds.');
    const ids = vfioIds(facts);
    if (isUnknown(ids)) return unclear('the id list of vfio-pci', ids);
    const listed = seen(ids.from, ids.effective.join(',') || 'empty');
    return ids.effective.some((entry) => takesId(entry, baseId(gpu.id)))
      ? fault(
          `vfio-pci takes ${baseId(gpu.id)}. Virtual functions have the id of their GPU, so it takes them as well and no vGPU can be made.`,
          [...ids.sources.map(({ source, text }) => seen(source, text)), listed],
          'Take the id out of the list, rebuild the initramfs and reboot.',
          true,
        )
      : pass('No id list of vfio-pci names this GPU.', listed);
  },
);

/** vfio-pci: loaded, and told which devices are its own. */
export const vfioChecks = [modules, virqfd, builtin, effectiveIds, noOverlap];
