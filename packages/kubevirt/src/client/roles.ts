import type { Manifest } from '../translate/manifest.ts';

type Rule = readonly [group: string, resources: string, verbs: string];

function clusterRole(name: string, rules: readonly Rule[]): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name },
    rules: rules.map(([group, resources, verbs]) => ({
      apiGroups: [group],
      resources: resources.split(' '),
      verbs: verbs.split(' '),
    })),
  };
}

/** Least rights for plans of scope `platform`; bind it cluster-wide to an administrator. */
export const platformClusterRole: Manifest = clusterRole('vmgpu-platform', [
  ['', 'nodes', 'get list watch patch'],
  ['', 'pods', 'list'],
  // The vGPU table in the operator's namespace.
  ['', 'configmaps', 'get create patch delete'],
  ['apps', 'deployments', 'get'],
  ['storage.k8s.io', 'storageclasses', 'list'],
  ['resource.k8s.io', 'deviceclasses', 'list'],
  ['kubevirt.io', 'kubevirts', 'get list watch update'],
  ['hco.kubevirt.io', 'hyperconvergeds', 'get list update'],
  ['nvidia.com', 'clusterpolicies', 'get list patch'],
  ['kubevirt.io', 'virtualmachines virtualmachineinstances', 'get'],
  ['subresources.kubevirt.io', 'virtualmachines/expand-spec', 'get'],
]);

/**
 * Least rights for plans of scope `vm`. A RoleBinding in the tenant's namespace is enough; the allow-list is then not
 * readable, and the snapshot says so. A ClusterRoleBinding makes it readable, and opens every namespace.
 */
export const tenantClusterRole: Manifest = clusterRole('vmgpu-tenant', [
  ['kubevirt.io', 'virtualmachines', 'get list watch create patch delete'],
  ['kubevirt.io', 'virtualmachineinstances', 'get list watch create delete'],
  [
    'subresources.kubevirt.io',
    'virtualmachines/start virtualmachines/stop virtualmachines/restart',
    'update',
  ],
  ['subresources.kubevirt.io', 'virtualmachines/expand-spec', 'get'],
  ['kubevirt.io', 'kubevirts', 'list'],
  ['', 'secrets', 'get create patch delete'],
  ['cdi.kubevirt.io', 'datavolumes', 'get create delete'],
  ['resource.k8s.io', 'resourceclaimtemplates', 'get create delete'],
]);
