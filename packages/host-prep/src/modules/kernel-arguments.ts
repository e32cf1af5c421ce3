import { type Fact, isUnknown } from '@vmgpu/core';
import type { KernelArgument } from '../facts/host-facts.ts';

/** Words of a command line that concern IOMMU, VFIO, drivers and memory: those worth comparing between files. */
const relevant =
  /^(?:(?:intel_|amd_)?iommu|vfio|pcie_acs_override|modprobe\.blacklist|module_blacklist|rd\.driver|video|initcall_blacklist|pci|(?:default_)?hugepage)/;

/** The relevant words of a command-line text, spelt as the kernel compares them. */
export function relevantWords(text: string): string[] {
  return (text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).map(normalWord).filter((word) => relevant.test(word));
}

export function normalWord(word: string): string {
  const [key = '', ...rest] = word.split('=');
  return [key.replaceAll('-', '_'), ...rest].join('=');
}

/** The last value of a key, as the kernel takes it where each use replaces the one before. */
export function lastArgument(args: readonly KernelArgument[], key: string): KernelArgument | undefined {
  return args.filter((argument) => argument.key === key).at(-1);
}

/**
 * Words that switch translation or interrupt remapping off for a CPU vendor; `intel_iommu=` takes a comma list and the
 * last word wins, `amd_iommu=off` cannot be taken back (Linux, drivers/iommu/{intel,amd}).
 */
export function switchedOff(args: readonly KernelArgument[], cpuVendor: string | undefined): string[] {
  const off: string[] = [];
  const intel = lastArgument(args, 'intel_iommu');
  if (cpuVendor !== 'AuthenticAMD' && intel?.value?.split(',').includes('off')) off.push(intel.raw);
  for (const { key, value, raw } of args) {
    if (key === 'amd_iommu' && value === 'off' && cpuVendor !== 'GenuineIntel') off.push(raw);
    if (key === 'iommu' && (value === 'off' || value === 'soft')) off.push(raw);
  }
  return off;
}

/** Words that take interrupt remapping away. */
export function remappingOff(args: readonly KernelArgument[]): string[] {
  return args
    .filter(
      ({ key, value }) =>
        key === 'nox2apic' ||
        key === 'nointremap' ||
        (key === 'intremap' && value?.split(',').includes('off')),
    )
    .map(({ raw }) => raw);
}

/** True when `release` (`6.8.12-4-pve`) is at least this version; undefined when it cannot be told. */
export function kernelAtLeast(release: Fact<string>, major: number, minor: number): boolean | undefined {
  const match = isUnknown(release) ? null : /^(\d+)\.(\d+)/.exec(release);
  if (!match) return undefined;
  const [have, haveMinor] = [Number(match[1]), Number(match[2])];
  return have > major || (have === major && haveMinor >= minor);
}
