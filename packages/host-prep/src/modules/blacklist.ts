import { companionKind, isUnknown, type PciFunction } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { blacklisted } from './blacklisted.ts';
import { fault, hostCheck, pass, passthrough, type Subject, skip, some, unclear } from './check.ts';
import { moduleName } from './module-names.ts';

const gpuDrivers = new Set([
  'nouveau',
  'nvidia',
  'nvidiafb',
  'nvidia_drm',
  'amdgpu',
  'radeon',
  'i915',
  'xe',
  'snd_hda_intel',
]);

const effective = hostCheck('H23', 'Blacklists that work', 'warning', passthrough, (facts) => {
  const { modprobe, loaded } = facts.kernelModules;
  const list = blacklisted(facts)?.filter(({ module }) => gpuDrivers.has(module));
  if (list === undefined) return unclear('modprobe.d', isUnknown(modprobe) ? modprobe : undefined);
  if (list.length === 0) return skip('No GPU driver is blacklisted.');
  if (isUnknown(loaded)) return unclear('/proc/modules', loaded);
  const ignored = list.filter(({ module }) => loaded.includes(module));
  return ignored.length === 0
    ? pass('No blacklisted GPU driver is loaded.', ...list.map(({ evidence }) => evidence).slice(0, 6))
    : fault(
        `${some([...new Set(ignored.map(({ module }) => module))])} is loaded although it is blacklisted. A blacklist stops loading by hardware only; the initramfs, a dependency or a program can still load it.`,
        ignored.map(({ evidence }) => evidence),
        'Bind the GPU by address before drivers load; or rebuild the initramfs, and if that is not enough use module_blacklist= on the kernel command line.',
        true,
      );
});

const dangerous = hostCheck(
  'H26',
  'Blacklists that spare the host',
  'blocker',
  passthrough,
  (facts, subject) => {
    const list = blacklisted(facts);
    const { modprobe } = facts.kernelModules;
    if (list === undefined) return unclear('modprobe.d', isUnknown(modprobe) ? modprobe : undefined);
    if (isUnknown(facts.pci)) return unclear('the list of PCI devices', facts.pci);
    const kept = keptByHost(facts.pci, subject);
    const hits = list.flatMap((entry) =>
      kept.filter((item) => drivenBy(item, entry.module)).map((item) => ({ ...entry, item })),
    );
    if (hits.length === 0)
      return pass(
        'No blacklist takes a driver from a device that the host keeps.',
        ...list.slice(0, 3).map(({ evidence }) => evidence),
      );
    const grave = hits.filter(({ item }) => isVital(facts, item));
    const judgement = fault(
      `The blacklist also hits devices that the host keeps: ${some(hits.map(({ item, module }) => `${module} of ${item.address} (${companionKind(item.class)})`))}.`,
      hits.map(({ evidence }) => evidence),
      'Remove the blacklist and bind the GPU by address (driver_override) instead.',
      true,
    );
    return grave.length > 0 ? judgement : { ...judgement, severity: 'warning' };
  },
);

function keptByHost(pci: readonly PciFunction[], { devices }: Subject): readonly PciFunction[] {
  const given = new Set(
    devices.flatMap((gpu) => [gpu.address, ...gpu.companions.map(({ address }) => address)]),
  );
  return pci.filter(({ address }) => !given.has(address));
}

function drivenBy({ driver, modules = [] }: PciFunction, module: string): boolean {
  if (typeof driver === 'string') return moduleName(driver) === module;
  // nouveau and nvidiafb are only two of several possible drivers of a GPU; a GPU without driver is not missing them.
  return driver === null && modules.length > 0 && modules.every((name) => moduleName(name) === module);
}

/** Storage, network, USB, and the only display. */
function isVital({ gpus }: HostFacts, { class: pciClass, address }: PciFunction): boolean {
  return (
    /^(01|02|0c03)/.test(pciClass) || gpus.some((gpu) => gpu.address === address && gpu.bootVga === true)
  );
}

/** Blacklists: whether they work, and whom they hit. */
export const blacklistChecks = [effective, dangerous];
