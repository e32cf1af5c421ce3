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

const everybody = 'instancetype.kubevirt.io:view';
const subresources = ['start', 'stop', 'restart'].map((action) => `virtualmachines/${action}`);

/** ClusterRoles that come with Kubernetes and with KubeVirt, as far as they matter here. */
export const builtinRoles: readonly KubeObject[] = [
  role(everybody, [
    {
      apiGroups: ['instancetype.kubevirt.io'],
      resources: ['virtualmachineclusterinstancetypes', 'virtualmachineclusterpreferences'],
      verbs: read,
    },
  ]),
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: everybody },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: everybody },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:authenticated' }],
  },
  role('cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]),
  role('kubevirt.io:view', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: read },
    { apiGroups: ['instancetype.kubevirt.io'], resources: ['*'], verbs: read },
    { apiGroups: ['subresources.kubevirt.io'], resources: ['virtualmachines/expand-spec'], verbs: ['get'] },
  ]),
  role('kubevirt.io:edit', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: [...read, ...write] },
    { apiGroups: ['instancetype.kubevirt.io'], resources: ['*'], verbs: read },
    { apiGroups: ['subresources.kubevirt.io'], resources: ['virtualmachines/expand-spec'], verbs: ['get'] },
    { apiGroups: ['subresources.kubevirt.io'], resources: subresources, verbs: ['update'] },
  ]),
  role('kubevirt.io:admin', [
    { apiGroups: ['kubevirt.io'], resources: machines, verbs: [...read, ...write] },
    { apiGroups: ['kubevirt.io'], resources: ['kubevirts'], verbs: ['*'] },
    { apiGroups: ['subresources.kubevirt.io'], resources: subresources, verbs: ['update'] },
  ]),
];
