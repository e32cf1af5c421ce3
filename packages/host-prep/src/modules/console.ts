import { type GpuDevice, isUnknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { deviceCheck, fault, pass, passthrough, seen, unclear } from './check.ts';

const bootVga = deviceCheck('H27', 'Console of the host', 'warning', passthrough, (facts, _subject, gpu) => {
  const source = `/sys/bus/pci/devices/${gpu.address}/boot_vga`;
  if (isUnknown(gpu.bootVga)) return unclear(source, gpu.bootVga);
  if (!gpu.bootVga)
    return pass('The host does not use this GPU as its console.', seen(source, '0 or absent'));
  const others = displaysBeside(facts, gpu);
  return fault(
    others.length === 0
      ? 'This is the only display of the host: once it is given away the host has no screen, only the network.'
      : 'The firmware started on this GPU: the local console ends when it is given away.',
    [seen(source, '1')],
    others.length === 0
      ? 'Make sure of a serial or management console first; `vmgpu prepare` asks for consent.'
      : `Make ${others.map(({ address }) => address).join(' or ')} the primary display in the firmware settings.`,
  );
});

const framebuffer = deviceCheck(
  'H28',
  'No boot framebuffer on the GPU',
  'blocker',
  passthrough,
  (facts, _subject, gpu) => {
    const log = isUnknown(facts.kernelLog) ? [] : facts.kernelLog;
    const reserved = log.find((line) => line.includes(gpu.address) && /BAR \d+: can't reserve/i.test(line));
    const held = heldFramebuffer(facts, gpu);
    if (reserved !== undefined || held !== undefined) {
      return fault(
        "The screen memory that the firmware set up lies in this GPU's memory window, so vfio-pci cannot take it.",
        [reserved === undefined ? seen('/proc/iomem', held ?? '') : seen('kernel log', reserved)],
        'Make another GPU the primary display in the firmware settings; or boot with initcall_blacklist=sysfb_init (with efifb: video=efifb:off), and where that does not help unbind the framebuffer before the virtual machine starts.',
      );
    }
    if (gpu.bootVga === false) {
      return pass(
        'The GPU is not the console, so no boot framebuffer lies on it.',
        seen(`/sys/bus/pci/devices/${gpu.address}/boot_vga`, '0 or absent'),
      );
    }
    const { framebuffers } = facts.boot;
    if (framebuffers === undefined || isUnknown(framebuffers)) return unclear('/proc/iomem', framebuffers);
    if (isUnknown(gpu.bars)) return unclear(`/sys/bus/pci/devices/${gpu.address}/resource`, gpu.bars);
    return pass(
      "No framebuffer lies in the GPU's memory window.",
      seen('/proc/iomem', framebuffers.map(({ name }) => name).join(', ') || 'no framebuffer'),
    );
  },
);

function heldFramebuffer({ boot }: HostFacts, { bars }: GpuDevice): string | undefined {
  const { framebuffers } = boot;
  if (framebuffers === undefined || isUnknown(framebuffers) || isUnknown(bars)) return undefined;
  return framebuffers.find(({ start, end }) =>
    bars.some((bar) => bar.start > 0 && start < bar.start + bar.size && end >= bar.start),
  )?.name;
}

const isDisplay = (gpu: GpuDevice) => gpu.role === 'physical' && /^03(00|80)/.test(gpu.class);

function displaysBeside({ gpus }: HostFacts, gpu: GpuDevice): readonly GpuDevice[] {
  return gpus.filter((other) => other.address !== gpu.address && isDisplay(other));
}

/** What happens to the host's own screen. */
export const consoleChecks = [bootVga, framebuffer];
