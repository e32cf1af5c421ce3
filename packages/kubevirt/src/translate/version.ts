/** Releases compare by number: `v1.10.0` is newer than `v1.9.2`. A missing part counts as 0. */
export function atLeast(version: string, wanted: string): boolean {
  const found = numbers(version);
  for (const [index, part] of numbers(wanted).entries()) {
    const own = found[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}

function numbers(version: string): number[] {
  return (/\d+(?:\.\d+)*/.exec(version)?.[0] ?? '').split('.').map(Number);
}

/**
 * Releases in which a gate must be named in `featureGates` for what it guards: from the first that knows it until the
 * first that has it on by default. kubevirt v1.9.0 `pkg/virt-config/featuregate/{active,inactive}.go` and the same file of
 * every minor before.
 */
const gateWindows = {
  GPU: ['0.22', '1.4'],
  HostDevices: ['0.36', ''],
  NUMA: ['0.43', '1.4'],
  DisableMDEVConfiguration: ['0.58.2', '1.8'],
  GPUsWithDRA: ['1.6', '1.9'],
  HostDevicesWithDRA: ['1.6', '1.9'],
  GraceIOVirtualization: ['1.9', ''],
  PCINUMAAwareTopology: ['1.8', ''],
  IOMMUFD: ['1.9', ''],
} as const;

export type FeatureGate = keyof typeof gateWindows;

/** True when the gate must be listed on this release. */
export function needsGate(gate: FeatureGate, version: string): boolean {
  const [from, until] = gateWindows[gate];
  return atLeast(version, from) && (until === '' || !atLeast(version, until));
}
