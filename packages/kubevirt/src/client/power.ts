import { pathOf } from './paths.ts';
import type { ObjectRef } from './port.ts';

/** What can be asked of a VM beside its description. */
export type PowerAction = 'start' | 'stop' | 'restart';

const served = {
  group: 'subresources.kubevirt.io',
  version: 'v1',
  plural: 'virtualmachines',
  kind: 'VirtualMachine',
  namespaced: true,
};

/** Path of a subresource of a VM: `.../virtualmachines/train-1/expand-spec`. */
export const vmSubresource = (ref: ObjectRef, name: string) => `${pathOf(served, ref)}/${name}`;

/** Path of the order, which virt-api serves through the aggregation layer (kubevirt v1.9.0, pkg/virt-api). */
export function powerPath(ref: ObjectRef, action: PowerAction): string {
  return vmSubresource(ref, action);
}
