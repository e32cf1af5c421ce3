import { isDict } from '../json.ts';
import type { KubeVirtConfiguration } from '../scenario.ts';
import type { Dict } from '../types.ts';

/** Gates that KubeVirt 1.9 has on without being asked: GA, and Beta since 1.9. */
const onByDefault = ['GPU', 'NUMA', 'VideoConfig', 'GPUsWithDRA', 'HostDevicesWithDRA'];

export function gateIsOn(configuration: KubeVirtConfiguration, gate: string): boolean {
  const { featureGates, disabledFeatureGates } = configuration.developerConfiguration ?? {};
  if (featureGates?.includes(gate)) return true;
  return onByDefault.includes(gate) && !disabledFeatureGates?.includes(gate);
}

const deviceKeys = ['name', 'deviceName', 'claimName', 'requestName', 'virtualGPUOptions'];

/** Entries of `gpus` or `hostDevices` as Go's decoder reads them: keys in any case. */
export function devicesOf(spec: Dict, list: 'gpus' | 'hostDevices'): Dict[] {
  const entries = spec.domain?.devices?.[list];
  if (!Array.isArray(entries)) return [];
  return entries
    .filter(isDict)
    .map((entry) =>
      Object.fromEntries(
        Object.entries(entry).map(([key, value]) => [
          deviceKeys.find((known) => known.toLowerCase() === key.toLowerCase()) ?? key,
          value,
        ]),
      ),
    );
}

/** Takes its device from a resource claim. */
export const isClaimed = (device: Dict) => device.claimName !== undefined || device.requestName !== undefined;

export const isArm = (spec: Dict) => spec.architecture === 'arm64';
