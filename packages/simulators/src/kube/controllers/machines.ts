import type { Admission } from '../admission/index.ts';
import { instanceOf } from '../admission/instancetype.ts';
import { ApiFailure } from '../api/status.ts';
import { type Cluster, ids, referenceTo, withCondition, without } from '../cluster.ts';
import { clone, dicts } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';
import { dataVolumes, type Volumes } from './volumes.ts';

const finalizer = 'kubevirt.io/virtualMachineControllerFinalize';
const component = 'virtualmachine-controller';

/** virt-controller's part for a VirtualMachine: makes and ends its instance, and says how it goes. */
export function createMachines(cluster: Cluster, admission: Admission): (machine: KubeObject) => void {
  /** What an instance was made from, to see that a running one is out of date. */
  const madeFrom = new Map<string, string>();

  function reconcile(machine: KubeObject): void {
    const vm = withFinalizer(machine);
    const vmi = cluster.get(ids.vmis, vm.metadata.namespace, vm.metadata.name);
    if (vm.metadata.deletionTimestamp) {
      finish(vm, vmi);
      return;
    }
    const volumes = dataVolumes(cluster, vm);
    const decision = decide(vm, vmi);
    let failure: string | undefined;
    if (decision === 'start' && volumes.ready) failure = start(vm);
    else if (decision === 'stop' && vmi !== undefined && !vmi.metadata.deletionTimestamp) {
      cluster.remove(ids.vmis, vmi);
      cluster.event(
        vm,
        'Normal',
        'SuccessfulDelete',
        `Stopped the virtual machine by deleting the virtual machine instance ${vmi.metadata.uid}`,
        component,
      );
    }
    report(vm, decision, volumes, failure);
  }

  function withFinalizer(vm: KubeObject): KubeObject {
    const { finalizers = [], deletionTimestamp } = vm.metadata;
    if (deletionTimestamp || finalizers.includes(finalizer)) return vm;
    return (
      cluster.change(ids.vms, vm, (draft) => {
        draft.metadata.finalizers = [...finalizers, finalizer];
      }) ?? vm
    );
  }

  function finish(vm: KubeObject, vmi: KubeObject | undefined): void {
    if (vmi !== undefined && ownedBy(vmi, vm)) {
      if (!vmi.metadata.deletionTimestamp) cluster.remove(ids.vmis, vmi);
      report(vm, 'stop', { ready: true }, undefined);
      return;
    }
    cluster.change(ids.vms, vm, ({ metadata }) => {
      metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== finalizer);
    });
  }

  /** Makes the instance; answers why KubeVirt's own webhook refused it. */
  function start(vm: KubeObject): string | undefined {
    const { metadata = {} } = vm.spec?.template ?? {};
    const { name, namespace } = vm.metadata;
    const draft: KubeObject = {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstance',
      metadata: {
        ...clone(metadata),
        name,
        namespace: namespace as string,
        ownerReferences: [referenceTo(vm)],
        finalizers: [finalizer, 'foregroundDeleteVirtualMachine'],
      },
      spec: instanceOf(cluster, vm).spec,
    };
    try {
      const made = cluster.create(ids.vmis, admission.admitInstance(draft));
      madeFrom.set(made.metadata.uid as string, templateOf(vm));
      cluster.event(
        vm,
        'Normal',
        'SuccessfulCreate',
        `Started the virtual machine by creating the new virtual machine instance ${name}`,
        component,
      );
      return undefined;
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      cluster.event(
        vm,
        'Warning',
        'FailedCreate',
        `Error creating virtual machine instance: ${error.message}`,
        component,
      );
      return error.message;
    }
  }

  function report(vm: KubeObject, decision: Decision, volumes: Volumes, failure: string | undefined): void {
    const vmi = cluster.get(ids.vmis, vm.metadata.namespace, vm.metadata.name);
    const live = cluster.get(ids.vms, vm.metadata.namespace, vm.metadata.name);
    if (live === undefined) return;
    const now = cluster.loop.timestamp();
    const conditionOf = (type: string): Dict | undefined =>
      vmi?.status?.conditions?.find((condition: Dict) => condition.type === type);
    let conditions: Dict[] = live.status?.conditions ?? [];
    const set = (condition: Dict) => {
      conditions = withCondition(conditions, condition, now);
    };
    const ready = conditionOf('Ready') ?? {
      status: 'False',
      reason: 'VMINotExists',
      message: 'VMI does not exist',
    };
    set({ ...ready, type: 'Ready' });
    for (const type of ['PodScheduled', 'Synchronized', 'LiveMigratable']) {
      const condition = conditionOf(type);
      if (condition === undefined) conditions = without(conditions, type);
      else set(condition);
    }
    if (failure === undefined) conditions = without(conditions, 'Failure');
    else {
      const message = `Failure while starting VMI: ${failure}`;
      set({ type: 'Failure', status: 'True', reason: 'FailedCreate', message });
    }
    const source = vmi && madeFrom.get(vmi.metadata.uid as string);
    const isOld = source !== undefined && !vmi?.metadata.deletionTimestamp && source !== templateOf(live);
    conditions = without(conditions, 'RestartRequired');
    if (isOld) {
      const message = 'a non-live-updatable field was changed in the template spec';
      set({ type: 'RestartRequired', status: 'True', reason: 'RestartRequired', message });
    }
    const requests = dicts(live.status?.stateChangeRequests);
    let left = isServed(requests[0], vmi) ? requests.slice(1) : requests;
    const isFailed = strategyOf(live) === 'RerunOnFailure' && vmi?.status?.phase === 'Failed';
    if (isFailed && left.length === 0) left = [{ action: 'Start' }];
    cluster.change(ids.vms, live, (draft) => {
      draft.status = {
        ...draft.status,
        conditions,
        created: vmi !== undefined,
        ready: vmi?.status?.phase === 'Running',
        printableStatus: printable(live, vmi, decision, volumes),
        runStrategy: decision === 'start' && vmi === undefined ? live.status?.runStrategy : strategyOf(live),
        observedGeneration: live.metadata.generation,
        desiredGeneration: live.metadata.generation,
      };
      if (left.length > 0) draft.status.stateChangeRequests = left;
      else delete draft.status.stateChangeRequests;
      if (vmi === undefined) {
        delete draft.status.created;
        delete draft.status.ready;
      }
      if (draft.status.runStrategy === undefined) delete draft.status.runStrategy;
    });
  }

  return reconcile;
}

