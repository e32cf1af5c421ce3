import { type CallOptions, isVmgpuError, type VmgpuError } from '@vmgpu/core';
import { referenceName, type VmReference, vmReferences } from '../translate/expand.ts';
import type { Manifest } from '../translate/manifest.ts';
import type { KubePort, ObjectRef } from './port.ts';
import { vmSubresource } from './power.ts';
import { type KubeResource, resourceOf, resources } from './resources.ts';
import { tidy } from './tidy.ts';

/** What tells of a VM's instance type and preference, and what could not be read of it. */
export interface Beside {
  readonly documents: readonly Manifest[];
  readonly unread: readonly { readonly what: string; readonly why: string }[];
}

/**
 * What a VM names, for `expandVm`: the VM as virt-api expands it; where that is refused, the objects themselves, and a
 * `Status` in place of each that cannot be had. Nothing is asked for a VM that names neither.
 */
export async function readBeside(port: KubePort, vm: Manifest, options: CallOptions): Promise<Beside> {
  const references = vmReferences(vm);
  if (references.length === 0) return { documents: [], unread: [] };
  const { name = '', namespace = '' } = vm.metadata ?? {};
  const twin = await answered(() => port.read(vmSubresource({ name, namespace }, 'expand-spec'), options));
  if (!isVmgpuError(twin)) return { documents: [{ kind: vm.kind, ...tidy(twin) } as Manifest], unread: [] };
  const found = await Promise.all(references.map((one) => readNamed(port, one, namespace, options)));
  const unread = found.flatMap(({ what, refused }) =>
    refused === undefined ? [] : [{ what, why: `${twin.message}; ${refused.error.message}` }],
  );
  const documents = found.flatMap(({ object, refused }) => [
    ...(object === undefined ? [] : [object]),
    ...(refused === undefined ? [] : [statusOf(refused)]),
  ]);
  return { documents, unread };
}

interface Named {
  readonly what: string;
  readonly object?: Manifest;
  readonly refused?: { readonly error: VmgpuError; readonly name: string };
}

/** The revision that the VM has, else the object as it is now. */
async function readNamed(
  port: KubePort,
  reference: VmReference,
  namespace: string,
  options: CallOptions,
): Promise<Named> {
  const { kind, name, namespaced, revision } = reference;
  const what = referenceName(reference);
  const read = async (resource: KubeResource, ref: ObjectRef) => {
    const object = await answered(() => port.get(resource, ref, options));
    if (!isVmgpuError(object)) return { kind: resource.kind, ...tidy(object) };
    if (object.details?.retryable) throw object;
    return object;
  };
  const kept =
    revision === undefined
      ? undefined
      : await read(resources.controllerRevisions, { name: revision, namespace });
  if (kept !== undefined && !isVmgpuError(kept)) return { what, object: kept };
  const older = kept && { refused: { error: kept, name: revision ?? name } };
  if (name === '') return { what, ...older };
  const object = await read(resourceOf({ kind }), namespaced ? { name, namespace } : { name });
  if (isVmgpuError(object)) return { what, refused: { error: object, name } };
  return older ? { what: `ControllerRevision ${revision} of ${what}`, object, ...older } : { what, object };
}

/** The answer, or the refusal that the server gave instead; what is no answer is thrown, and tried again by the caller. */
async function answered(call: () => Promise<Manifest>): Promise<Manifest | VmgpuError> {
  try {
    return await call();
  } catch (error) {
    if (!isVmgpuError(error)) throw error;
    const { status, retryable } = error.details ?? {};
    // A server that starts forbids everything for a while, and says so later.
    const passes = error.code === 'auth-failed' || (error.code === 'permission-denied' && retryable === true);
    if (status === undefined || passes) throw error;
    return error;
  }
}

const statusOf = ({ error, name }: NonNullable<Named['refused']>): Manifest => ({
  apiVersion: 'v1',
  kind: 'Status',
  status: 'Failure',
  message: error.message,
  details: { name },
});
