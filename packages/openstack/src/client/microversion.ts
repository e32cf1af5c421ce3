import { VmgpuError } from '@vmgpu/core';
import { compareMicroversions } from '../translate/releases.ts';
import type { ServiceType } from './services.ts';

/** What a service can speak, both ends included. */
export interface VersionRange {
  readonly min: string;
  readonly max: string;
}

/** Services with microversions, and the headers that ask for one. Source: Nova 26 and Placement 8, API references. */
export function versionHeaders(service: ServiceType, version: string): Readonly<Record<string, string>> {
  return {
    'openstack-api-version': `${service} ${version}`,
    ...(service === 'compute' ? { 'x-openstack-nova-api-version': version } : {}),
  };
}

/** The first of the wished versions that the service speaks; never `latest`, which changes meaning from day to day. */
export function pickVersion(
  service: ServiceType,
  wished: readonly string[],
  { min, max }: VersionRange,
): string {
  const found = wished.find(
    (version) => compareMicroversions(version, max) <= 0 && compareMicroversions(version, min) >= 0,
  );
  if (found !== undefined) return found;
  throw new VmgpuError('unsupported', `the service ${service} of this cloud is too old`, {
    found: `microversions ${min} to ${max}`,
    expected: wished.join(' or '),
  });
}

interface VersionItem {
  readonly id?: string;
  readonly status?: string;
  readonly version?: string;
  readonly max_version?: string;
  readonly min_version?: string;
}

/**
 * Reads a version document: of Nova's `/v2.1/` (`{version}`) and `/` (`{versions}`), of Placement's and Cyborg's `/`.
 * Undefined when the service has no microversions at all (compute v2.0).
 */
export function readVersions(document: unknown): VersionRange | undefined {
  const { version, versions } = (document ?? {}) as {
    readonly version?: VersionItem;
    readonly versions?: readonly VersionItem[];
  };
  const items = version ? [version] : Array.isArray(versions) ? (versions as readonly VersionItem[]) : [];
  const ranges = items.flatMap((item): readonly VersionRange[] => {
    const max = item.version || item.max_version;
    return max && item.min_version ? [{ min: item.min_version, max }] : [];
  });
  return [...ranges].sort((a, b) => compareMicroversions(b.max, a.max))[0];
}