/** Requests are served one after the other: a restart's start stays until its stop is done (kubevirt v1.9.0). */
function isServed(request: Dict | undefined, vmi: KubeObject | undefined): boolean {
  if (request?.action === 'Start') {
    return vmi !== undefined && !isOver(vmi) && !vmi.metadata.deletionTimestamp;
  }
  return (
    request?.action === 'Stop' && (vmi === undefined || (request.uid && request.uid !== vmi.metadata.uid))
  );
}

const templateOf = ({ spec }: KubeObject) => JSON.stringify([spec?.template?.spec, spec?.instancetype]);

const isOver = (vmi: KubeObject) => vmi.status?.phase === 'Succeeded' || vmi.status?.phase === 'Failed';

const ownedBy = (object: KubeObject, owner: KubeObject) =>
  (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid);

type Decision = 'start' | 'stop' | 'keep';

const strategyOf = ({ spec }: KubeObject): string =>
  spec?.runStrategy ?? (spec?.running ? 'Always' : 'Halted');

/** What a run strategy wants (kubevirt v1.9.0, pkg/virt-controller/watch/vm). */
function decide(vm: KubeObject, vmi: KubeObject | undefined): Decision {
  const strategy = strategyOf(vm);
  const asked = dicts(vm.status?.stateChangeRequests);
  const phase = vmi?.status?.phase;
  if (vmi !== undefined) {
    const stop = asked.find(({ action }) => action === 'Stop');
    if (stop !== undefined && (!stop.uid || stop.uid === vmi.metadata.uid)) return 'stop';
    if (isOver(vmi) && (strategy === 'Always' || asked[0]?.action === 'Start')) return 'stop';
    if (strategy === 'RerunOnFailure' && phase === 'Failed') return 'stop';
    return strategy === 'Halted' ? 'stop' : 'keep';
  }
  const isAsked = asked.some(({ action }) => action === 'Start');
  const isNew = vm.status?.runStrategy !== strategy;
  switch (strategy) {
    case 'Always':
      return 'start';
    case 'RerunOnFailure':
    case 'Once':
      return isAsked || isNew ? 'start' : 'keep';
    case 'Manual':
      return isAsked ? 'start' : 'keep';
    default:
      return 'keep';
  }
}

function printable(
  vm: KubeObject,
  vmi: KubeObject | undefined,
  decision: Decision,
  volumes: Volumes,
): string {
  if (vm.metadata.deletionTimestamp) return 'Terminating';
  if (vmi?.metadata.deletionTimestamp) return 'Stopping';
  if (vmi === undefined) {
    if (decision !== 'start') return 'Stopped';
    return volumes.missing ? 'ErrorPvcNotFound' : volumes.ready ? 'Starting' : 'Provisioning';
  }
  const scheduled = dicts(vmi.status?.conditions).find(({ type }) => type === 'PodScheduled');
  if (scheduled?.reason === 'Unschedulable') return 'ErrorUnschedulable';
  switch (vmi.status?.phase) {
    case 'Running':
      return 'Running';
    case 'Failed':
      return 'CrashLoopBackOff';
    case 'Succeeded':
      return 'Stopping';
    default:
      return 'Starting';
  }
}
