import { instanceOf } from '../admission/instancetype.ts';
import { type Cluster, ids } from '../cluster.ts';
import { clone } from '../json.ts';
import type { KubeObject } from '../types.ts';
import type { ApiRequest } from './request.ts';
import { ApiFailure, noSuchPath, notFound } from './status.ts';

/**
 * `virtualmachines/NAME/expand-spec` of virt-api (v1.9.0): the VM as if it had said itself what its instance type and its
 * preference give. Everything that is wrong with them is an internal error.
 */
export function expandSpec(cluster: Cluster, { type, path }: ApiRequest): KubeObject {
  if (type.id !== ids.vms) throw noSuchPath();
  const vm = cluster.get(ids.vms, path.namespace, path.name ?? '');
  if (vm === undefined) throw notFound({ group: 'kubevirt.io', plural: type.plural, name: path.name });
  if (!vm.spec?.instancetype && !vm.spec?.preference) return vm;
  const { spec, metadata, causes } = instanceOf(cluster, vm);
  const [first] = causes;
  if (first !== undefined) {
    const fields = causes.map(({ field }) => field).join(', ');
    const isClash = first.message.includes('conflicts with selected');
    const text = isClash ? `VM field(s) ${fields} conflicts with selected instance type` : first.message;
    const message = `Internal error occurred: ${text.replace(/^Failure to find \w+: /, '')}`;
    throw new ApiFailure(500, 'InternalError', message, { causes: [{ message: text }] });
  }
  const expanded = clone(vm);
  expanded.spec.template = { ...expanded.spec.template, metadata, spec };
  delete expanded.spec.instancetype;
  delete expanded.spec.preference;
  return expanded;
}
