import type { GpuBoard } from '../model/gpu-board.ts';
import type { PciId } from '../model/pci-id.ts';

/**
 * Boards that are passed through whole (or as plain virtual functions): no NVIDIA vGPU types are known for them. Only
 * what a source says is here; the architecture follows from the chip that pci.ids names.
 */
const pciIds = 'pci.ids, as NVIDIA/kubevirt-gpu-device-plugin v1.6.0 ships it (utils/pci.ids)';
const rocm = 'ROCm/gpu-operator documentation, KubeVirt integration (DeviceConfig vfioConfig.deviceIDs)';
const intel = 'Linux include/drm/intel/i915_pciids.h, INTEL_ATS_M150_IDS';

type Row = readonly [
  id: string,
  name: string,
  pciIdsName: string | null,
  architecture: string | null,
  source: string,
];

const rows: readonly Row[] = [
  ['10de:0fc6', 'NVIDIA GeForce GTX 650', 'GK107 [GeForce GTX 650]', 'Kepler', pciIds],
  ['10de:118a', 'NVIDIA GRID K520', 'GK104GL [GRID K520]', 'Kepler', pciIds],
  ['10de:1d01', 'NVIDIA GeForce GT 1030', 'GP108 [GeForce GT 1030]', 'Pascal', pciIds],
  ['10de:20b1', 'NVIDIA A100 PCIe 40GB (20b1)', 'GA100 [A100 PCIe 40GB]', 'Ampere', pciIds],
  ['10de:20bf', 'NVIDIA GRID A100B', 'GA100 [GRID A100B]', 'Ampere', pciIds],
  ['10de:2204', 'NVIDIA GeForce RTX 3090', 'GA102 [GeForce RTX 3090]', 'Ampere', pciIds],
  ['10de:24fa', 'NVIDIA RTX A4500 Embedded', 'GA104 [RTX A4500 Embedded GPU ]', 'Ampere', pciIds],
  ['10de:25f9', 'NVIDIA RTX A1000 Embedded', 'GA107 [RTX A1000 Embedded GPU ]', 'Ampere', pciIds],
  ['10de:2684', 'NVIDIA GeForce RTX 4090', 'AD102 [GeForce RTX 4090]', 'Ada Lovelace', pciIds],
  ['10de:2920', 'NVIDIA B100', 'GB100 [TS4 / B100]', 'Blackwell', pciIds],
  ['10de:2b85', 'NVIDIA GeForce RTX 5090', 'GB202 [GeForce RTX 5090]', 'Blackwell', pciIds],
  [
    '10de:2bb4',
    'NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition',
    'GB202GL [RTX PRO 6000 Blackwell Max-Q Workstation Edition]',
    'Blackwell',
    pciIds,
  ],
  ['1002:74a1', 'AMD Instinct MI300X', null, null, rocm],
  ['1002:74b5', 'AMD Instinct MI300X virtual function', null, null, rocm],
  ['1002:740f', 'AMD Instinct MI210', null, null, rocm],
  ['1002:7410', 'AMD Instinct MI210 virtual function', null, null, rocm],
  ['8086:56c0', 'Intel Data Center GPU Flex 170', null, null, intel],
];

/** Chips whose boards can be split into MIG instances (the GA100, GH100 and GB100 of the catalogue's other boards). */
const migChip = /^G[ABH]100 /;

export function passthroughBoards(): GpuBoard[] {
  return rows.map(([id, name, pciIdsName, architecture, source]) => ({
    name,
    aliases: [],
    ids: [id as PciId],
    ...(pciIdsName === null ? {} : { pciIdsName }),
    ...(architecture === null ? {} : { architecture }),
    gpusPerBoard: 1,
    sriovForVgpu: false,
    mig: migChip.test(pciIdsName ?? ''),
    sources: [source],
  }));
}
