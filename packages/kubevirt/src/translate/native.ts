import { badInput } from '@vmgpu/core';
import { check, dictionary, optional, shape, text } from '@vmgpu/core/schema';
import { isExpandedTwin } from './expand.ts';
import { isObject, type Manifest, withoutNulls } from './manifest.ts';

/** The VM of a `List`, and the documents beside it. Throws `bad-input` when it holds none, or several. */
export function openList(native: unknown): { readonly vm: unknown; readonly beside: readonly Manifest[] } {
  if (!isObject(native) || !Array.isArray(native.items)) return { vm: native, beside: [] };
  const items = native.items.filter(isObject) as readonly Manifest[];
  const vms = items.filter(
    (item) => isVmKind(item.kind) && !items.some((other) => isExpandedTwin(item, other)),
  );
  if (vms.length === 1) return { vm: vms[0], beside: items.filter((item) => item !== vms[0]) };
  throw badInput(vms.length === 0 ? 'no VM in the list' : 'more than one VM in the list', {
    found: vms.map(({ metadata }) => metadata?.name).join(', ') || 'none',
    expected: 'one VirtualMachine or VirtualMachineInstance',
  });
}

export const isVmKind = (kind: unknown) => kind === 'VirtualMachine' || kind === 'VirtualMachineInstance';

/** Fields of metadata that the API server or a tool writes about the object, not wishes of its owner. */
const serverMetadata = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'selfLink',
];
const serverAnnotations = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubevirt.io/latest-observed-api-version',
  'kubevirt.io/storage-observed-api-version',
];

const metadataShape = shape({
  metadata: optional(
    shape({
      name: optional(text()),
      namespace: optional(text()),
      labels: optional(dictionary(text())),
      annotations: optional(dictionary(text())),
    }),
  ),
});

/** The object as its owner wrote it: without status and the server's own marks. Throws `bad-input` when it is none. */
export function wishes(native: unknown): Manifest {
  if (!isObject(native)) throw badInput('not a KubeVirt VM', { expected: 'one Kubernetes object' });
  const { status: _, ...manifest } = withoutNulls(native) as Manifest;
  check(metadataShape, manifest, 'not a KubeVirt VM');
  const metadata: Record<string, unknown> = { ...manifest.metadata };
  for (const key of serverMetadata) delete metadata[key];
  if (isObject(metadata.annotations)) {
    const kept = Object.entries(metadata.annotations).filter(([key]) => !serverAnnotations.includes(key));
    if (kept.length > 0) metadata.annotations = Object.fromEntries(kept);
    else delete metadata.annotations;
  }
  return { ...manifest, metadata };
}
