import {
  type Catalog,
  isHostTypeId,
  type PciId,
  parsePciId,
  tryParsePciId,
  tryParseVgpuProfile,
} from '@vmgpu/core';
import { kubevirtVgpuName, pluginDeviceName } from './names.ts';
import type { PermittedDevice } from './permitted.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

/** What a node resource is, and how sure that is. */
export interface NamedDevice {
  readonly mode: 'passthrough' | 'vgpu';
  readonly ids: readonly PciId[];
  /** Short name of the vGPU type. */
  readonly profile?: string;
  readonly certainty: 'permitted' | 'predicted' | 'matched old spelling' | 'unknown';
}

export interface ReverseSources {
  readonly permitted?: readonly PermittedDevice[];
  readonly snapshot?: KubeVirtSnapshot | undefined;
  readonly catalog?: Catalog | undefined;
}

/** True for resources that GPUs are published under; false for the card's audio, USB and NVSwitch functions. */
export function isGpuResource(resource: string): boolean {
  return (
    /^(nvidia\.com|amd\.com|gpu\.intel\.com)\//.test(resource) &&
    !/AUDIO|USB|NVSWITCH|SERIAL_BUS|UCSI/i.test(resource)
  );
}

/**
 * What stands behind a resource name: the allow-list tells it for sure; else the naming rules backwards, over the host
 * captures and the catalogue; else a bare id. Never a silent guess: `certainty` says how it was found.
 */
export function deviceOfResource(
  resource: string,
  { permitted = [], snapshot, catalog }: ReverseSources,
): NamedDevice {
  const entries = permitted.filter((entry) => entry.resourceName === resource);
  const pci = entries.flatMap(({ list, selector }) =>
    list === 'pciHostDevices' ? (tryParsePciId(selector) ?? []) : [],
  );
  if (pci.length > 0) return { mode: 'passthrough', ids: pci, certainty: 'permitted' };
  const mediated = entries.find(({ list }) => list === 'mediatedDevices');
  if (mediated !== undefined) return vgpu(mediated.selector, 'permitted');
  const suffix = resource.slice(resource.indexOf('/') + 1).trim();
  const profile = tryParseVgpuProfile(kubevirtVgpuName(suffix));
  if (profile !== undefined && /^(NVIDIA|GRID)_/.test(suffix)) return vgpu(suffix, 'predicted');
  if (isHostTypeId(suffix) && /^i915-/.test(suffix))
    return { mode: 'vgpu', ids: [], profile: suffix, certainty: 'predicted' };
  const known = [
    ...(snapshot?.hosts ?? []).flatMap(({ gpus }) =>
      gpus.map(({ id, deviceName }) => [id, deviceName] as const),
    ),
    ...(catalog?.boards ?? []).flatMap(({ ids, pciIdsName }) => ids.map((id) => [id, pciIdsName] as const)),
  ].map(([id, name]) => ({ id: baseOf(id), name: name === undefined ? '' : pluginDeviceName(name) }));
  const exact = known.filter(({ name }) => name === suffix);
  if (exact.length > 0) return { mode: 'passthrough', ids: unique(exact), certainty: 'predicted' };
  const old = known.filter(({ name }) => name === suffix.toUpperCase());
  if (old.length > 0) return { mode: 'passthrough', ids: unique(old), certainty: 'matched old spelling' };
  if (/^[0-9a-f]{4}$/i.test(suffix) && resource.startsWith('nvidia.com/')) {
    return { mode: 'passthrough', ids: [parsePciId(`10de:${suffix}`)], certainty: 'predicted' };
  }
  return { mode: 'passthrough', ids: [], certainty: 'unknown' };
}

function vgpu(name: string, certainty: NamedDevice['certainty']): NamedDevice {
  return { mode: 'vgpu', ids: [], profile: tryParseVgpuProfile(name)?.short ?? name, certainty };
}

const baseOf = (id: PciId) => id.slice(0, 9) as PciId;
const unique = (devices: readonly { readonly id: PciId }[]) => [...new Set(devices.map(({ id }) => id))];
