import { refuse } from './failure.ts';
import type { ClusterState } from './state.ts';

export function isDrive(key: string): boolean {
  return /^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/.test(key);
}

/** Makes `STORAGE:SIZE` a volume, with the VM's lowest free number; what names a volume already stays. */
export function allocate(
  state: ClusterState,
  config: Readonly<Record<string, string>>,
  vmid: number,
  key: string,
  value: string,
  log: (line: string) => void,
): string {
  const [, storage = '', size, rest = ''] =
    /^([^:,]+):(\d+(?:\.\d+)?|cloudinit)((?:,.*)?)$/.exec(value) ?? [];
  if (size === undefined) return value;
  if (!state.storages.some((one) => one.storage === storage && one.content.includes('images')))
    throw refuse(`storage '${storage}' does not exist\n`);
  const options = rest.split(',').filter((part) => part !== '' && !part.startsWith('import-from='));
  if (size === 'cloudinit') {
    log(`${key}: successfully created disk '${storage}:vm-${vmid}-cloudinit,media=cdrom'`);
    return `${storage}:vm-${vmid}-cloudinit,media=cdrom`;
  }
  const small = key.startsWith('efidisk') || key.startsWith('tpmstate');
  options.push(small ? 'size=4M' : `size=${size === '0' ? '3584M' : `${size}G`}`);
  if (key === 'efidisk0' && options.includes('pre-enrolled-keys=1')) options.push('ms-cert=2023k');
  const volume = `${storage}:vm-${vmid}-disk-${freeNumber(config, vmid)},${options.sort().join(',')}`;
  log(`${key}: successfully created disk '${volume}'`);
  return volume;
}

function freeNumber(config: Readonly<Record<string, string>>, vmid: number): number {
  const taken = Object.values(config).map((text) => text.split(',')[0]?.split(':')[1]);
  let number = 0;
  while (taken.includes(`vm-${vmid}-disk-${number}`)) number += 1;
  return number;
}

/** A drive that is taken off a VM stays as unused, unless it is a small one that belongs to the firmware. */
export function keepVolume(config: Record<string, string>, key: string, value: string | undefined): void {
  const [volume = ''] = (value ?? '').split(',');
  if (!/^(scsi|virtio|sata|ide)\d+$/.test(key) || !/:vm-\d+-disk-\d+$/.test(volume)) return;
  let index = 0;
  while (config[`unused${index}`] !== undefined) index += 1;
  config[`unused${index}`] = volume;
}
