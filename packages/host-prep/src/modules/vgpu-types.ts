import { type GpuDevice, isUnknown, type OfferedVgpuType, tryParseVgpuProfile } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { deviceCheck, fault, pass, type Subject, seen, skip, some, unclear, vgpu, warn } from './check.ts';
import { noSmi, smiOf, virtualFunctionsOf } from './drivers-in-use.ts';

const smiSource = 'nvidia-smi -q -x';
const onlyNvidia = 'This is about NVIDIA GPUs.';

const sriov = deviceCheck('V04', 'SR-IOV virtual functions', 'blocker', vgpu, (facts, subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip('See A01 and I01.');
  const source = `/sys/bus/pci/devices/${gpu.address}/sriov_numvfs`;
  if (gpu.virtualFunctions.length > 0)
    return pass(
      `${gpu.virtualFunctions.length} virtual functions exist.`,
      seen(source, String(gpu.virtualFunctions.length)),
    );
  const needed = needsVirtualFunctions(facts, subject, gpu);
  // sriov_totalvfs proves nothing: a T4 has the capability, but its vGPUs are made on the GPU itself.
  if (needed === undefined)
    return unclear('whether the board makes its vGPUs on virtual functions', undefined);
  if (!needed) return skip('This board makes its vGPUs on the GPU itself.');
  if (gpu.sriovTotal === null || gpu.sriovTotal === 0) {
    return fault(
      'The board needs SR-IOV for vGPUs, and the firmware leaves none.',
      [seen(`/sys/bus/pci/devices/${gpu.address}/sriov_totalvfs`, 'absent or 0')],
      'Switch on SR-IOV (global enable) in the firmware settings.',
    );
  }
  return fault(
    'The board makes vGPUs on virtual functions, and there are none. They vanish at every reboot.',
    [seen(source, '0')],
    `Run /usr/lib/nvidia/sriov-manage -e ${gpu.address}, and have it run at every boot.`,
    true,
  );
});

function needsVirtualFunctions(facts: HostFacts, { catalog }: Subject, gpu: GpuDevice): boolean | undefined {
  const smi = smiOf(facts, gpu);
  const mode = smi === undefined || isUnknown(smi) ? undefined : smi.hostVgpuMode;
  if (mode === 'SR-IOV') return true;
  if (mode === 'Non SR-IOV' || gpu.vgpuFramework === 'mdev') return false;
  const board = catalog?.boardsById(gpu.id)[0];
  return board?.sriovForVgpu ?? (gpu.sriovTotal === null ? false : undefined);
}

const offered = deviceCheck('V05', 'vGPU types on offer', 'blocker', vgpu, (facts, subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip('See A01 and I01.');
  const way = gpu.vgpuFramework;
  const functions = [gpu, ...virtualFunctionsOf(facts, gpu)];
  const types = functions.flatMap(({ vgpuTypes }) => vgpuTypes);
  const names = [...new Set(types.map(typeName))];
  const source = `${gpu.address}: mdev_supported_types, creatable_vgpu_types`;
  if (types.length === 0) {
    if (isUnknown(way)) return unclear('the vGPU types of the GPU', way);
    const used = functions.filter(({ address }) => (facts.pciDetails[address]?.currentVgpuType ?? 0) > 0);
    if (used.length > 0) {
      return warn(
        `The GPU is full: ${used.length} vGPUs are made and no more type is creatable.`,
        used
          .slice(0, 3)
          .map(({ address }) =>
            seen(`${address}/nvidia/current_vgpu_type`, String(facts.pciDetails[address]?.currentVgpuType)),
          ),
      );
    }
    return fault(
      'The GPU offers no vGPU types: the vGPU manager has not set it up.',
      [seen(source, 'none')],
      'Settle V01, V02 and V04 first; the journal of nvidia-vgpud and the kernel log say more.',
    );
  }
  const evidence = seen(source, some(names));
  const free = (type: OfferedVgpuType) => isUnknown(type.available) || type.available > 0;
  if (subject.profile === undefined) {
    return types.some(free)
      ? pass(`The GPU offers ${names.length} vGPU types.`, evidence)
      : warn('All vGPUs that fit are already made.', [evidence], 'Remove a vGPU before making others.');
  }
  const wanted = types.filter((type) => isProfile(type, subject.profile ?? ''));
  if (wanted.some(free)) return pass(`${subject.profile} can be made.`, evidence);
  return fault(
    wanted.length > 0
      ? `${subject.profile} exists, but no more of it can be made: the GPU is full, or another size is in use.`
      : `The GPU does not offer ${subject.profile} now.`,
    [evidence],
    'Remove vGPUs of another size, or choose a type that is on offer; types on MIG instances need MIG mode and instances.',
  );
});

const typeName = ({ name, typeId }: OfferedVgpuType) => name ?? typeId;

