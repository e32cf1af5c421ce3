import { isUnknown } from '@vmgpu/core';
import { blacklistedAtBoot, blacklistsOf, removeBlacklist } from './blacklisted.ts';
import { fault, hostCheck, pass, seen, unclear, virtualMachines, warn } from './check.ts';

const firmware =
  'Switch on VT-x or SVM in the firmware settings (for a virtual machine: nested virtualization).';

const cpuVirtualization = hostCheck('H06', 'CPU virtualization', 'blocker', virtualMachines, (facts) => {
  const { cpu, architecture, kvmDevice } = facts.system;
  const log = isUnknown(facts.kernelLog) ? [] : facts.kernelLog;
  const refused = log.find((line) =>
    /kvm: disabled by bios|(?:VMX|SVM).*disabled.*BIOS|VMX not enabled/i.test(line),
  );
  if (refused !== undefined) {
    return fault('The firmware keeps hardware virtualization off.', [seen('kernel log', refused)], firmware);
  }
  if (!isUnknown(architecture) && !/^(x86_64|i[3-6]86)$/.test(architecture)) {
    return kvmDevice === true
      ? pass('KVM works on this processor.', seen('/dev/kvm', 'present'))
      : fault(
          'KVM is not available, and this architecture shows it in no other way.',
          [seen('/dev/kvm', 'absent')],
          firmware,
        );
  }
  if (isUnknown(cpu)) return unclear('/proc/cpuinfo', cpu);
  const { virtualization, withVirtualization, count } = cpu;
  const evidence = seen(
    '/proc/cpuinfo',
    `${virtualization ?? 'no vmx or svm'} on ${withVirtualization} of ${count} CPUs`,
  );
  if (virtualization === null) {
    return fault('The processor shows neither VT-x nor AMD-V.', [evidence], firmware);
  }
  return withVirtualization < count
    ? warn('Not every CPU offers hardware virtualization.', [evidence], firmware)
    : pass('The processor offers hardware virtualization.', evidence);
});

const kvm = hostCheck('H07', '/dev/kvm', 'blocker', virtualMachines, (facts) => {
  const { kvmDevice, cpu } = facts.system;
  if (isUnknown(kvmDevice)) return unclear('/dev/kvm', kvmDevice);
  const module = !isUnknown(cpu) && cpu.virtualization === 'svm' ? 'kvm_amd' : 'kvm_intel';
  const bars = blacklistsOf(facts, ['kvm', module]);
  const barred = bars.length > 0;
  const present = seen('/dev/kvm', kvmDevice ? 'present' : 'absent');
  if (kvmDevice)
    return barred
      ? warn(`KVM is there, but ${blacklistedAtBoot}`, [present, ...bars], removeBlacklist, true)
      : pass('KVM is there.', present);
  return fault(
    `There is no /dev/kvm, so virtual machines cannot run at full speed or not at all${barred ? `; ${blacklistedAtBoot}` : '.'}`,
    [present, ...bars],
    `${barred ? `${removeBlacklist} ` : ''}Load ${module}. If that fails, hardware virtualization is off in the firmware.`,
    !isUnknown(cpu) && cpu.virtualization !== null,
  );
});

/** Whether the host can run virtual machines at all. */
export const cpuChecks = [cpuVirtualization, kvm];
