import { isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import {
  container,
  deviceCheck,
  everyMode,
  fault,
  hostCheck,
  nativeDriver,
  pass,
  type Subject,
  seen,
  skip,
  some,
  unclear,
  warn,
} from './check.ts';
import { isVfioDriver, noSmi, smiOf } from './drivers-in-use.ts';

const noNvidia = 'No NVIDIA GPU is meant.';
const versionFile = '/proc/driver/nvidia/version';

export function hasNvidia({ devices }: Subject): boolean {
  return devices.some(({ vendor }) => vendor === 'nvidia');
}

const secureBoot = hostCheck(
  'H33',
  'Driver allowed by Secure Boot',
  'blocker',
  nativeDriver,
  (facts, subject) => {
    if (!hasNvidia(subject)) return skip(noNvidia);
    const { driverVersion, moduleSigner } = facts.nvidia;
    const log = isUnknown(facts.kernelLog) ? [] : facts.kernelLog;
    const rejected = log.find((line) =>
      /Key was rejected by service|Loading of (unsigned )?module.*(rejected|denied)/i.test(line),
    );
    const remedy =
      "Sign the driver's modules and enrol the key (mokutil --import, then confirm at the console), or switch Secure Boot off.";
    if (typeof driverVersion === 'string')
      return pass('The kernel has accepted the driver.', seen(versionFile, driverVersion));
    if (rejected !== undefined)
      return fault('The kernel refused a module for its signature.', [seen('kernel log', rejected)], remedy);
    const { secureBoot: secure } = facts.boot;
    if (isUnknown(secure)) return unclear('the state of Secure Boot', secure);
    if (!secure) return pass('Secure Boot is off.', seen('SecureBoot', '0'));
    if (isUnknown(moduleSigner)) return unclear('who signed the driver', moduleSigner);
    return moduleSigner === null
      ? fault(
          'Secure Boot is on and the driver is not signed, so the kernel will not load it.',
          [seen('SecureBoot', '1'), seen('modinfo -F signer nvidia', 'none')],
          remedy,
        )
      : pass(`The driver is signed by ${moduleSigner}.`, seen('modinfo -F signer nvidia', moduleSigner));
  },
);

const flavour = hostCheck(
  'H34',
  'Right kind of NVIDIA driver',
  'blocker',
  nativeDriver,
  ({ nvidia }, subject) => {
    if (!hasNvidia(subject)) return skip(noNvidia);
    const kind = nvidia.flavour;
    if (isUnknown(kind)) return unclear(versionFile, kind);
    const forVgpu = subject.mode === 'vm-vgpu';
    const version = isUnknown(nvidia.driverVersion) ? '' : ` ${nvidia.driverVersion ?? ''}`;
    const evidence = seen(versionFile, `${kind ?? 'not loaded'}${version}`);
    if (kind === null) {
      return fault(
        'The NVIDIA driver is not loaded.',
        [evidence],
        forVgpu ? 'Install the NVIDIA vGPU manager (-vgpu-kvm).' : 'Install the NVIDIA data centre driver.',
      );
    }
    if ((kind === 'vgpu-host') === forVgpu) return pass(`The driver fits: ${kind}.`, evidence);
    return fault(
      forVgpu
        ? 'The loaded driver serves the host and its containers; vGPUs need the vGPU manager. One host cannot have both.'
        : 'The loaded driver is the vGPU manager, which has no CUDA for the host. One host cannot have both.',
      [evidence],
      forVgpu
        ? 'Replace the driver by the NVIDIA vGPU manager (-vgpu-kvm).'
        : 'Replace the vGPU manager by the data centre driver.',
    );
  },
);

const dkms = hostCheck('H35', 'Driver built for this kernel', 'warning', nativeDriver, (facts, subject) => {
  if (!hasNvidia(subject)) return skip(noNvidia);
  const { dkms: modules, kernelHeaders } = facts.kernelModules;
  const running = facts.system.kernelRelease;
  if (modules === undefined || isUnknown(modules)) return unclear('dkms status', modules);
  if (isUnknown(running)) return unclear('the kernel release', running);
  const own = modules.filter(({ module }) => module.startsWith('nvidia'));
  if (own.length === 0) return skip('The driver is not built by DKMS.');
  const evidence = own.map(({ module, version, kernel = 'no kernel', state }) =>
    seen('dkms status', `${module}/${version}, ${kernel}: ${state}`),
  );
  const installed = isUnknown(facts.boot.installedKernels) ? [running] : facts.boot.installedKernels;
  const unserved = installed.filter(
    (kernel) => !own.some((item) => item.kernel === kernel && item.state.startsWith('installed')),
  );
  if (unserved.length === 0) return pass('The driver is built for every installed kernel.', ...evidence);
  return fault(
    `The driver is not built for ${some(unserved)}, so it will not load there.${kernelHeaders === false ? ' The kernel headers are missing.' : ''}`,
    evidence,
    'Install the headers of these kernels and run dkms autoinstall.',
  );
});

const nvSwitch = hostCheck('H42', 'NVSwitch fabric', 'blocker', everyMode, (facts, subject) => {
  if (isUnknown(facts.pci)) return unclear('the list of PCI devices', facts.pci);
  const switches = facts.pci.filter((item) => item.class.startsWith('0680') && item.id.startsWith('10de:'));
  if (switches.length === 0) return skip('The host has no NVSwitch.');
  const addresses = some(switches.map(({ address }) => address));
  const state = isUnknown(facts.services) ? undefined : facts.services['nvidia-fabricmanager'];
  if (state?.activeState === 'active') {
    return pass('The fabric manager runs.', seen('systemctl show nvidia-fabricmanager', 'active'));
  }
  if (
    subject.mode === 'vm-passthrough' &&
    switches.every(({ driver }) => typeof driver === 'string' && isVfioDriver(driver))
  ) {
    return pass('The switches are given away with the GPUs.', seen('lspci', `${addresses} on vfio-pci`));
  }
  if (isUnknown(facts.services)) return unclear('the state of nvidia-fabricmanager', facts.services);
  return fault(
    subject.mode === 'container'
      ? 'The GPUs are joined by NVSwitch, and without the fabric manager CUDA does not start (error 802).'
      : 'The GPUs are joined by NVSwitch: without a partition plan of the fabric manager they come up without NVLink.',
    [
      seen('systemctl show nvidia-fabricmanager', state?.activeState ?? 'not found'),
      seen('lspci', addresses),
    ],
    'Install nvidia-fabricmanager of the same version as the driver and start it; for virtual machines activate a partition.',
  );
});

const persistence = deviceCheck(
  'H43',
  'Persistence and MIG settled',
  'warning',
  container,
  (facts, _subject, gpu) => {
    if (gpu.vendor !== 'nvidia') return skip('This is about NVIDIA GPUs.');
    const smi = smiOf(facts, gpu);
    if (smi === undefined || isUnknown(smi)) return noSmi(smi);
    const mig = smi.migMode;
    const evidence = [
      seen(
        'nvidia-smi -q -x',
        `MIG ${mig?.current ?? 'N/A'}, pending ${mig?.pending ?? 'N/A'}; persistence ${smi.persistenceMode ?? 'N/A'}`,
      ),
    ];
    if (mig && mig.current !== mig.pending)
      return fault(
        'A change of the MIG mode waits for a reset of the GPU.',
        evidence,
        'Reset the GPU (nvidia-smi --gpu-reset) or reboot.',
      );
    return smi.persistenceMode === 'Disabled'
      ? warn(
          'Without persistence the driver forgets the GPU between jobs, and each start takes seconds.',
          evidence,
          'Start nvidia-persistenced at boot.',
        )
      : pass('MIG mode and persistence are settled.', ...evidence);
  },
);

/** NVIDIA's own driver on the host. */
export const nvidiaChecks = [secureBoot, flavour, dkms, nvSwitch, persistence];

export function driverVersionText({ nvidia }: HostFacts): string {
  return isUnknown(nvidia.driverVersion)
    ? nvidia.driverVersion.unknown
    : (nvidia.driverVersion ?? 'not loaded');
}
