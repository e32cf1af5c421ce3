import { tryParseVgpuProfile } from '@vmgpu/core';

/**
 * Name that NVIDIA's KubeVirt plugin gives a passthrough device, from the text of pci.ids. Brackets, hyphens, commas and
 * plus signs vanish without a replacement; nothing is trimmed at the end (kubevirt-gpu-device-plugin v1.6.0,
 * `pkg/device_plugin/device_plugin.go`, getDeviceName).
 */
export function pluginDeviceName(pciIdsName: string): string {
  return pciIdsName
    .trim()
    .toUpperCase()
    .replace(/[/.]/g, '_')
    .replace(/\s+/g, '_')
    .replace(/[^A-Z0-9_]+/g, '');
}

/** Name that the plugin gives a vGPU, from the text of `mdev_type/name`; case and hyphens stay (same file). */
export function pluginVgpuName(mdevTypeName: string): string {
  return mdevTypeName.replace(/^\n+|\n+$/g, '').replace(/\s+/g, '_');
}

/** How KubeVirt compares mediated type names: each single blank becomes `_` (kubevirt v1.9.0, `pkg/virt-handler/device-manager`). */
export function kubevirtVgpuName(mdevTypeName: string): string {
  return mdevTypeName.replaceAll(' ', '_').trim();
}

/**
 * Harvester's name of a device: the plugin's steps, then `_ . -` removed from the end; `VIRTUAL_FUNCTION` shortened to
 * `VF` (harvester/pcidevices v1.8.1).
 */
export function harvesterDeviceName(pciIdsName: string): string {
  return pluginDeviceName(pciIdsName)
    .replace('VIRTUAL_FUNCTION', 'VF')
    .replace(/[_.-]+$/, '');
}

/**
 * Full name of a vGPU type when only the short one is known: drivers print `GRID` for Turing and older boards, `NVIDIA`
 * from Ampere on. A prediction: allocatable of a node decides.
 */
export function predictVgpuFullName(profile: string): string {
  const name = tryParseVgpuProfile(profile);
  if (name === undefined || name.prefix !== undefined) return profile.replaceAll('_', ' ');
  const old = /^([MPTV]\d|RTX[68]000P?$)/.test(name.board);
  return `${old ? 'GRID' : 'NVIDIA'} ${name.short}`;
}

/** Longest name part that Kubernetes, the NVIDIA plugin's socket and KubeVirt's own socket can take (unix path: 107 bytes). */
export const nameLimits = { kubernetes: 63, nvidiaPlugin: 61, kubevirtPlugin: 50 } as const;

/** What is wrong with a resource name for Kubernetes, in a few words; undefined when it is right. */
export function resourceNameProblem(resource: string): string | undefined {
  if (/\s/.test(resource)) return 'has white space in it';
  const slash = resource.indexOf('/');
  if (slash < 1) return 'lacks the vendor domain, such as nvidia.com/';
  const name = resource.slice(slash + 1);
  if (name.length > nameLimits.kubernetes)
    return `is ${name.length} characters long after the slash, 63 are allowed`;
  if (!/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)) {
    return 'must begin and end with a letter or digit and hold only letters, digits, "-", "_" and "."';
  }
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(resource.slice(0, slash))
    ? undefined
    : 'has a vendor domain that is no DNS name';
}
