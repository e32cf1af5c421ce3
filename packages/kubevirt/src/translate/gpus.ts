import type { GpuRequest } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import type { Json } from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';

/** A request with what it is on this cluster: a node resource, or an entry of a resource claim. */
export interface PlacedGpu {
  readonly request: GpuRequest;
  readonly path: string;
  /** Absent when the name could not be found; then a `blocked` diagnostic says so. */
  readonly resource?: string;
  readonly claims?: readonly { readonly claimName: string; readonly requestName: string }[];
}

/** Names of a request's entries: its own for one, `name-0`, `name-1` for more. */
export function entryNames(request: GpuRequest): readonly string[] {
  const count = request.count ?? 1;
  return count === 1
    ? [request.name]
    : Array.from({ length: count }, (_, index) => `${request.name}-${index}`);
}

export interface GpuLists {
  readonly gpus: readonly Json[];
  readonly hostDevices: readonly Json[];
}

/**
 * The entries of `devices.gpus` and `devices.hostDevices`. Names become libvirt aliases (`ua-gpu-<name>`), so they must
 * be unique and without dots. At most one vGPU of a VM may have ramFB on (kubevirt v1.9.0, VMI create admitter).
 */
export function buildGpus(placed: readonly PlacedGpu[], options: KubeVirtOptions, report: Report): GpuLists {
  const lists: { gpus: Json[]; hostDevices: Json[] } = { gpus: [], hostDevices: [] };
  const seen = new Set<string>();
  let bootDisplay = false;
  for (const { request, path, resource, claims } of placed) {
    const toHostDevices = options.hostDevices?.includes(request.name) ?? false;
    for (const [index, name] of entryNames(request).entries()) {
      if (seen.has(name) || name.length > 63) {
        const why = seen.has(name) ? 'is used twice' : 'is longer than 63 characters';
        report('blocked', 'gpu-name', `${path}.name`, `the device name ${name} ${why}`, 'rename the request');
      }
      seen.add(name);
      const source = claims?.[index] ?? { deviceName: resource ?? 'unknown' };
      if (toHostDevices) {
        lists.hostDevices.push({ name, ...source });
        continue;
      }
      const display = request.mode === 'vgpu' ? request.display : undefined;
      if (display === undefined) lists.gpus.push({ name, ...source });
      else {
        const ramFB = display ? { ramFB: { enabled: !bootDisplay } } : {};
        bootDisplay ||= display;
        lists.gpus.push({ name, ...source, virtualGPUOptions: { display: { enabled: display, ...ramFB } } });
      }
    }
    if (toHostDevices && request.mode === 'vgpu' && request.display !== undefined) {
      report(
        'unsupported',
        'display-on-host-device',
        `${path}.display`,
        'hostDevices entries have no display options',
      );
    }
  }
  return lists;
}
