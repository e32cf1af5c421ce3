import { type Admission, configurationOf } from '../admission/index.ts';
import { type Cluster, ids } from '../cluster.ts';
import type { Controllers, Hardware, LauncherFailure } from '../scenario.ts';
import { type Change, keyOfObject } from '../store/store.ts';
import type { KubeObject } from '../types.ts';
import { createGpuOperator } from './gpu-operator.ts';
import { createInstances } from './instances.ts';
import { createMachines } from './machines.ts';
import { createNodeAgent } from './node-agent.ts';
import { createHyperConverged, createVirtOperator, importDataVolume, publishBuiltin } from './platform.ts';
import { createScheduler } from './scheduler.ts';

export interface ControllerParts {
  readonly cluster: Cluster;
  readonly admission: Admission;
  readonly enabled: Controllers;
  readonly hardware: Readonly<Record<string, Hardware>>;
  readonly failures: readonly LauncherFailure[];
  readonly kubevirtVersion: string;
  readonly isLost: (node: string) => boolean;
  readonly log: (line: string) => void;
}

/**
 * Connects the controllers to the store. Each change enqueues the objects that it concerns; a reconciler looks at the
 * state as it then is, so order and repetition do not matter.
 */
export function runControllers(parts: ControllerParts) {
  const { cluster, enabled, hardware } = parts;
  const { loop, store, timings } = cluster;
  const owners = createOwnerIndex();
  const podOf = (vmi: KubeObject) => {
    for (const { resource, key } of owners.of(vmi.metadata.uid)) {
      if (resource === ids.pods) return byKey(resource, key);
    }
    return undefined;
  };
  const machine = createMachines(cluster, parts.admission);
  const instance = createInstances(cluster, podOf);
  const agent = createNodeAgent(cluster, parts.failures, parts.isLost);
  const operator = createGpuOperator(cluster, hardware, parts.log);
  const schedule = createScheduler(cluster);
  const virtOperator = createVirtOperator(cluster, parts.kubevirtVersion);
  const hyperConverged = createHyperConverged(cluster);

  function byKey(resource: string, key: string): KubeObject | undefined {
    const slash = key.indexOf('/');
    return slash < 0
      ? cluster.get(resource, undefined, key)
      : cluster.get(resource, key.slice(0, slash), key.slice(slash + 1));
  }

  /** Reconciles the object that has this key by then. */
  function later(
    name: string,
    resource: string,
    key: string,
    delay: number,
    work: (object: KubeObject) => void,
  ): void {
    loop.enqueue(`${name}/${key}`, delay, () => {
      const object = byKey(resource, key);
      if (object !== undefined) work(object);
    });
  }

  function changed(change: Change): void {
    const { resource, key, object, previous } = change;
    const after = change.type === 'DELETED' ? undefined : object;
    owners.update(resource, key, previous, after);
    if (enabled.scheduler) schedule(resource, previous, after);
    if (after === undefined && enabled.garbageCollector) collect(object);
    switch (resource) {
      case ids.pods:
        if (after !== undefined && enabled.nodeAgent) agent.pod(after);
        if (enabled.virtController) wakeOwner(object);
        break;
      case ids.vms:
        if (enabled.virtController) later('vm', ids.vms, key, 0, machine);
        break;
      case ids.vmis:
        if (after !== undefined && enabled.nodeAgent) agent.instance(after);
        if (enabled.virtController) {
          later('vmi', ids.vmis, key, 0, instance);
          later('vm', ids.vms, key, 0, machine);
        }
        break;
      case ids.claims:
      case ids.dataVolumes:
        if (after !== undefined && resource === ids.dataVolumes && enabled.dataVolumes) {
          if (!after.status?.phase) {
            later('dv', resource, key, timings.dataVolume, (volume) => importDataVolume(cluster, volume));
          }
        }
        if (enabled.virtController) wakeMachines(object);
        break;
      case ids.kubevirts:
        kubevirtChanged(key, after);
        break;
      case ids.hyperconvergeds:
        if (enabled.hco) later('hco', resource, key, timings.reconcile, hyperConverged);
        break;
      case ids.nodes:
        if (after !== undefined && enabled.gpuOperator && hardware[after.metadata.name]) {
          loop.enqueue(`gpu/${key}`, 0, () => operator.node(after.metadata.name));
        }
        break;
      case ids.clusterPolicies:
      case ids.configmaps:
        if (enabled.gpuOperator) loop.enqueue('gpu', 0, operator.all);
        break;
    }
  }

  /** A new configuration: instances that could not be rendered are tried again, device plugins start. */
  function kubevirtChanged(key: string, cr: KubeObject | undefined): void {
    if (cr !== undefined && enabled.virtOperator) {
      later('kubevirt', ids.kubevirts, key, timings.reconcile, virtOperator);
    }
    if (enabled.hco && cluster.serves(ids.hyperconvergeds)) {
      for (const hco of cluster.list(ids.hyperconvergeds)) {
        later('hco', ids.hyperconvergeds, keyOfObject(hco), timings.reconcile, hyperConverged);
      }
    }
    if (enabled.nodeAgent) {
      loop.enqueue('builtin', timings.reconcile, () =>
        publishBuiltin(cluster, configurationOf(cluster), hardware),
      );
    }
    if (!enabled.virtController || !cluster.serves(ids.vmis)) return;
    for (const vmi of cluster.list(ids.vmis)) {
      if (vmi.status?.phase === 'Pending') later('vmi', ids.vmis, keyOfObject(vmi), 0, instance);
    }
    for (const vm of cluster.list(ids.vms)) later('vm', ids.vms, keyOfObject(vm), 0, machine);
  }

  function wakeOwner({ metadata }: KubeObject): void {
    const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'VirtualMachineInstance');
    if (owner) later('vmi', ids.vmis, `${metadata.namespace}/${owner.name}`, 0, instance);
  }

  function wakeMachines({ metadata }: KubeObject): void {
    if (!cluster.serves(ids.vms)) return;
    for (const vm of cluster.list(ids.vms)) {
      if (vm.metadata.namespace === metadata.namespace) later('vm', ids.vms, keyOfObject(vm), 0, machine);
    }
  }

  /** What an object that is gone owned goes too. */
  function collect({ metadata }: KubeObject): void {
    for (const { resource, key } of owners.of(metadata.uid)) {
      loop.enqueue(`gc/${resource}/${key}`, 0, () => {
        const object = byKey(resource, key);
        const owned = object?.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid);
        if (object && owned && !object.metadata.deletionTimestamp) cluster.remove(resource, object);
      });
    }
  }

  store.onChange(changed);
  return {
    guestExit: agent.guestExit,
    /** Lets the agent look at all pods and instances again: a node came back. */
    wakeNodes() {
      for (const pod of cluster.list(ids.pods)) agent.pod(pod);
      if (cluster.serves(ids.vmis)) for (const vmi of cluster.list(ids.vmis)) agent.instance(vmi);
    },
  };
}

interface Owned {
  readonly resource: string;
  readonly key: string;
}

/** Objects by the uid of their owner. */
function createOwnerIndex() {
  const index = new Map<string, Map<string, Owned>>();
  const uidsOf = (object: KubeObject | undefined): string[] =>
    (object?.metadata.ownerReferences ?? []).map(({ uid }) => uid);
  return {
    of: (uid: string | undefined): readonly Owned[] => [...(index.get(uid ?? '')?.values() ?? [])],
    update(
      resource: string,
      key: string,
      before: KubeObject | undefined,
      after: KubeObject | undefined,
    ): void {
      const id = `${resource} ${key}`;
      for (const uid of uidsOf(before)) {
        const owned = index.get(uid);
        owned?.delete(id);
        if (owned?.size === 0) index.delete(uid);
      }
      for (const uid of uidsOf(after)) {
        const owned = index.get(uid) ?? new Map<string, Owned>();
        index.set(uid, owned.set(id, { resource, key }));
      }
    },
  };
}