function isProfile({ name, typeId }: OfferedVgpuType, wanted: string): boolean {
  if (typeId === wanted || name === wanted) return true;
  const short = tryParseVgpuProfile(wanted)?.short;
  return short !== undefined && name !== undefined && tryParseVgpuProfile(name)?.short === short;
}

const mixedSizes = deviceCheck('V06', 'vGPUs of mixed sizes', 'warning', vgpu, (facts, _subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
  const smi = smiOf(facts, gpu);
  if (smi === undefined || isUnknown(smi)) return noSmi(smi);
  const able = smi.heterogeneousTimeSliceSizes;
  const mode = smi.vgpuHeterogeneousMode;
  const evidence = seen(smiSource, `time-slice sizes: ${able ?? 'N/A'}; mode: ${mode ?? 'N/A'}`);
  if (able === undefined) return unclear(`${smiSource} (heterogeneous time-slice sizes)`, undefined);
  // "Not Supported" contains "Supported".
  if (able !== 'Supported') return skip('The GPU cannot mix sizes: all its vGPUs have the same framebuffer.');
  return pass(
    mode === 'Enabled'
      ? 'The GPU mixes sizes now. The mode is lost at a reboot and whenever virtual functions are made anew.'
      : 'The GPU could mix sizes (nvidia-smi vgpu -shm 1); now all its vGPUs have the same framebuffer.',
    evidence,
  );
});

const mig = deviceCheck('V07', 'MIG mode fits', 'blocker', vgpu, (facts, subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
  const smi = smiOf(facts, gpu);
  const wanted = subject.profile === undefined ? undefined : tryParseVgpuProfile(subject.profile);
  const severity = wanted?.slices === undefined ? ({ severity: 'info' } as const) : {};
  if (smi === undefined || isUnknown(smi)) return { ...noSmi(smi), ...severity };
  const { current = null, pending = null } = smi.migMode ?? {};
  const evidence = seen(smiSource, `MIG ${current ?? 'N/A'}, pending ${pending ?? 'N/A'}`);
  if (current !== pending)
    return fault(
      'A change of the MIG mode waits for a reset of the GPU.',
      [evidence],
      'Reset the GPU or reboot the host.',
    );
  if (wanted?.slices !== undefined && current !== 'Enabled') {
    return fault(
      `${wanted.short} lives on a MIG instance, and MIG is ${current === null ? 'not there' : 'off'}.`,
      [evidence],
      'Switch MIG on (nvidia-smi -mig 1) before virtual functions are made, then make the instances.',
      current !== null,
    );
  }
  return current === null ? skip('The GPU has no MIG.') : pass(`MIG is ${current}.`, evidence);
});

const persistence = deviceCheck('V11', 'vGPUs outlive a reboot', 'warning', vgpu, (facts, _subject, gpu) => {
  const own = [gpu.address, ...gpu.virtualFunctions];
  if (isUnknown(facts.mdevs)) return unclear('/sys/bus/mdev/devices', facts.mdevs);
  const made = facts.mdevs.filter(({ parent }) => own.some((address) => address === parent));
  const assigned = own.filter((address) => (facts.pciDetails[address]?.currentVgpuType ?? 0) > 0);
  if (made.length === 0 && assigned.length === 0) return skip('No vGPUs are made yet.');
  const units = isUnknown(facts.services) ? {} : facts.services;
  if (
    Object.entries(units).some(([name, { loadState }]) => name.startsWith('vmgpu') && loadState === 'loaded')
  )
    return pass('A unit makes the vGPUs again at boot.', seen('systemctl show', 'vmgpu unit loaded'));
  const definitions = facts.mdevDefinitions;
  if (made.length > 0 && isUnknown(definitions)) return unclear('/etc/mdevctl.d', definitions);
  const kept = isUnknown(definitions) ? [] : definitions.filter(({ autoStart }) => autoStart);
  const forgotten = [
    ...made
      .filter(({ uuid }) => !kept.some((definition) => definition.uuid === uuid))
      .map(({ uuid }) => uuid),
    ...assigned,
  ];
  return forgotten.length === 0
    ? pass(
        'Every vGPU is defined to start at boot.',
        seen(
          '/etc/mdevctl.d',
          some(
            kept.map(({ uuid }) => uuid),
            3,
          ),
        ),
      )
    : fault(
        `${forgotten.length} vGPUs exist only until the next reboot.`,
        [
          seen(
            made.length > 0 ? '/etc/mdevctl.d' : 'nvidia/current_vgpu_type',
            `not kept: ${some(forgotten, 3)}`,
          ),
        ],
        'Define them with mdevctl (auto start), or use a unit that makes them at every boot, after the virtual functions.',
        true,
      );
});

/** What vGPUs the GPU can make, and whether they last. */
export const vgpuTypeChecks = [sriov, offered, mixedSizes, mig, persistence];
