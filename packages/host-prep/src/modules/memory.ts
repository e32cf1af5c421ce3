import { isUnknown } from '@vmgpu/core';
import { fault, hostCheck, pass, passthrough, seen, skip, unclear, virtualMachines } from './check.ts';

const hugepages = hostCheck('H37', 'Huge pages', 'info', virtualMachines, ({ memory }) => {
  if (isUnknown(memory.hugepages)) return unclear('/sys/kernel/mm/hugepages', memory.hugepages);
  const pools = memory.hugepages
    .filter(({ total }) => total > 0)
    .map(({ sizeKiB, total, free }) => `${total} of ${sizeKiB / 1024} MiB, ${free} free`);
  return pass(
    pools.length === 0
      ? 'No huge pages are set aside; most virtual machines need none.'
      : `Set aside: ${pools.join('; ')}.`,
    seen('/sys/kernel/mm/hugepages', pools.join('; ') || 'none'),
  );
});

const memlock = hostCheck('H38', 'Locked memory', 'warning', passthrough, ({ memory }, { platform }) => {
  // libvirt raises the limit for each such VM, and Proxmox VE starts QEMU as root, which has none.
  if (platform !== undefined) return skip('The platform sets the limit for each virtual machine itself.');
  const limit = memory.memlock;
  if (isUnknown(limit)) return unclear('the limit of locked memory', limit);
  if (limit === 'unlimited') return pass('Services may lock any amount of memory.', seen('ulimit -l', limit));
  if (isUnknown(memory.totalKiB)) return unclear('/proc/meminfo', memory.totalKiB);
  const evidence = seen('ulimit -l', `${limit} KiB`);
  return limit >= memory.totalKiB
    ? pass('Services may lock as much memory as there is.', evidence)
    : fault(
        'A virtual machine with a GPU needs all its memory locked, and services may lock less than the host has.',
        [evidence],
        'Set LimitMEMLOCK=infinity for the service that starts the virtual machines; libvirt and Proxmox VE do without.',
      );
});

const ignoreMsrs = hostCheck('H39', 'ignore_msrs off', 'info', passthrough, ({ kernelModules }) => {
  const source = '/sys/module/kvm/parameters/ignore_msrs';
  if (isUnknown(kernelModules.ignoreMsrs)) return unclear(source, kernelModules.ignoreMsrs);
  return kernelModules.ignoreMsrs
    ? fault(
        'KVM hides accesses to unknown registers from guests. Only some Windows and macOS guests need that, and it hides real faults.',
        [seen(source, 'Y')],
        'Remove ignore_msrs=1 unless such a guest needs it.',
      )
    : pass('KVM treats unknown registers as the hardware does.', seen(source, 'N'));
});

/** Memory for virtual machines. */
export const memoryChecks = [hugepages, memlock, ignoreMsrs];
