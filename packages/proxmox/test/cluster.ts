/** A small cluster of our own for tests: two nodes with cards of every kind the adapter tells apart. */
import { apiVersion, type GpuVm, type GpuVmSpec } from '@vmgpu/core';
import type { MdevType, PciItem, ProxmoxNode, ProxmoxSnapshot } from '../src/translate/index.ts';

function item(
  id: string,
  kind: string,
  ids: string,
  iommugroup: number,
  more: Partial<PciItem> = {},
): PciItem {
  const [vendor, device, subvendor, subdevice] = ids.split(':');
  return {
    id,
    class: `0x${kind}00`,
    vendor: `0x${vendor}`,
    device: `0x${device}`,
    subsystem_vendor: `0x${subvendor}`,
    subsystem_device: `0x${subdevice}`,
    iommugroup,
    ...more,
  };
}

const a10: readonly MdevType[] = [
  { type: 'nvidia-592', name: 'NVIDIA A10-4Q', available: 1 },
  { type: 'nvidia-597', name: 'NVIDIA A10-24Q', available: 1 },
];
const t4: readonly MdevType[] = [{ type: 'nvidia-230', name: 'GRID T4-1Q', available: 16 }];

const pci: readonly PciItem[] = [
  item('0000:00:1f.0', '0601', '8086:a305:1043:8694', 9),
  item('0000:01:00.0', '0300', '10de:2684:10de:16f3', 1),
  item('0000:01:00.1', '0403', '10de:22ba:10de:16f3', 1),
  item('0000:26:00.0', '0300', '10de:1d01:1462:8c98', 15),
  item('0000:26:00.1', '0403', '10de:0fb8:1462:8c98', 15),
  item('0000:30:00.0', '0200', '15b3:1017:15b3:0006', 20),
  item('0000:41:00.0', '0302', '10de:2236:10de:1482', 33, {
    virtfns: { virtfn0: '0000:41:00.4', virtfn1: '0000:41:00.5' },
  }),
  item('0000:41:00.4', '0302', '10de:2236:10de:1482', 60, { mdev: 1, nvidia: 1, physfn: '0000:41:00.0' }),
  item('0000:41:00.5', '0302', '10de:2236:10de:1482', 61, { mdev: 1, nvidia: 1, physfn: '0000:41:00.0' }),
  item('0000:42:00.0', '0302', '10de:1eb8:10de:12a2', 40, { mdev: 1 }),
  item('0000:c1:00.0', '0380', '1002:740f:1002:0c34', 90),
  item('0000:c2:00.0', '0380', '1002:740f:1002:0c34', 91),
  item('0000:d1:00.0', '0300', '1002:73bf:1002:0e3a', 95),
  item('0000:d2:00.0', '0108', '144d:a80a:144d:a801', 95),
  item('10000:e1:00.0', '0302', '10de:2330:10de:16c1', 120),
];

export const pve1: ProxmoxNode = {
  name: 'pve1',
  pci,
  mdevTypes: { '0000:41:00.4': a10, '0000:41:00.5': a10, '0000:42:00.0': t4 },
  numaNodes: { '0000:01:00.0': 1, '0000:26:00.0': 0 },
};
export const pve2: ProxmoxNode = {
  name: 'pve2',
  pci: [item('0000:05:00.0', '0380', '1002:740f:1002:0c34', 12)],
};

export function cluster(more: Partial<ProxmoxSnapshot> = {}): ProxmoxSnapshot {
  return {
    apiVersion,
    kind: 'ProxmoxSnapshot',
    version: '9.2.6',
    nodes: [pve1],
    mappings: [],
    vms: [],
    storages: [{ storage: 'local-lvm', content: 'images,rootdir' }],
    ...more,
  };
}

export function vm(spec: GpuVmSpec, name = 'train-1'): GpuVm {
  return { apiVersion, kind: 'GpuVm', metadata: { name }, spec };
}
