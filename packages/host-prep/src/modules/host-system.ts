import { isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { everyMode, fault, hostCheck, pass, seen, some, unclear, virtualMachines, warn } from './check.ts';
import { relevantWords } from './kernel-arguments.ts';

/** Systems whose files must not be written over SSH: their own mechanism owns them. */
const managedSystems =
  /^(rhcos|fedora-coreos|talos|nixos|harvester|truenas|flatcar|bottlerocket|steamos|sle-micro|opensuse-microos)$/;
const writableFamilies =
  /^(debian|ubuntu|proxmox|rhel|fedora|centos|rocky|almalinux|ol|suse|opensuse|opensuse-leap|opensuse-tumbleweed|sles|arch)$/;

// Judging needs no root where sysfs is readable, so a capture without root is a warning; preparing refuses on its own.
const privilege = hostCheck(
  'H01',
  'Enough rights to read the host',
  'warning',
  everyMode,
  ({ system, gaps }) => {
    const { root, passwordlessSudo } = system;
    if (root === true) return pass('The host was read as root.', seen('id -u', '0'));
    if (passwordlessSudo === true)
      return pass('The host was read with sudo, without a password.', seen('sudo -n true', 'works'));
    if (isUnknown(root)) return unclear('the user who read the host', root);
    return fault(
      `The host was read without root, so ${gaps.length === 0 ? 'some facts may be missing' : `these are missing: ${some([...new Set(gaps.map((gap) => gap.source))])}`}.`,
      [seen('id -u', 'not 0')],
      'Read the host as root, or allow the user sudo without a password. Preparing the host needs it too.',
    );
  },
);

const operatingSystem = hostCheck('H02', 'Operating system', 'blocker', everyMode, ({ system }) => {
  const { os, container } = system;
  if (!isUnknown(container) && container !== 'none') {
    return fault(
      `This was read inside a container (${container}), which is not the host.`,
      [seen('systemd-detect-virt -c', container)],
      'Read the host itself.',
    );
  }
  if (isUnknown(os)) return { ...unclear('/etc/os-release', os), severity: 'warning' };
  const evidence = seen('/etc/os-release', os.prettyName ?? `${os.id} ${os.versionId ?? ''}`.trim());
  const names = [os.id, os.variantId ?? '', ...os.idLike];
  if (os.ostree || names.some((name) => managedSystems.test(name))) {
    return warn(
      `${os.prettyName ?? os.id} manages its own boot configuration; files written by hand are lost or make it degraded.`,
      [evidence],
      'Let `vmgpu prepare --render` write what its own mechanism takes, and apply it there.',
    );
  }
  return names.some((name) => writableFamilies.test(name))
    ? pass('It is known how this system boots.', evidence)
    : warn(
        `vmgpu does not know how ${os.id} sets kernel arguments and rebuilds its initramfs.`,
        [evidence],
        'The verdicts hold; make the changes with the tools of the system.',
      );
});

const bareMetal = hostCheck('H03', 'Bare metal', 'warning', virtualMachines, ({ system }, { mode }) => {
  const { virtualization } = system;
  if (isUnknown(virtualization)) return unclear('what the host runs on', virtualization);
  const evidence = seen('systemd-detect-virt', virtualization);
  if (virtualization === 'none') return pass('The host is a physical machine.', evidence);
  return fault(
    mode === 'vm-vgpu'
      ? `The host is itself a virtual machine (${virtualization}); NVIDIA supports its vGPU manager on physical machines only.`
      : `The host is itself a virtual machine (${virtualization}); it can hand on a GPU only with a virtual IOMMU.`,
    [evidence],
    'Use a physical host, or give this machine a virtual IOMMU and nested virtualization.',
  );
});

const kernel = hostCheck('H04', 'Kernel', 'info', everyMode, ({ system }) =>
  isUnknown(system.kernelRelease)
    ? unclear('the kernel release', system.kernelRelease)
    : pass(`The host runs Linux ${system.kernelRelease}.`, seen('uname -r', system.kernelRelease)),
);

const rebootPending = hostCheck('H05', 'No reboot outstanding', 'warning', everyMode, (facts) => {
  const { rebootRequired, cmdline } = facts.boot;
  const reasons = pendingReasons(facts);
  if (reasons.length > 0) {
    return fault(
      `What runs now is not what was set up: ${reasons.map(({ why }) => why).join('; ')}.`,
      reasons.map(({ evidence }) => evidence),
      'Reboot the host, then read and judge it again.',
    );
  }
  if (isUnknown(rebootRequired)) return unclear('/var/run/reboot-required', rebootRequired);
  return pass(
    'Nothing waits for a reboot.',
    seen('/var/run/reboot-required', 'absent'),
    ...(isUnknown(cmdline) ? [] : [seen('/proc/cmdline', cmdline.raw)]),
  );
});

function pendingReasons({ boot, system }: HostFacts) {
  const reasons = [];
  if (boot.rebootRequired === true) {
    reasons.push({
      why: 'the system asks for a reboot',
      evidence: seen('/var/run/reboot-required', 'present'),
    });
  }
  const { installedKernels: kernels, cmdline, entries } = boot;
  const running = system.kernelRelease;
  if (!isUnknown(kernels) && !isUnknown(running) && kernels.length > 0 && !kernels.includes(running)) {
    reasons.push({
      why: `the running kernel ${running} is no longer installed`,
      evidence: seen('/lib/modules', some(kernels)),
    });
  }
  const entry = isUnknown(entries) ? undefined : entries[0];
  if (entry && !isUnknown(cmdline)) {
    const now = relevantWords(cmdline.raw);
    const missing = relevantWords(entry.args).filter((word) => !now.includes(word));
    if (missing.length > 0) {
      reasons.push({
        why: `the boot entry has ${some(missing)} that the running kernel was not started with`,
        evidence: seen(entry.file, entry.args.trim()),
      });
    }
  }
  return reasons;
}

/** What the host is, and whether what runs is what is set up. */
export const systemChecks = [privilege, operatingSystem, bareMetal, kernel, rebootPending];
