import type { Admission } from '../admission/index.ts';
import { type Cluster, ids } from '../cluster.ts';
import { fieldMatcher, labelMatcher } from '../store/selectors.ts';
import type { Dict, KubeObject } from '../types.ts';
import { type ApiRequest, isDryRun, targetOf } from './request.ts';
import * as status from './status.ts';

export type Removals = ReturnType<typeof createRemovals>;

/** Deletion of one object or of all that a request selects: preconditions, finalizers, grace, orphans. */
export function createRemovals(cluster: Cluster, admission: Admission) {
  const { store } = cluster;

  function remove(request: ApiRequest, options: Dict): KubeObject | Dict {
    const { type, path } = request;
    const target = targetOf(request);
    const live = store.get(type.id, path.namespace, path.name as string);
    if (live === undefined) throw status.notFound(target);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid && uid !== live.metadata.uid) {
      throw status.conflict(
        target,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`,
      );
    }
    if (resourceVersion && resourceVersion !== live.metadata.resourceVersion) throw status.conflict(target);
    admission.admit({ operation: 'DELETE', request, object: live, old: live });
    const { dryRun, grace, policy } = removalOf(request, options);
    if (dryRun) return live;
    if (policy === 'Orphan') orphan(live);
    const left = cluster.remove(request.type.id, live, grace === undefined ? undefined : Number(grace));
    if (request.type.id === ids.pods || left?.metadata.deletionTimestamp) return left ?? live;
    const details = { name: live.metadata.name, group: request.type.group, kind: request.type.plural };
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { ...details, uid: live.metadata.uid },
    };
  }

  function orphan(owner: KubeObject): void {
    for (const { id } of cluster.types.all()) {
      for (const object of store.list(id)) {
        const owners = object.metadata.ownerReferences ?? [];
        if (!owners.some(({ uid }) => uid === owner.metadata.uid)) continue;
        cluster.change(id, object, ({ metadata }) => {
          metadata.ownerReferences = owners.filter(({ uid }) => uid !== owner.metadata.uid);
        });
      }
    }
  }

  function removeAll(request: ApiRequest, options: Dict): readonly KubeObject[] {
    const { type, path, query } = request;
    const byLabel = labelMatcher(query.get('labelSelector') ?? '');
    const byField = fieldMatcher(type.id, query.get('fieldSelector') ?? '');
    const chosen = store
      .list(type.id)
      .filter((object) => path.namespace === undefined || object.metadata.namespace === path.namespace)
      .filter((object) => byLabel(object) && byField(object));
    for (const { metadata } of chosen) {
      remove({ ...request, path: { ...path, name: metadata.name, namespace: metadata.namespace } }, options);
    }
    return chosen;
  }

  return { remove, removeAll };
}

/** A body counts whole, and then the query does not. */
function removalOf(request: ApiRequest, options: Dict) {
  const { query } = request;
  if (Object.keys(options).length > 0) {
    const { dryRun, gracePeriodSeconds: grace, propagationPolicy: policy } = options;
    return { dryRun: Boolean(dryRun?.includes('All')), grace, policy };
  }
  const grace = query.get('gracePeriodSeconds') ?? undefined;
  return { dryRun: isDryRun(request), grace, policy: query.get('propagationPolicy') };
}
