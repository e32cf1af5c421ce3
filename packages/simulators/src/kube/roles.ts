import type { Dict, KubeObject } from './types.ts';

const read = ['get', 'list', 'watch'];
const write = ['create', 'update', 'patch', 'delete', 'deletecollection'];
const machines = ['virtualmachines', 'virtualmachineinstances'];

const role = (name: string, rules: Dict[]): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name },
  rules,
});

const subresources = ['start', 'stop', 'restart'].map((action) => `virtualmachines/${action}`);

/** ClusterRoles that come with Kubernetes and with KubeVirt, as far as they matter here. */
export const builtinRoles: readonly KubeObject[] = [
  role('cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]),
  role('kubevirt.io:view', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: read },
    { apiGroups: ['instancetype.kubevirt.io'], resources: ['*'], verbs: read },
  ]),
  role('kubevirt.io:edit', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: [...read, ...write] },
    { apiGroups: ['instancetype.kubevirt.io'], resources: ['*'], verbs: read },
    { apiGroups: ['subresources.kubevirt.io'], resources: subresources, verbs: ['update'] },
  ]),
  role('kubevirt.io:admin', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: [...read, ...write] },
    { apiGroups: ['kubevirt.io'], resources: ['kubevirts'], verbs: ['*'] },
    { apiGroups: ['subresources.kubevirt.io'], resources: subresources, verbs: ['update'] },
  ]),
];
