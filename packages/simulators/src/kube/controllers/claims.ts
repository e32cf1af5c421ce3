import { type Cluster, ids, referenceTo } from '../cluster.ts';
import { CelFailure, deviceSelector } from '../device-selector.ts';
import { clone, dicts } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';

/** What a pod's resource claims mean for its place. */
export type ClaimAnswer =
  | { readonly kind: 'none' }
  | { readonly kind: 'wait'; readonly message: string }
  /** `fits` throws CelFailure for a selector that fails. */
  | { readonly kind: 'allocate'; fits(node: string): boolean; commit(node: string): void };

interface Choice {
  readonly claim: KubeObject;
  readonly results: readonly Dict[];
}

/**
 * Dynamic resource allocation, simplified: a request takes the first free devices of the node's ResourceSlices that the
 * selectors of its DeviceClass and its own select.
 */
export function allocateClaims(cluster: Cluster, pod: KubeObject): ClaimAnswer {
  const wanted = dicts(pod.spec?.resourceClaims);
  if (wanted.length === 0) return { kind: 'none' };
  const claims: KubeObject[] = [];
  for (const { name, resourceClaimName, resourceClaimTemplateName } of wanted) {
    const claim = resourceClaimName
      ? cluster.get(ids.resourceClaims, pod.metadata.namespace, resourceClaimName)
      : claimFromTemplate(cluster, pod, name, resourceClaimTemplateName);
    if (claim === undefined) {
      const message = resourceClaimName
        ? `resourceclaim.resource.k8s.io "${resourceClaimName}" not found`
        : `pod "${pod.metadata.namespace}/${pod.metadata.name}": ResourceClaim not created yet`;
      return { kind: 'wait', message };
    }
    claims.push(claim);
  }
  const plan = (node: string) => choices(cluster, claims, node);
  return {
    kind: 'allocate',
    fits: (node) => plan(node) !== undefined,
    commit(node) {
      for (const { claim, results } of plan(node) ?? []) {
        cluster.change(ids.resourceClaims, claim, (draft) => {
          const consumer = { resource: 'pods', name: pod.metadata.name, uid: pod.metadata.uid };
          draft.status = {
            ...draft.status,
            allocation: draft.status?.allocation ?? { devices: { results } },
            reservedFor: [...(draft.status?.reservedFor ?? []), consumer],
          };
        });
      }
    },
  };
}

function claimFromTemplate(
  cluster: Cluster,
  pod: KubeObject,
  name: string,
  template: string,
): KubeObject | undefined {
  const { namespace } = pod.metadata;
  const found = cluster.get(ids.claimTemplates, namespace, template);
  if (found === undefined) return undefined;
  const claimName = `${pod.metadata.name}-${name}`;
  const made =
    cluster.get(ids.resourceClaims, namespace, claimName) ??
    cluster.create(ids.resourceClaims, {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { name: claimName, namespace: namespace as string, ownerReferences: [referenceTo(pod)] },
      spec: clone(found.spec?.spec ?? {}),
    });
  const statuses = dicts(pod.status?.resourceClaimStatuses);
  if (!statuses.some((one) => one.name === name)) {
    cluster.change(ids.pods, pod, (draft) => {
      const resourceClaimStatuses = [...statuses, { name, resourceClaimName: claimName }];
      draft.status = { ...draft.status, resourceClaimStatuses };
    });
  }
  return made;
}

function choices(cluster: Cluster, claims: readonly KubeObject[], node: string): Choice[] | undefined {
  const taken = new Set<string>();
  for (const { status } of cluster.list(ids.resourceClaims)) {
    for (const { driver, pool, device } of dicts(status?.allocation?.devices?.results)) {
      taken.add(`${driver}/${pool}/${device}`);
    }
  }
  const result: Choice[] = [];
  for (const claim of claims) {
    const before = dicts(claim.status?.allocation?.devices?.results);
    if (before.length > 0) {
      if (before.some(({ pool }) => pool !== node)) return undefined;
      result.push({ claim, results: before });
      continue;
    }
    const results: Dict[] = [];
    for (const request of dicts(claim.spec?.devices?.requests)) {
      const exactly = request.exactly ?? request;
      for (let left = exactly.count ?? 1; left > 0; left -= 1) {
        const free = freeDevice(cluster, node, claim, exactly, taken);
        if (free === undefined) return undefined;
        taken.add(`${free.driver}/${free.pool}/${free.device}`);
        results.push({ request: request.name, ...free });
      }
    }
    result.push({ claim, results });
  }
  return result;
}

function freeDevice(
  cluster: Cluster,
  node: string,
  claim: KubeObject,
  request: Dict,
  taken: ReadonlySet<string>,
): Dict | undefined {
  const deviceClass = cluster.get(ids.deviceClasses, undefined, request.deviceClassName);
  if (deviceClass === undefined) return undefined;
  const { name, namespace } = claim.metadata;
  const isSelected = (driver: string, device: Dict) =>
    passes(deviceClass.spec, `class ${deviceClass.metadata.name}`, driver, device) &&
    passes(request, `claim ${namespace}/${name}`, driver, device);
  for (const { spec } of cluster.list(ids.resourceSlices)) {
    if (spec?.nodeName !== node) continue;
    const { driver } = spec;
    const pool = spec.pool?.name ?? node;
    for (const device of dicts(spec.devices)) {
      if (taken.has(`${driver}/${pool}/${device.name}`)) continue;
      if (isSelected(driver, device)) return { driver, pool, device: device.name };
    }
  }
  return undefined;
}

/** Throws CelFailure in the allocator's words (k8s.io/dynamic-resource-allocation v0.36, structured). */
function passes({ selectors }: Dict = {}, owner: string, driver: string, device: Dict): boolean {
  return dicts(selectors).every(({ cel }, index) => {
    try {
      return deviceSelector(cel?.expression ?? '').matches(driver, device);
    } catch (error) {
      if (!(error instanceof CelFailure)) throw error;
      throw new CelFailure(`${owner}: selector #${index}: CEL runtime error: ${error.message}`);
    }
  });
}
