import { type ClusterState, qemuMachine } from './state.ts';

/** What Proxmox VE adds to, or makes of, what it is sent. Source: qemu-server 9.2.6, PVE::API2::Qemu. */

/** The order of a new VM: its first disk, then its first network card. */
export function bootOrder(config: Readonly<Record<string, string>>): string {
  const disk = ['scsi0', 'virtio0', 'sata0', 'ide0'].find((key) => config[key] !== undefined);
  const devices = [...(disk === undefined ? [] : [disk]), ...(config.net0 === undefined ? [] : ['net0'])];
  return devices.length === 0 ? '' : `order=${devices.join(';')}`;
}

/** Windows guests get their machine's version pinned. */
export function pinWindows(
  state: ClusterState,
  config: Record<string, string>,
  log: (line: string) => void,
): void {
  if (!/^(w|win)/.test(config.ostype ?? '')) return;
  const pinned = (config.machine ?? 'pc').replace(
    /^(?:type=)?(q35|pc)(?=,|$)/,
    (_, type) => `pc-${type === 'q35' ? 'q35' : 'i440fx'}-${qemuMachine(state)}`,
  );
  if (pinned === config.machine) return;
  config.machine = pinned;
  log(`pinning machine type to '${pinned.split(',')[0]}' for Windows guest OS`);
}

/** Tags are kept once each, by the alphabet. */
export function sortTags(tags: string): string {
  return [...new Set(tags.split(/[;,\s]+/).filter(Boolean))].sort().join(';');
}
