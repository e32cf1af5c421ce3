import type { Manifest } from '../translate/manifest.ts';
import { listAt, objectAt, textAt } from '../translate/manifest.ts';
import { isGpuResource } from '../translate/reverse-names.ts';

/** Of a node what matters for GPUs: a few hundred bytes where the object has thousands. */
export interface GpuNode {
  readonly name: string;
  readonly ready: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Allocatable devices by resource name. */
  readonly gpus: Readonly<Record<string, number>>;
}

export function gpuNode({ metadata, status }: Manifest): GpuNode {
  const allocatable = objectAt(status, 'allocatable');
  return {
    name: metadata?.name ?? '',
    ready: isReady(status),
    labels: Object.fromEntries(
      Object.entries(metadata?.labels ?? {}).filter(
        ([key]) => key.startsWith('nvidia.com/') || key === 'kubevirt.io/schedulable',
      ),
    ),
    gpus: Object.fromEntries(
      Object.entries(allocatable).flatMap(([name, amount]) =>
        isDevice(name) ? [[name, Number(amount)]] : [],
      ),
    ),
  };
}

export function isReady(status: unknown): boolean {
  return listAt(status, 'conditions').some(({ type, status: is }) => type === 'Ready' && is === 'True');
}

/** A resource of devices: an extended one that KubeVirt does not publish for every VM. */
export function isDevice(name: string): boolean {
  return (
    name.includes('/') &&
    !/^(devices\.kubevirt\.io\/(kvm|tun|vhost-net|vhost-vsock|sev|tdx)$|.*kubernetes\.io\/)/.test(name)
  );
}

/** A GPU resource that hands addresses to KubeVirt; the container plugins' and MIG's do not. */
export function isVmResource(name: string): boolean {
  return isGpuResource(name) && !/^nvidia\.com\/(gpu(\.shared)?|mig-.*)$|^gpu\.intel\.com\//.test(name);
}

export function isFinished(pod: Manifest): boolean {
  return /^(Succeeded|Failed)$/.test(textAt(pod, 'status', 'phase') ?? '');
}
