import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { deviceCheck, fault, hostCheck, pass, seen, skip, unclear, vgpu, warn } from './check.ts';
import { isKubernetes, noSmi, smiOf } from './drivers-in-use.ts';
import { driverVersionText, hasNvidia } from './nvidia.ts';

const smiSource = 'nvidia-smi -q -x';
const onlyNvidia = 'This is about NVIDIA GPUs.';

const manager = deviceCheck('V01', 'vGPU manager', 'blocker', vgpu, (facts, _subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
  const smi = smiOf(facts, gpu);
  const { flavour } = facts.nvidia;
  const mode = smi === undefined || isUnknown(smi) ? undefined : smi.virtualizationMode;
  const evidence =
    mode === undefined
      ? seen('/proc/driver/nvidia/version', isUnknown(flavour) ? flavour.unknown : (flavour ?? 'not loaded'))
      : seen(smiSource, `Virtualization Mode: ${mode ?? 'N/A'}`);
  if (mode === 'Host VGPU' || (mode === undefined && flavour === 'vgpu-host'))
    return pass('The NVIDIA vGPU manager drives the GPU.', evidence);
  if (mode === undefined && isUnknown(flavour)) return unclear('the kind of NVIDIA driver', flavour);
  if (mode === 'Pass-Through' || mode === 'VGPU') {
    return fault(
      'This machine is itself a guest with a GPU; it cannot divide it further.',
      [evidence],
      'Make the vGPUs on the physical host.',
    );
  }
  return fault(
    'The NVIDIA vGPU manager is not what drives this GPU.',
    [evidence],
    'Install the NVIDIA vGPU manager (-vgpu-kvm) of a branch that supports the board and this kernel.',
  );
});

const services = hostCheck('V02', 'vGPU services', 'blocker', vgpu, (facts, subject) => {
  if (!hasNvidia(subject)) return skip(onlyNvidia);
  const units = facts.services;
  if (isUnknown(units)) return unclear('the state of the vGPU services', units);
  const { 'nvidia-vgpud': daemon, 'nvidia-vgpu-mgr': mgr } = units;
  const evidence = [
    seen(
      'systemctl show nvidia-vgpu-mgr',
      `${mgr?.activeState ?? 'not found'}, ${mgr?.result ?? 'no result'}`,
    ),
    seen(
      'systemctl show nvidia-vgpud',
      `${daemon?.activeState ?? 'not found'}, ${daemon?.result ?? 'no result'}`,
    ),
  ];
  if (mgr?.activeState !== 'active')
    return fault(
      'nvidia-vgpu-mgr does not run, so vGPUs do not start.',
      evidence,
      'Start nvidia-vgpu-mgr; journalctl -u nvidia-vgpu-mgr says why it stopped.',
      mgr !== undefined && mgr.loadState !== 'not-found',
    );
  // nvidia-vgpud runs once: it is done, not broken, when it is inactive with success.
  return daemon !== undefined && daemon.result !== 'success' && daemon.activeState !== 'active'
    ? fault(
        'nvidia-vgpud failed, so the GPUs offer no vGPU types.',
        evidence,
        'journalctl -u nvidia-vgpud says why.',
      )
    : pass('The vGPU services are in order.', ...evidence);
});

const frameworkNames = {
  mdev: 'mediated devices on the GPU itself',
  'mdev-on-vf': 'mediated devices on virtual functions',
  'vendor-vfio': "NVIDIA's own VFIO interface on virtual functions",
  'sriov-vf': 'plain virtual functions',
  none: 'nothing yet',
} as const;

const framework = deviceCheck('V03', 'Way of making vGPUs', 'info', vgpu, (_facts, subject, gpu) => {
  const way = gpu.vgpuFramework;
  if (isUnknown(way)) return unclear('how the driver offers vGPUs', way);
  const evidence = seen(`/sys/bus/pci/devices/${gpu.address}`, way);
  return way === 'vendor-vfio' && isKubernetes(subject)
    ? warn(
        "The driver makes vGPUs through its own VFIO interface, which KubeVirt takes from version 1.9 on; NVIDIA's vGPU device manager knows mediated devices only.",
        [evidence],
        'Use KubeVirt 1.9 or later and let vmgpu assign the types.',
      )
    : pass(`The driver offers ${frameworkNames[way]}.`, evidence);
});

