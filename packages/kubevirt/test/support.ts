import type { Catalog, GpuBoard, GpuVm, Plan, VgpuProfile } from '@vmgpu/core';
import { parseGpuVm, parsePciId } from '@vmgpu/core';
import type { Manifest } from '../src/translate/manifest.ts';

const board = (name: string, id: string, pciIdsName: string): GpuBoard => ({
  name,
  aliases: [],
  ids: [parsePciId(id)],
  pciIdsName,
  gpusPerBoard: 1,
  sriovForVgpu: false,
  mig: false,
  sources: ['pci.ids 2025.07.11'],
});

const profile = (fullName: string, id: string, maxPerGpu: number): VgpuProfile => ({
  name: fullName.split(' ').at(-1) ?? '',
  fullName,
  ids: [parsePciId(id)],
  board: '',
  series: 'Q',
  framebufferMiB: 1024,
  maxPerGpu,
  license: 'vWS',
  framework: 'mdev',
  sources: ['NVIDIA vGPU documentation'],
});

const boards = [
  board('Tesla P4', '10de:1bb3', 'GP104GL [Tesla P4]'),
  board('NVIDIA A10', '10de:2236', 'GA102GL [A10]'),
  board('NVIDIA A2', '10de:25b6', 'GA107GL [A2 / A16]'),
  board('NVIDIA H100 PCIe', '10de:2331', 'GH100 [H100 PCIe]'),
  board('NVIDIA A100 40GB PCIe', '10de:20f1', 'GA100 [A100 PCIe 40GB]'),
  board('NVIDIA A100 40GB PCIe', '10de:20b1', 'GA100 [A100 PCIe 40GB]'),
];
const profiles = [
  profile('NVIDIA A10-24Q', '10de:2236', 1),
  profile('NVIDIA A10-4Q', '10de:2236', 6),
  profile('GRID P4-1Q', '10de:1bb3', 8),
];

/** A catalogue of a few boards. */
export const smallCatalog: Catalog = {
  boards,
  boardsById: (id) => boards.filter(({ ids }) => ids.includes(id)),
  boardsByName: (name) => boards.filter((entry) => entry.name === name),
  profilesByName: (name) => profiles.filter((entry) => entry.name === name || entry.fullName === name),
  profilesById: (id) => profiles.filter(({ ids }) => ids.includes(id)),
};

export function intentOf(spec: unknown, name = 'train-1'): GpuVm {
  return parseGpuVm({ apiVersion: 'vmgpu/v1', kind: 'GpuVm', metadata: { name }, spec });
}

export const passthrough = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } } as const;
export const vgpu = { name: 'vgpu0', mode: 'vgpu', profile: 'A10-24Q' } as const;

export function stepOf(plan: Plan, kind: string) {
  return plan.steps.find((step) => step.kind === `kubevirt.${kind}`);
}

export function vmOf(plan: Plan): Manifest {
  return stepOf(plan, 'virtual-machine')?.after as Manifest;
}

export const codes = (plan: { diagnostics: Plan['diagnostics'] }) =>
  plan.diagnostics.map(({ kind, code }) => `${kind} ${code}`);
