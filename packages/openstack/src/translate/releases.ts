import { nearest, VmgpuError } from '@vmgpu/core';

/** One OpenStack release as Nova's GPU configuration sees it. Source: Nova tags 17.0.0 to 34.0.0 and their release notes. */
export interface NovaRelease {
  /** Major version of Nova: 29. */
  readonly nova: number;
  /** `Caracal`, `Hibiscus`. */
  readonly name: string;
  /** `2024.1`; absent before releases were named by year. */
  readonly series?: string;
  /** Highest compute API microversion. */
  readonly maxMicroversion: string;
}

const table =
  '17 Queens 2.60|18 Rocky 2.65|19 Stein 2.72|20 Train 2.79|21 Ussuri 2.87|22 Victoria 2.87|23 Wallaby 2.88|24 Xena 2.90|25 Yoga 2.90|26 Zed 2.93|27 Antelope 2.95 2023.1|28 Bobcat 2.95 2023.2|29 Caracal 2.96 2024.1|30 Dalmatian 2.96 2024.2|31 Epoxy 2.100 2025.1|32 Flamingo 2.100 2025.2|33 Gazpacho 2.103 2026.1|34 Hibiscus 2.104 2026.2';

/** Queens (17.0.0) to Hibiscus (34.0.0), oldest first. */
export const novaReleases: readonly NovaRelease[] = table.split('|').map((row) => {
  const [nova = '', name = '', maxMicroversion = '', series] = row.split(' ');
  return { nova: Number(nova), name, maxMicroversion, ...(series === undefined ? {} : { series }) };
});

/** What changed with which major version of Nova. Asked through `since`. */
export const features = {
  /** Flavor key `hide_hypervisor_id`. */
  hideHypervisorFlavorKey: 18,
  /** Several vGPU types on one host: `[vgpu_<type>] device_addresses`. */
  severalVgpuTypes: 21,
  /** `hw:pci_numa_affinity_policy`. */
  flavorNumaPolicy: 21,
  /** `hw:hide_hypervisor_id`, `hw:tpm_version`, provider.yaml. */
  scopedHideHypervisor: 22,
  tpm: 22,
  providerYaml: 22,
  /** NUMA policy `socket`. */
  numaSocket: 23,
  secureBoot: 23,
  /** `[devices] enabled_vgpu_types` became `enabled_mdev_types`, `[vgpu_*]` became `[mdev_*]`. */
  mdevNames: 24,
  mdevClass: 24,
  /** `[pci] passthrough_whitelist` became `device_spec`. */
  deviceSpec: 26,
  reportInPlacement: 26,
  /** Aliases of one request are checked together; pools know `remote_managed`. */
  jointRequests: 26,
  /** `[filter_scheduler] pci_in_placement`, alias keys `resource_class` and `traits`. */
  pciInPlacement: 27,
  maxInstances: 29,
  vgpuLiveMigration: 29,
  /** From here vmgpu plans with PCI in Placement unless it is told otherwise. */
  pciInPlacementByDefault: 29,
  maxPhysAddr: 29,
  /** device_spec tags `managed`, `live_migratable`; alias key `live_migratable`. */
  managedTag: 31,
  oneTimeUse: 32,
  /** nova-api and nova-compute check all aliases when they start. */
  aliasCheckedAtStart: 32,
  /** More than one vGPU group in a flavor. */
  severalVgpuGroups: 33,
} as const;

export type Feature = keyof typeof features;

/** True when this release has the feature. */
export function since(release: NovaRelease, feature: Feature): boolean {
  return release.nova >= features[feature];
}

/** Names of options that changed; the older ones are still read by every later release. */
export function optionNames(release: NovaRelease) {
  const mdev = since(release, 'mdevNames');
  return {
    deviceSpec: since(release, 'deviceSpec') ? 'device_spec' : 'passthrough_whitelist',
    mdevTypes: mdev ? 'enabled_mdev_types' : 'enabled_vgpu_types',
    mdevGroup: mdev ? 'mdev_' : 'vgpu_',
  } as const;
}

/** Default `[filter_scheduler] enabled_filters` of a release (Nova 17 to 34, nova/conf/scheduler.py). */
export function defaultFilters(release: NovaRelease): readonly string[] {
  return [
    ...(release.nova < 20 ? ['RetryFilter'] : []),
    ...(release.nova < 24 ? ['AvailabilityZoneFilter'] : []),
    'ComputeFilter',
    'ComputeCapabilitiesFilter',
    'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter',
    'ServerGroupAffinityFilter',
  ];
}

/** Newest release this version of vmgpu knows. */
export const newestRelease = novaReleases.at(-1) as NovaRelease;

/**
 * Finds a release by name (`caracal`), series (`2024.1`), or Nova version (`29`, `29.2.1`). Throws `unknown-name`.
 */
export function parseRelease(text: string): NovaRelease {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/[\s()/]+/).filter(Boolean);
  const major = /^(?:nova[ -])?(\d{2})(?:\.\d+)*$/.exec(wanted)?.[1];
  const found = novaReleases.find(
    (release) =>
      String(release.nova) === major ||
      words.includes(release.name.toLowerCase()) ||
      (release.series !== undefined && words.includes(release.series)),
  );
  if (found) return found;
  const names = novaReleases.flatMap(({ name, series }) => (series ? [name, series] : [name]));
  const close = nearest(wanted, names);
  throw new VmgpuError('unknown-name', 'no OpenStack release of this name', {
    found: text,
    expected: `a release from ${novaReleases[0]?.name} to ${newestRelease.name}, such as 2024.1, caracal or 29`,
    ...(close.length > 0 ? { hint: `Did you mean ${close.join(' or ')}?` } : {}),
  });
}

/** `29.0.0 (2024.1 Caracal)`: how plans name the release. */
export function printRelease({ nova, name, series }: NovaRelease): string {
  return `${nova}.0.0 (${series ? `${series} ` : ''}${name})`;
}

/** Compares microversions as pairs of integers: 2.100 is after 2.96. */
export function compareMicroversions(left: string, right: string): number {
  const [a = 0, b = 0] = left.split('.').map(Number);
  const [c = 0, d = 0] = right.split('.').map(Number);
  return a - c || b - d;
}

/** The lower of a wanted compute microversion and what the release can do. */
export function microversion(release: NovaRelease, wanted: string): string {
  return compareMicroversions(wanted, release.maxMicroversion) <= 0 ? wanted : release.maxMicroversion;
}