const ecc = deviceCheck('V08', 'ECC settled', 'warning', vgpu, (facts, _subject, gpu) => {
  if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
  const smi = smiOf(facts, gpu);
  if (smi === undefined || isUnknown(smi)) return noSmi(smi);
  const { current = null, pending = null } = smi.eccMode ?? {};
  const evidence = seen(smiSource, `ECC ${current ?? 'N/A'}, pending ${pending ?? 'N/A'}`);
  return current === pending
    ? pass('No change of the ECC mode is waiting.', evidence)
    : fault('A change of the ECC mode waits for a reboot.', [evidence], 'Reboot the host.');
});

const displayMode = deviceCheck(
  'V09',
  'Board switched to compute',
  'blocker',
  vgpu,
  (facts, subject, gpu) => {
    if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
    const boards = subject.catalog?.boardsById(gpu.id) ?? [];
    const tool = boards.find((board) => board.displayModeToggle !== undefined)?.displayModeToggle;
    if (boards.length > 0 && tool === undefined) return skip(`A ${boards[0]?.name} has no such switch.`);
    const window = bar1MiB(facts, gpu);
    if (window === undefined) return { ...unclear('the size of BAR1', undefined), ...lessCertain(tool) };
    const evidence = seen(
      isUnknown(gpu.bars) ? smiSource : `/sys/bus/pci/devices/${gpu.address}/resource`,
      `BAR1 ${window} MiB`,
    );
    if (window > 256) return pass('The board is in the mode without display output.', evidence);
    return tool === undefined
      ? {
          ...unclear('whether this board can be switched', undefined),
          evidence: [evidence],
          remedy: 'Judge with the catalogue of boards.',
          ...lessCertain(tool),
        }
      : fault(
          'The board is in the mode with display output (its BAR1 is small), in which it makes no vGPUs.',
          [evidence],
          `Run NVIDIA's ${tool} to switch it, then reboot.`,
        );
  },
);

/** Without the catalogue most boards have no such switch, so not knowing must not block. */
function lessCertain(tool: string | undefined): { readonly severity?: 'warning' } {
  return tool === undefined ? { severity: 'warning' } : {};
}

function bar1MiB(facts: HostFacts, gpu: GpuDevice): number | undefined {
  const smi = smiOf(facts, gpu);
  if (smi !== undefined && !isUnknown(smi) && typeof smi.bar1TotalMiB === 'number') return smi.bar1TotalMiB;
  const bar = isUnknown(gpu.bars) ? undefined : gpu.bars.find(({ index }) => index === 1);
  return bar === undefined ? undefined : bar.size / 2 ** 20;
}

const branch = deviceCheck(
  'V10',
  'Board known to the driver branch',
  'blocker',
  vgpu,
  (facts, _subject, gpu) => {
    if (gpu.vendor !== 'nvidia') return skip(onlyNvidia);
    const log = isUnknown(facts.kernelLog) ? [] : facts.kernelLog;
    const refused = log.find(
      (line) => /NVRM: The NVIDIA (GPU|probe routine)/.test(line) && /not supported|legacy/i.test(line),
    );
    const remedy = 'Install a vGPU branch whose release notes list this board and this kernel.';
    const smi = smiOf(facts, gpu);
    if (smi !== undefined && !isUnknown(smi))
      return pass(
        'The loaded driver knows the board.',
        seen(smiSource, `${smi.productName ?? gpu.address}, driver ${driverVersionText(facts)}`),
      );
    if (refused !== undefined)
      return fault('The loaded driver does not support this GPU.', [seen('kernel log', refused)], remedy);
    if (isUnknown(smi)) return noSmi(smi);
    return fault(
      'The driver is there but does not show this GPU.',
      [
        seen(smiSource, `without ${gpu.address}`),
        seen('/proc/driver/nvidia/version', driverVersionText(facts)),
      ],
      remedy,
    );
  },
);

const license = hostCheck('V12', 'vGPU licence', 'info', vgpu, () =>
  skip('Each guest takes its own licence from the licence server; the host cannot tell.'),
);

/** NVIDIA's vGPU manager. */
export const vgpuManagerChecks = [manager, services, framework, ecc, displayMode, branch, license];
