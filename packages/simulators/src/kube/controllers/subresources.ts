import type { ApiRequest } from '../api/request.ts';
import { ApiFailure, noSuchPath, notFound } from '../api/status.ts';
import { type Cluster, ids } from '../cluster.ts';
import type { Dict } from '../types.ts';

/** KubeVirt's start, stop and restart (virt-api v1.9.0): 202 with no body, or a Status. */
export function createSubresource(cluster: Cluster) {
  return ({ type, path }: ApiRequest, options: Dict): { readonly code: number; readonly body?: Dict } => {
    const { namespace, name = '', subresource } = path;
    const vm = cluster.get(ids.vms, namespace, name);
    const target = { group: 'kubevirt.io', plural: type.plural, name };
    if (type.id !== ids.vms) throw noSuchPath();
    if (vm === undefined) throw notFound(target);
    const vmi = cluster.get(ids.vmis, namespace, name);
    const strategy = vm.spec?.runStrategy ?? (vm.spec?.running ? 'Always' : 'Halted');
    const refuse = (why: string) =>
      new ApiFailure(
        409,
        'Conflict',
        `Operation cannot be fulfilled on virtualmachine.kubevirt.io "${name}": ${why}`,
        { name, group: 'kubevirt.io', kind: 'virtualmachine' },
      );
    const isActive = vmi !== undefined && !['Succeeded', 'Failed'].includes(vmi.status?.phase);
    const dryRun = options.dryRun?.includes('All');
    const request = (requests: Dict[]) => {
      if (dryRun) return;
      cluster.change(ids.vms, vm, (draft) => {
        draft.status = { ...draft.status, stateChangeRequests: requests };
      });
    };
    const setStrategy = (runStrategy: string) => {
      if (dryRun) return;
      cluster.change(ids.vms, vm, (draft) => {
        delete draft.spec.running;
        draft.spec.runStrategy = runStrategy;
      });
    };
    const stop = { action: 'Stop', uid: vmi?.metadata.uid };
    switch (subresource) {
      case 'start':
        if (isActive) throw refuse('VM is already running');
        if (strategy === 'Always' || strategy === 'Once') {
          throw refuse(`${strategy} does not support manual start requests`);
        }
        if (strategy === 'Halted') setStrategy('Always');
        else request([{ action: 'Start' }]);
        return { code: 202 };
      case 'stop':
        if (strategy === 'Halted' || (!isActive && strategy !== 'Always')) throw refuse('VM is not running');
        if (strategy === 'Always' || strategy === 'Once') setStrategy('Halted');
        else request([stop]);
        return { code: 202 };
      case 'restart':
        if (strategy === 'Halted') throw refuse('Halted does not support manual restart requests');
        if (!isActive) throw refuse('VM is not running');
        request([stop, { action: 'Start' }]);
        return { code: 202 };
      default:
        throw noSuchPath();
    }
  };
}
