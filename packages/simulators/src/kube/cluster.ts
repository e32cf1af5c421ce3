import { clone, equal } from './json.ts';
import type { Timings } from './scenario.ts';
import type { Loop } from './store/clock.ts';
import type { ResourceType, ResourceTypes } from './store/resource-types.ts';
import type { Store } from './store/store.ts';
import type { Dict, KubeObject } from './types.ts';

/** Names of the types that controllers work on. */
export const ids = {
  nodes: 'nodes',
  pods: 'pods',
  configmaps: 'configmaps',
  namespaces: 'namespaces',
  events: 'events',
  claims: 'persistentvolumeclaims',
  daemonsets: 'daemonsets.apps',
  kubevirts: 'kubevirts.kubevirt.io',
  vms: 'virtualmachines.kubevirt.io',
  vmis: 'virtualmachineinstances.kubevirt.io',
  hyperconvergeds: 'hyperconvergeds.hco.kubevirt.io',
  clusterPolicies: 'clusterpolicies.nvidia.com',
  dataVolumes: 'datavolumes.cdi.kubevirt.io',
  deviceClasses: 'deviceclasses.resource.k8s.io',
  resourceSlices: 'resourceslices.resource.k8s.io',
  resourceClaims: 'resourceclaims.resource.k8s.io',
  controllerRevisions: 'controllerrevisions.apps',
  claimTemplates: 'resourceclaimtemplates.resource.k8s.io',
} as const;

/** What controllers and the API share: the state, time, and writes that pass no admission. */
export type Cluster = ReturnType<typeof createCluster>;

const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789';

