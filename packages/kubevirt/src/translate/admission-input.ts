import { at, type Json, listAt, type Manifest, objectAt, textsAt } from './manifest.ts';

/** `spec.configuration` of the KubeVirt CR. */
export type KubeVirtConfiguration = Json;

/** Gates that KubeVirt 1.9 has on unless they are switched off. */
const onByDefault = new Set(['GPU', 'NUMA', 'VideoConfig', 'GPUsWithDRA', 'HostDevicesWithDRA']);

/** True when a gate is in force. */
export function gateIsOn(configuration: KubeVirtConfiguration, gate: string): boolean {
  if (textsAt(configuration, 'developerConfiguration', 'featureGates').includes(gate)) return true;
  const off = textsAt(configuration, 'developerConfiguration', 'disabledFeatureGates');
  return onByDefault.has(gate) && !off.includes(gate);
}

const deviceKeys = ['name', 'deviceName', 'claimName', 'requestName', 'virtualGPUOptions'];

/** Entries of `gpus` or `hostDevices` as Go's decoder reads them: it takes keys in any case. */
export function deviceEntries(spec: unknown, list: 'gpus' | 'hostDevices'): readonly Json[] {
  return listAt(spec, 'domain', 'devices', list).map((entry) =>
    Object.fromEntries(
      Object.entries(entry).map(([key, value]) => [
        deviceKeys.find((known) => known.toLowerCase() === key.toLowerCase()) ?? key,
        value,
      ]),
    ),
  );
}

/** True for an entry that takes its device from a resource claim. */
export const claimed = (device: Json) =>
  at(device, 'claimName') !== undefined || at(device, 'requestName') !== undefined;

/** `spec` of the instance that a VM or VMI describes. */
export function vmiSpec(object: Manifest): Json {
  return object.kind === 'VirtualMachine'
    ? objectAt(object, 'spec', 'template', 'spec')
    : objectAt(object, 'spec');
}
