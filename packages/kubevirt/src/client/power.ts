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

/** Path of the order, which virt-api serves through the aggregation layer (kubevirt v1.9.0, pkg/virt-api). */
export function powerPath(ref: ObjectRef, action: PowerAction): string {
  return `${pathOf(served, ref)}/${action}`;
}
