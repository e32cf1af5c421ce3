import { type Fact, type GpuDevice, isUnknown, type PciFunction, type Unknown } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { type Judgement, type Subject, unclear } from './check.ts';
import { moduleName } from './module-names.ts';

/** Host drivers of each vendor that make a GPU usable by the host and its containers. */
export const nativeDrivers: Readonly<Record<GpuDevice['vendor'], readonly string[]>> = {
  nvidia: ['nvidia'],
  amd: ['amdgpu'],
  intel: ['i915', 'xe'],
  other: [],
};

/** vfio-pci and its variants (`nvgrace_gpu_vfio_pci`), which sysfs may print with `-`. */
export function isVfioDriver(driver: string): boolean {
  return /(^|_)vfio(_|$)/.test(moduleName(driver)) && driver !== 'nvidia_vgpu_vfio';
}

/** What giving a function to a virtual machine loads. */
export const vfioModules: readonly string[] = ['vfio', 'vfio_pci', 'vfio_pci_core', 'vfio_iommu_type1'];

/** Free for a virtual machine: no driver, pci-stub, or one of VFIO (Linux, drivers/vfio: group viability). */
export function isReleased(driver: Fact<string | null>): boolean | undefined {
  if (isUnknown(driver)) return undefined;
  return driver === null || driver === 'pci-stub' || isVfioDriver(driver);
}

/** Where the driver in use was read. */
export function driverSource(address: string): string {
  return `/sys/bus/pci/devices/${address}/driver`;
}

export function driverText({ driver }: PciFunction): string {
  return isUnknown(driver) ? `not known (${driver.unknown})` : (driver ?? 'none');
}

/**
 * True where the platform loads vfio-pci by itself when a VM starts: Proxmox VE, and libvirt with managed host devices as
 * Nova writes them. KubeVirt only takes devices that are on vfio-pci already.
 */
export function loadsVfio({ platform }: Subject): boolean {
  return platform === 'proxmox' || platform === 'openstack';
}

/** True where the platform also takes the card's other functions from their drivers: Proxmox VE with a whole slot. */
export function takesWholeSlot({ platform }: Subject): boolean {
  return platform === 'proxmox';
}

export function isKubernetes({ platform }: Subject): boolean {
  return platform === 'kubevirt';
}

/** nvidia-smi says nothing of a GPU; most often because the driver is not there. */
export function noSmi(smi: Unknown | undefined): Judgement {
  return {
    ...unclear('nvidia-smi -q -x', smi),
    remedy: 'Get the NVIDIA driver to work first, then read the host again.',
  };
}

/** nvidia-smi's entry of a GPU. */
export function smiOf(facts: HostFacts, gpu: GpuDevice) {
  const { gpus } = facts.nvidia;
  return isUnknown(gpus) ? gpus : gpus.find((entry) => entry.address === gpu.address);
}

/** Virtual functions of a GPU that the capture shows. */
export function virtualFunctionsOf(facts: HostFacts, gpu: GpuDevice): readonly GpuDevice[] {
  return facts.gpus.filter((other) => other.physicalFunction === gpu.address);
}
