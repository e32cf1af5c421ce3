import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import {
  container,
  deviceCheck,
  everyMode,
  fault,
  pass,
  passthrough,
  seen,
  skip,
  some,
  unclear,
  vgpu,
  warn,
} from './check.ts';
import {
  driverSource,
  driverText,
  isKubernetes,
  isReleased,
  isVfioDriver,
  nativeDrivers,
  takesWholeSlot,
  virtualFunctionsOf,
} from './drivers-in-use.ts';
import { moduleName } from './module-names.ts';
import { takesId, vfioIds } from './vfio-ids.ts';

const released = deviceCheck(
  'H19',
  'GPU free for a virtual machine',
  'blocker',
  passthrough,
  (facts, subject, gpu) => {
    if (isUnknown(gpu.driver)) return unclear(driverSource(gpu.address), gpu.driver);
    const functions = [gpu, ...gpu.companions];
    const held = functions.filter(({ driver }) => isReleased(driver) === false);
    const evidence = functions.map((item) => seen(driverSource(item.address), driverText(item)));
    if (held.includes(gpu)) {
      return fault(
        `The GPU is in use by the host's driver ${gpu.driver}. ${reason(facts, gpu)}`,
        evidence,
        'Bind the card to vfio-pci from the initramfs, before that driver loads.',
        true,
      );
    }
    if (held.length > 0) {
      const judgement = [
        `The GPU is free, but ${some(held.map((item) => `${item.address} (${driverText(item)})`))} of the same card is in use by the host.`,
        evidence,
        "Bind the card's other functions to vfio-pci as well.",
        true,
      ] as const;
      return takesWholeSlot(subject) ? warn(...judgement) : fault(...judgement);
    }
    if (gpu.driver === null && isKubernetes(subject)) {
      return warn(
        'No driver holds the GPU, but KubeVirt and the device plugins offer only devices that are on vfio-pci.',
        evidence,
        'Bind the card to vfio-pci; with the GPU Operator its VFIO manager does that.',
        true,
      );
    }
    return pass(
      gpu.driver === null
        ? 'No driver holds the GPU: it is ready for passthrough.'
        : `The GPU is on ${gpu.driver}.`,
      ...evidence,
    );
  },
);

/** Why vfio-pci did not get the GPU. */
function reason(facts: HostFacts, gpu: GpuDevice): string {
  const { modprobe, vfioPci } = facts.kernelModules;
  const ids = vfioIds(facts);
  const listed = !isUnknown(ids) && ids.effective.some((entry) => takesId(entry, gpu.id));
  const driver = moduleName(String(gpu.driver));
  if (!listed) return 'Nothing tells vfio-pci to take it.';
  if (vfioPci === 'builtin')
    return 'vfio-pci is built in, so its id list must stand on the kernel command line.';
  const softdep =
    !isUnknown(modprobe) &&
    modprobe.softdep.some(
      (line) =>
        moduleName(line.module) === driver && line.pre.some((name) => moduleName(name) === 'vfio_pci'),
    );
  return softdep
    ? 'Its id is listed and the order of loading is set, so the initramfs was most likely built before that.'
    : `Its id is listed, but ${driver} may load first: there is no "softdep ${driver} pre: vfio-pci", or the initramfs lacks it.`;
}

const vgpuDriver = deviceCheck('H20', 'GPU on the vGPU driver', 'blocker', vgpu, (facts, _subject, gpu) => {
  if (gpu.vendor !== 'nvidia')
    return skip('Only NVIDIA shares its GPUs through a driver of this kind; see A01 and I01.');
  if (isUnknown(gpu.driver)) return unclear(driverSource(gpu.address), gpu.driver);
  const evidence = [seen(driverSource(gpu.address), driverText(gpu))];
  if (gpu.driver !== 'nvidia') {
    return fault(
      `The vGPU manager needs the GPU on the driver nvidia; ${gpu.driver === null ? 'it has no driver' : `it is on ${gpu.driver}`}.`,
      evidence,
      gpu.driver === null || !isVfioDriver(gpu.driver)
        ? 'Install the NVIDIA vGPU manager (-vgpu-kvm) for this kernel.'
        : 'Take the GPU out of the vfio-pci configuration and reboot.',
      gpu.driver !== null && isVfioDriver(gpu.driver),
    );
  }
  const stolen = virtualFunctionsOf(facts, gpu).filter(
    ({ driver }) => typeof driver === 'string' && driver !== 'nvidia',
  );
  return stolen.length === 0
    ? pass('The GPU and its virtual functions are on the driver nvidia.', ...evidence)
    : fault(
        `Virtual functions are held by another driver: ${some(stolen.map((item) => `${item.address} (${driverText(item)})`))}. They make no vGPU there.`,
        [
          ...evidence,
          ...stolen.slice(0, 2).map((item) => seen(driverSource(item.address), driverText(item))),
        ],
        'Take the id of the GPU out of the vfio-pci list: its virtual functions have the same one.',
        true,
      );
});

const nativeDriver = deviceCheck(
  'H21',
  'GPU on its own driver',
  'blocker',
  container,
  (_facts, _subject, gpu) => {
    if (isUnknown(gpu.driver)) return unclear(driverSource(gpu.address), gpu.driver);
    const wanted = nativeDrivers[gpu.vendor];
    const evidence = seen(driverSource(gpu.address), driverText(gpu));
    if (wanted.length === 0) return skip('No driver for containers is known for this vendor.');
    if (gpu.driver !== null && wanted.includes(gpu.driver))
      return pass(`The GPU is on ${gpu.driver}.`, evidence);
    const onVfio = gpu.driver !== null && isVfioDriver(gpu.driver);
    return fault(
      `Containers need the GPU on ${wanted.join(' or ')}; ${gpu.driver === null ? 'no driver holds it' : `it is on ${gpu.driver}`}.`,
      [evidence],
      onVfio
        ? 'Remove the binding to vfio-pci and reboot.'
        : `Install and load the driver ${wanted.join(' or ')} for this kernel.`,
      onVfio,
    );
  },
);

const nouveau = deviceCheck('H22', 'No nouveau on the GPU', 'blocker', everyMode, (_facts, _subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip('nouveau and nvidiafb drive NVIDIA GPUs only.');
  if (isUnknown(gpu.driver)) return unclear(driverSource(gpu.address), gpu.driver);
  const evidence = seen(driverSource(gpu.address), driverText(gpu));
  return gpu.driver === 'nouveau' || gpu.driver === 'nvidiafb'
    ? fault(
        `${gpu.driver} holds the GPU, so nothing else can.`,
        [evidence],
        `Keep ${gpu.driver} from this GPU: bind it by address, or blacklist ${gpu.driver}; then rebuild the initramfs and reboot.`,
        true,
      )
    : pass(
        'Neither nouveau nor nvidiafb holds the GPU. That they are listed as possible modules is normal.',
        evidence,
      );
});

/** Which driver holds the GPU, against the one its purpose needs. */
export const driverChecks = [released, vgpuDriver, nativeDriver, nouveau];
