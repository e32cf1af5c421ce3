import { isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import {
  deviceCheck,
  fault,
  hostCheck,
  type Judgement,
  pass,
  seen,
  some,
  unclear,
  virtualMachines,
  warn,
} from './check.ts';
import { relevantWords, remappingOff, switchedOff } from './kernel-arguments.ts';

const units = '/sys/class/iommu';
const tables = '/sys/firmware/acpi/tables';
const enableInFirmware =
  'Switch on VT-d (Intel), AMD-Vi / IOMMU (AMD) or SMMU in the firmware settings; no software can do it.';

/** The runtime state, which is the only truth about an IOMMU. */
function isActive({ iommu }: HostFacts): boolean | undefined {
  if (!isUnknown(iommu.units) && iommu.units.length > 0) return true;
  if (!isUnknown(iommu.groups) && iommu.groups.length > 0) return true;
  return isUnknown(iommu.units) ? undefined : false;
}

function activeEvidence({ iommu }: HostFacts) {
  return !isUnknown(iommu.units) && iommu.units.length > 0
    ? seen(units, some(iommu.units))
    : seen(
        '/sys/kernel/iommu_groups',
        isUnknown(iommu.groups) ? iommu.groups.unknown : `${iommu.groups.length} groups`,
      );
}

/** Tables that describe an IOMMU (ACPI: DMAR Intel, IVRS AMD, IORT arm64); undefined when it is not known. */
function firmwareTables({ boot }: HostFacts): readonly string[] | undefined {
  return isUnknown(boot.acpiTables)
    ? undefined
    : boot.acpiTables.filter((name) => /^(DMAR|IVRS|IORT)$/.test(name));
}

const firmware = hostCheck('H08', 'IOMMU offered by the firmware', 'blocker', virtualMachines, (facts) => {
  if (isActive(facts)) return pass('An IOMMU is at work, so the firmware offers one.', activeEvidence(facts));
  const found = firmwareTables(facts);
  if (found === undefined)
    return unclear(tables, isUnknown(facts.boot.acpiTables) ? facts.boot.acpiTables : undefined);
  return found.length > 0
    ? pass('The firmware describes an IOMMU.', seen(tables, some(found)))
    : fault(
        'The firmware describes no IOMMU: it is switched off there, or the machine has none.',
        [seen(tables, 'neither DMAR, IVRS nor IORT')],
        enableInFirmware,
      );
});

const active = hostCheck('H09', 'IOMMU active', 'blocker', virtualMachines, (facts) => {
  const state = isActive(facts);
  if (state === undefined)
    return unclear(units, isUnknown(facts.iommu.units) ? facts.iommu.units : undefined);
  if (state) return pass('The kernel uses the IOMMU.', activeEvidence(facts));
  const empty = seen(units, 'empty');
  const vendor = cpuVendor(facts);
  const args = isUnknown(facts.boot.cmdline) ? [] : facts.boot.cmdline.args;
  const off = switchedOff(args, vendor);
  if (off.length > 0) {
    return fault(
      'The kernel command line switches the IOMMU off.',
      [empty, seen('/proc/cmdline', off.join(' '))],
      `Take ${some(off)} off the kernel command line and reboot.`,
      true,
    );
  }
  const found = firmwareTables(facts);
  if (found?.length === 0) {
    return fault(
      'No IOMMU is active; the firmware offers none.',
      [empty, seen(tables, 'no IOMMU table')],
      enableInFirmware,
    );
  }
  const intel = found?.includes('DMAR') || vendor === 'GenuineIntel';
  return fault(
    'No IOMMU is active, so devices cannot be given to virtual machines.',
    [empty, ...(found === undefined ? [] : [seen(tables, some(found))])],
    intel
      ? 'Add intel_iommu=on to the kernel command line and reboot.'
      : 'An AMD IOMMU is on by itself when the firmware offers it: check the firmware settings and the kernel log.',
    intel && found !== undefined,
  );
});

const commandLine = hostCheck('H10', 'Kernel command line', 'warning', virtualMachines, (facts) => {
  const { cmdline } = facts.boot;
  if (isUnknown(cmdline)) return unclear('/proc/cmdline', cmdline);
  const line = seen('/proc/cmdline', cmdline.raw);
  const off = [...switchedOff(cmdline.args, cpuVendor(facts)), ...remappingOff(cmdline.args)];
  if (off.length > 0) {
    return fault(
      `${some(off)} ${off.length === 1 ? 'works' : 'work'} against the IOMMU or its interrupt remapping.`,
      [line],
      `Take ${some(off)} off the kernel command line and reboot.`,
      true,
    );
  }
  const wrongFile = inUnreadFile(facts, relevantWords(cmdline.raw));
  if (wrongFile) return wrongFile;
  const idle = cmdline.args.flatMap(({ key, value, raw }) =>
    (key === 'amd_iommu' && value === 'on') ||
    (key === 'iommu' && value === '1') ||
    ((key === 'multifunction' || key === 'nofb') && value === undefined)
      ? [raw]
      : [],
  );
  if (cmdline.args.some(({ key }) => key === 'pcie_acs_override')) {
    return warn(
      'pcie_acs_override makes groups look smaller than they are where the kernel carries the patch, and does nothing elsewhere.',
      [line],
      'Prefer a slot whose ports isolate by themselves; take the word away if the kernel has no such patch.',
    );
  }
  return pass(
    idle.length === 0
      ? 'Nothing on the command line works against the IOMMU.'
      : `Nothing on the command line works against the IOMMU. ${some(idle)}: harmless, has no effect.`,
    line,
  );
});

/** Words that were written to a file which the boot loader in use does not read: the most frequent complaint of all. */
function inUnreadFile({ boot, system }: HostFacts, running: readonly string[]): Judgement | undefined {
  const { loader, grub, kernelCmdlineFile: file } = boot;
  if (isUnknown(loader)) return undefined;
  const missingFrom = (text: string) => relevantWords(text).filter((word) => !running.includes(word));
  const grubText = isUnknown(grub) ? '' : `${grub.linux} ${grub.linuxDefault}`;
  const fileText = isUnknown(file) ? '' : (file ?? '');
  if (loader.kind === 'systemd-boot') {
    const read = relevantWords(fileText);
    const words = missingFrom(grubText).filter((word) => !read.includes(word));
    return words.length === 0
      ? undefined
      : misplaced(
          words,
          '/etc/default/grub',
          grubText,
          'systemd-boot',
          '/etc/kernel/cmdline',
          loader.evidence,
        );
  }
  const debian = !isUnknown(system.os) && [system.os.id, ...system.os.idLike].includes('debian');
  if (loader.kind !== 'grub' || !debian) return undefined;
  const read = relevantWords(grubText);
  const words = missingFrom(fileText).filter((word) => !read.includes(word));
  return words.length === 0
    ? undefined
    : misplaced(words, '/etc/kernel/cmdline', fileText, 'GRUB', '/etc/default/grub', loader.evidence);
}

function misplaced(
  words: readonly string[],
  file: string,
  text: string,
  loader: string,
  right: string,
  told: { readonly source: string; readonly text: string },
): Judgement {
  return fault(
    `${some(words)} stands in ${file}, but the host boots with ${loader}, which does not read that file.`,
    [seen(file, text.trim()), told],
    `Put ${words.length === 1 ? 'it' : 'them'} into ${right} and refresh the boot loader.`,
    true,
  );
}

const groups = deviceCheck(
  'H11',
  'GPU in an IOMMU group',
  'blocker',
  virtualMachines,
  (facts, _subject, gpu) => {
    const source = `/sys/bus/pci/devices/${gpu.address}/iommu_group`;
    const { iommuGroup } = gpu;
    if (isUnknown(iommuGroup)) return unclear(source, iommuGroup);
    if (iommuGroup !== null) {
      const group = isUnknown(facts.iommu.groups)
        ? undefined
        : facts.iommu.groups.find(({ id }) => id === iommuGroup);
      return pass(
        `The GPU is in IOMMU group ${iommuGroup}${group?.type === undefined ? '' : ` (${group.type})`}.`,
        seen(source, String(iommuGroup)),
      );
    }
    const integrated = gpu.vendor === 'intel' && isActive(facts);
    return fault(
      integrated
        ? 'The IOMMU is on, but not for the integrated GPU: the kernel leaves it out by default, or intel_iommu=igfx_off does.'
        : 'The GPU is in no IOMMU group, so it cannot be given away.',
      [seen(source, 'absent')],
      integrated
        ? 'Add intel_iommu=on to the kernel command line and reboot.'
        : 'Make the IOMMU active first; see H08 and H09.',
      integrated === true,
    );
  },
);

const interruptRemapping = hostCheck('H14', 'Interrupt remapping', 'blocker', virtualMachines, (facts) => {
  const { interruptRemapping: remapping, unsafeInterruptsAllowed } = facts.iommu;
  if (isUnknown(remapping)) return unclear('the state of interrupt remapping', remapping);
  if (remapping)
    return pass('The IOMMU remaps interrupts.', seen('kernel log', 'interrupt remapping enabled'));
  const off = isUnknown(facts.boot.cmdline) ? [] : remappingOff(facts.boot.cmdline.args);
  const evidence = [seen('kernel log', 'interrupt remapping is not enabled')];
  if (off.length > 0) {
    return fault(
      `${some(off)} switches interrupt remapping off.`,
      [...evidence, seen('/proc/cmdline', off.join(' '))],
      `Take ${some(off)} off the kernel command line and reboot.`,
      true,
    );
  }
  if (unsafeInterruptsAllowed === true) {
    return warn(
      'Interrupts are not remapped and allow_unsafe_interrupts accepts that: a guest can send interrupts to the host.',
      [...evidence, seen('/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts', 'Y')],
      'Accept the risk only for guests you trust; better, switch interrupt remapping (x2APIC) on in the firmware.',
    );
  }
  return fault(
    'The host does not remap interrupts, so VFIO refuses to hand out devices.',
    evidence,
    'Switch interrupt remapping (x2APIC) on in the firmware. allow_unsafe_interrupts=1 is the risky way round it: guests can then send interrupts to the host.',
  );
});

function cpuVendor({ system }: HostFacts): string | undefined {
  return isUnknown(system.cpu) ? undefined : system.cpu.vendor;
}

/** Whether an IOMMU stands between devices and memory; judged by what runs, never by the command line. */
export const iommuChecks = [firmware, active, commandLine, groups, interruptRemapping];
