import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import {
  deviceCheck,
  everyMode,
  fault,
  pass,
  passthrough,
  seen,
  unclear,
  virtualMachines,
  warn,
} from './check.ts';
import { smiOf } from './drivers-in-use.ts';

const sysfs = (gpu: GpuDevice, file: string) => `/sys/bus/pci/devices/${gpu.address}/${file}`;

const bars = deviceCheck('H29', 'Memory windows assigned', 'blocker', everyMode, (facts, _subject, gpu) => {
  const line = logLines(facts, gpu).find((text) => /BAR \d+.*(no space for|failed to assign)/i.test(text));
  const remedy =
    'Switch on "Above 4G decoding" (and a large MMIO window) in the firmware settings; pci=realloc may help.';
  const source = sysfs(gpu, 'resource');
  if (!isUnknown(gpu.bars)) {
    const unplaced = gpu.bars.filter(({ size, start }) => size > 0 && start === 0);
    if (unplaced.length === 0) {
      return pass('All memory windows of the GPU have a place.', seen(source, `${gpu.bars.length} windows`));
    }
    return fault(
      'The firmware found no room for a memory window of the GPU, so no driver can use it.',
      [seen(source, unplaced.map(({ index }) => `BAR ${index} is not assigned`).join(', '))],
      remedy,
    );
  }
  if (line === undefined) return unclear(source, gpu.bars);
  return fault(
    'The kernel found no room for a memory window of the GPU.',
    [seen('kernel log', line)],
    remedy,
  );
});

const largeBar = deviceCheck('H30', 'Largest memory window', 'info', passthrough, (_facts, _subject, gpu) => {
  if (isUnknown(gpu.bars)) return unclear(sysfs(gpu, 'resource'), gpu.bars);
  const size = Math.max(0, ...gpu.bars.map((bar) => bar.size)) / 2 ** 20;
  return pass(
    size >= 1024
      ? `The largest window is ${size / 1024} GiB: the virtual machine's firmware needs room for it above 4 GiB.`
      : `The largest window is ${size} MiB.`,
    seen(sysfs(gpu, 'resource'), `${size} MiB`),
  );
});

/** AMD families whose reset leaves the card unusable without the vendor-reset module: Polaris, Vega, Navi 1x. */
const resetBug = /^1002:(67[c-f]|6fdf|69[89]|686|687|69a|66a|731|734|736)/;

const reset = deviceCheck('H31', 'GPU can be reset', 'warning', passthrough, (_facts, _subject, gpu) => {
  const methods = gpu.resetMethods;
  const source = sysfs(gpu, 'reset_method');
  if (isUnknown(methods)) return unclear(source, methods);
  const evidence = seen(source, methods?.join(' ') ?? 'absent');
  if (methods?.includes('device_specific'))
    return pass('The kernel knows a reset made for this device.', evidence);
  if (resetBug.test(gpu.id)) {
    return fault(
      'Cards of this AMD family often do not come back from a reset: the second start of a virtual machine hangs.',
      [evidence],
      'Install the vendor-reset module, or plan one start of the virtual machine per boot of the host.',
    );
  }
  return methods?.some((method) => /^(flr|af_flr|bus|cxl_bus|acpi)$/.test(method))
    ? pass('The GPU can be reset between virtual machines.', evidence)
    : fault(
        'The kernel knows no full reset for this GPU, so it may not start a second time.',
        [evidence],
        'Plan a reboot of the host between virtual machines that use it.',
      );
});

const alive = deviceCheck('H32', 'GPU answers', 'blocker', everyMode, (facts, _subject, gpu) => {
  const remedy =
    'Switch the machine off completely and on again; if it comes back, check power, seat and riser.';
  const details = facts.pciDetails[gpu.address];
  if (details?.dead !== undefined)
    return fault('The GPU does not answer on the bus.', [seen('lspci', details.dead)], remedy);
  if (gpu.revision === 'ff')
    return fault('The GPU does not answer on the bus.', [seen('lspci', 'rev ff')], remedy);
  const smi = smiOf(facts, gpu);
  if (smi !== undefined && !isUnknown(smi) && smi.fault !== undefined)
    return fault('The driver has lost the GPU.', [seen('nvidia-smi -q -x', smi.fault)], remedy);
  const lost = logLines(facts, gpu).find((line) => /Xid.*: 79\b|fallen off the bus/.test(line));
  if (lost !== undefined) return fault('The GPU fell off the bus.', [seen('kernel log', lost)], remedy);
  if (details?.powerState === 'D3cold') {
    return warn(
      'The GPU sleeps without power and may not wake for a virtual machine.',
      [seen(sysfs(gpu, 'power_state'), 'D3cold')],
      `Write 0 to ${sysfs(gpu, 'd3cold_allowed')}, at every boot.`,
    );
  }
  return pass('The GPU answers.', seen('lspci', `${gpu.address} ${gpu.id}`));
});

const numa = deviceCheck('H36', 'NUMA node', 'info', virtualMachines, (_facts, _subject, gpu) => {
  if (isUnknown(gpu.numaNode)) return unclear(sysfs(gpu, 'numa_node'), gpu.numaNode);
  return pass(
    gpu.numaNode === null
      ? 'The host has one memory node, or does not say which one the GPU is near.'
      : `The GPU is near node ${gpu.numaNode}: CPUs and memory of its virtual machine are best there.`,
    seen(sysfs(gpu, 'numa_node'), String(gpu.numaNode ?? -1)),
  );
});

const link = deviceCheck('H40', 'PCIe link', 'info', everyMode, (facts, _subject, gpu) => {
  const { linkWidth: width, linkSpeed: speed } = facts.pciDetails[gpu.address] ?? {};
  if (width === undefined) return unclear(sysfs(gpu, 'current_link_width'), undefined);
  const evidence = seen(sysfs(gpu, 'current_link_width'), `x${width.current} of x${width.max}`);
  if (width.current < width.max) {
    return warn(
      `The GPU uses ${width.current} of its ${width.max} lanes.`,
      [evidence],
      'Fine if the slot has no more; else check seat, riser and the sharing of lanes.',
    );
  }
  const slow = speed !== undefined && speed.current !== speed.max;
  return pass(
    `The link has full width.${slow ? ' A lower speed is normal while the GPU idles.' : ''}`,
    evidence,
  );
});

function logLines({ kernelLog }: HostFacts, { address }: GpuDevice): readonly string[] {
  const short = address.replace(/\.\d$/, '');
  return isUnknown(kernelLog)
    ? []
    : kernelLog.filter((line) => line.includes(address) || line.includes(`PCI:${short}`));
}

/** Whether the card itself is well. */
export const pciHealthChecks = [bars, largeBar, reset, alive, numa, link];
