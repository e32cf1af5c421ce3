import type { VmOptions } from '../translate/option-text.ts';

/**
 * How long Proxmox VE itself lets a VM take to start, in milliseconds: 30 s, above 30 GiB a second for each GiB of memory;
 * four times that with a passed-through device, 5 s for each network card, at least 150 s with huge pages. Source:
 * qemu-server 9.2.6, `PVE::QemuServer::Helpers::config_aware_timeout`.
 */
export function startTimeoutMs(options: VmOptions): number {
  const count = (pattern: RegExp) => Object.keys(options).filter((key) => pattern.test(key)).length;
  const memory = Number(/^(?:current=)?(\d+)/.exec(options.memory ?? '')?.[1] ?? 512);
  let seconds = memory > 30_720 ? Math.floor(memory / 1024) : 30;
  if (options.hugepages !== undefined && seconds < 150) seconds = 150;
  if (count(/^hostpci\d+$/) > 0) seconds *= 4;
  return (seconds + 5 * count(/^net\d+$/)) * 1000;
}
