import type { Catalog, GpuRequest, PciId } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import type { KubeVirtOptions } from './options.ts';
import type { PermittedDevice } from './permitted.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

/** What a request means on this cluster. */
export interface ResolvedGpu {
  readonly request: GpuRequest;
  readonly path: string;
  readonly resource?: string;
  /** Entries the allow-list must have for it. */
  readonly permit: readonly PermittedDevice[];
  /** Device ids that answer the request, without subsystem; none when only the resource is known. */
  readonly ids: readonly PciId[];
  /** Full name of the vGPU type. */
  readonly vgpuName?: string;
  /** The vGPU is a virtual function, not a mediated device (kernel 6.8 class, vGPU 17 and later). */
  readonly virtualFunction?: boolean;
}

export interface ResolveContext {
  readonly snapshot: KubeVirtSnapshot;
  readonly options: KubeVirtOptions;
  readonly catalog: Catalog | undefined;
  /** The allow-list as it is. */
  readonly permitted: readonly PermittedDevice[];
  readonly report: Report;
}

/** The resource that the intent itself names. */
export function givenResource(
  request: GpuRequest,
  path: string,
  { options, report }: ResolveContext,
): string | undefined {
  const given = options.resources?.[request.name] ?? request.device?.name;
  if (given === undefined || given.includes('/')) return given;
  report(
    'repaired',
    'resource-domain',
    `${path}.device.name`,
    `${given} has no vendor domain: nvidia.com/${given} is meant`,
  );
  return `nvidia.com/${given}`;
}

/** Every resource name that some node publishes. */
export function publishedResources({ nodes = [] }: KubeVirtSnapshot): readonly string[] {
  return nodes.flatMap(({ allocatable }) => Object.keys(allocatable));
}