export function createCluster(store: Store, types: ResourceTypes, loop: Loop, timings: Timings) {
  let counter = 0;

  /** An identifier that is the same in each run. */
  function uid(): string {
    counter += 1;
    return `00000000-0000-4000-8000-${counter.toString(16).padStart(12, '0')}`;
  }

  /** Five letters for `generateName`. */
  function suffix(): string {
    counter += 1;
    let value = (counter * 7919 + 104729) % suffixLetters.length ** 5;
    let text = '';
    for (let index = 0; index < 5; index += 1) {
      text += suffixLetters[value % suffixLetters.length];
      value = Math.floor(value / suffixLetters.length);
    }
    return text;
  }

  const typeOf = (id: string): ResourceType => {
    const type = types.byId(id);
    if (type === undefined) throw new Error(`the simulator serves no ${id}`);
    return type;
  };

  /** What the server fills in on creation. */
  function stampNew(type: ResourceType, object: KubeObject): void {
    const { metadata } = object;
    if (!metadata.name && metadata.generateName) metadata.name = metadata.generateName + suffix();
    metadata.uid = uid();
    metadata.creationTimestamp = loop.timestamp();
    if (type.custom || type.group === 'apps') metadata.generation = 1;
  }

  /** Counts the generation of a changed object, and keeps what nobody may change. */
  function stampChange(type: ResourceType, old: KubeObject, next: KubeObject): void {
    const { uid: id, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds } = old.metadata;
    Object.assign(next.metadata, { uid: id, creationTimestamp, name: old.metadata.name });
    if (deletionTimestamp) Object.assign(next.metadata, { deletionTimestamp, deletionGracePeriodSeconds });
    const { generation } = old.metadata;
    if (generation === undefined) return;
    const changed = !equal(counted(type, old), counted(type, next));
    next.metadata.generation = changed ? generation + 1 : generation;
  }

  /** Removes an object, or marks it when finalizers (or a running pod) hold it. */
  function remove(id: string, object: KubeObject, grace?: number): KubeObject | undefined {
    const live = store.get(id, object.metadata.namespace, object.metadata.name);
    if (live === undefined) return undefined;
    const waits = id === ids.pods && live.spec?.nodeName && grace !== 0 && !isFinished(live);
    const held = (live.metadata.finalizers?.length ?? 0) > 0 || waits;
    if (!held) return store.remove(id, live);
    if (live.metadata.deletionTimestamp) return live;
    const next = clone(live);
    next.metadata.deletionTimestamp = loop.timestamp();
    next.metadata.deletionGracePeriodSeconds =
      id === ids.pods ? (grace ?? live.spec?.terminationGracePeriodSeconds ?? 30) : 0;
    if (next.metadata.generation !== undefined) next.metadata.generation += 1;
    return store.put(id, next);
  }

  /** Stores a change; one that takes the last finalizer from a deleted object removes it. */
  function put(id: string, object: KubeObject): KubeObject {
    const { deletionTimestamp, finalizers } = object.metadata;
    const stored = store.put(id, object);
    if (deletionTimestamp && !finalizers?.length && id !== ids.pods)
      return store.remove(id, stored) ?? stored;
    return stored;
  }

  return {
    store,
    types,
    loop,
    timings,
    typeOf,
    suffix,
    uid,
    stampNew,
    stampChange,
    remove,
    put,
    serves: (id: string) => types.byId(id) !== undefined,
    get: store.get,
    list: store.list,

    create(id: string, object: KubeObject): KubeObject {
      const copy = clone(object);
      stampNew(typeOf(id), copy);
      return store.put(id, copy);
    },

    /** Changes the object as it is now; undefined when it is gone. */
    change(id: string, object: KubeObject, edit: (draft: KubeObject) => void): KubeObject | undefined {
      const live = store.get(id, object.metadata.namespace, object.metadata.name);
      if (live === undefined) return undefined;
      const next = clone(live);
      edit(next);
      stampChange(typeOf(id), live, next);
      return put(id, next);
    },

    /** An Event about an object; the same one again only counts up. */
    event(
      about: KubeObject,
      type: 'Normal' | 'Warning',
      reason: string,
      message: string,
      component: string,
    ): void {
      const namespace = about.metadata.namespace ?? 'default';
      const name = `${about.metadata.name}.${hash(`${component}${reason}${message}${about.metadata.uid}`)}`;
      const now = loop.timestamp();
      const before = store.get(ids.events, namespace, name);
      if (before !== undefined) {
        store.put(ids.events, { ...clone(before), count: before.count + 1, lastTimestamp: now });
        return;
      }
      const { apiVersion, kind, metadata } = about;
      const object: KubeObject = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace, uid: uid(), creationTimestamp: now },
        involvedObject: {
          apiVersion,
          kind,
          name: metadata.name,
          namespace: metadata.namespace,
          uid: metadata.uid,
        },
        type,
        reason,
        message,
        source: { component },
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
      };
      store.put(ids.events, object);
    },
  };
}

/** The part of an object whose changes count as a new generation. */
function counted(type: ResourceType, object: KubeObject): Dict {
  const { metadata: _, ...rest } = object;
  if (type.hasStatus || !type.custom) delete rest.status;
  return rest;
}

export const isFinished = (pod: KubeObject) =>
  pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

export const referenceTo = ({ apiVersion, kind, metadata }: KubeObject): Dict => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
  controller: true,
  blockOwnerDeletion: true,
});

/** Sets one condition, keeping the time of the last transition while its status stays. */
export function withCondition(conditions: Dict[] | undefined, condition: Dict, now: string): Dict[] {
  const list = conditions ?? [];
  const before = list.find(({ type }) => type === condition.type);
  const since = before?.status === condition.status ? before?.lastTransitionTime : now;
  const next = { ...condition, lastTransitionTime: since ?? now };
  return before === undefined ? [...list, next] : list.map((other) => (other === before ? next : other));
}

export const without = (conditions: Dict[] | undefined, type: string): Dict[] =>
  (conditions ?? []).filter((condition) => condition.type !== type);

function hash(text: string): string {
  let value = 2166136261;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 16777619) >>> 0;
  }
  return value.toString(16).padStart(8, '0');
}
