import type { Dict, KubeObject, StructuralSchema } from '../types.ts';
import type { Store } from './store.ts';

export interface ResourceType {
  /** `nodes`, `virtualmachines.kubevirt.io`: the key of the store. */
  readonly id: string;
  readonly group: string;
  /** Served versions, the preferred one first. */
  readonly versions: readonly string[];
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly hasStatus: boolean;
  /** Made by a CustomResourceDefinition: strict rules for updates, schemas, no strategic patch. */
  readonly custom: boolean;
  readonly schema?: StructuralSchema;
}

type Row = readonly [
  group: string,
  version: string,
  kind: string,
  plural: string,
  flags: string,
  short?: string,
];

/** Built-in types. Flags: n namespaced, s status subresource. */
const rows: readonly Row[] = [
  ['', 'v1', 'Namespace', 'namespaces', 's', 'ns'],
  ['', 'v1', 'Node', 'nodes', 's', 'no'],
  ['', 'v1', 'Pod', 'pods', 'ns', 'po'],
  ['', 'v1', 'ConfigMap', 'configmaps', 'n', 'cm'],
  ['', 'v1', 'Secret', 'secrets', 'n'],
  ['', 'v1', 'Event', 'events', 'n', 'ev'],
  ['', 'v1', 'Service', 'services', 'ns', 'svc'],
  ['', 'v1', 'ServiceAccount', 'serviceaccounts', 'n', 'sa'],
  ['', 'v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', 'ns', 'pvc'],
  ['apps', 'v1', 'DaemonSet', 'daemonsets', 'ns', 'ds'],
  ['apps', 'v1', 'Deployment', 'deployments', 'ns', 'deploy'],
  ['apps', 'v1', 'ControllerRevision', 'controllerrevisions', 'n'],
  ['coordination.k8s.io', 'v1', 'Lease', 'leases', 'n'],
  ['storage.k8s.io', 'v1', 'StorageClass', 'storageclasses', '', 'sc'],
  ['resource.k8s.io', 'v1', 'DeviceClass', 'deviceclasses', ''],
  ['resource.k8s.io', 'v1', 'ResourceSlice', 'resourceslices', ''],
  ['resource.k8s.io', 'v1', 'ResourceClaim', 'resourceclaims', 'ns'],
  ['resource.k8s.io', 'v1', 'ResourceClaimTemplate', 'resourceclaimtemplates', 'n'],
  ['rbac.authorization.k8s.io', 'v1', 'ClusterRole', 'clusterroles', ''],
  ['rbac.authorization.k8s.io', 'v1', 'ClusterRoleBinding', 'clusterrolebindings', ''],
  ['rbac.authorization.k8s.io', 'v1', 'Role', 'roles', 'n'],
  ['rbac.authorization.k8s.io', 'v1', 'RoleBinding', 'rolebindings', 'n'],
  ['apiextensions.k8s.io', 'v1', 'CustomResourceDefinition', 'customresourcedefinitions', 's', 'crd'],
];

export const crdType = 'customresourcedefinitions.apiextensions.k8s.io';

const idOf = (group: string, plural: string) => (group ? `${plural}.${group}` : plural);

const builtin: readonly ResourceType[] = rows.map(([group, version, kind, plural, flags, short]) => ({
  id: idOf(group, plural),
  group,
  versions: [version],
  kind,
  plural,
  singular: kind.toLowerCase(),
  shortNames: short ? [short] : [],
  namespaced: flags.includes('n'),
  hasStatus: flags.includes('s'),
  custom: false,
}));

export interface ResourceTypes {
  all(): readonly ResourceType[];
  byId(id: string): ResourceType | undefined;
  find(group: string, version: string, plural: string): ResourceType | undefined;
}

/** The types that are served: the built-in ones, and one for each CustomResourceDefinition in the store. */
export function createResourceTypes(
  store: Store,
  schemas: Readonly<Record<string, StructuralSchema>>,
): ResourceTypes {
  let types = new Map<string, ResourceType>();
  let stale = true;
  store.onChange(({ resource }) => {
    stale ||= resource === crdType;
  });
  const current = () => {
    if (!stale) return types;
    stale = false;
    const custom = store.list(crdType).map((crd) => fromDefinition(crd, schemas));
    types = new Map([...builtin, ...custom].map((type) => [type.id, type]));
    return types;
  };
  return {
    all: () => [...current().values()],
    byId: (id) => current().get(id),
    find(group, version, plural) {
      const type = current().get(idOf(group, plural));
      return type?.versions.includes(version) ? type : undefined;
    },
  };
}

function fromDefinition(
  { spec }: KubeObject,
  schemas: Readonly<Record<string, StructuralSchema>>,
): ResourceType {
  const { group, names, versions, scope } = spec;
  const served: Dict[] = versions.filter((version: Dict) => version.served !== false);
  served.sort((a, b) => Number(Boolean(b.storage)) - Number(Boolean(a.storage)));
  const schema = schemas[names.kind] ?? served[0]?.schema?.openAPIV3Schema;
  return {
    id: idOf(group, names.plural),
    group,
    versions: served.map(({ name }) => name),
    kind: names.kind,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    namespaced: scope === 'Namespaced',
    hasStatus: served.some(({ subresources }) => subresources?.status !== undefined),
    custom: true,
    ...(schema && !schema['x-kubernetes-preserve-unknown-fields'] && { schema }),
  };
}
