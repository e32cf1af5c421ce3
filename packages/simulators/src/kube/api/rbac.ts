import type { User } from '../scenario.ts';
import type { Store } from '../store/store.ts';
import type { Dict } from '../types.ts';
import type { Identity } from './identity.ts';

export interface Access {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

export interface Authorizer {
  allows(identity: Identity, access: Access): boolean;
  allowsPath(identity: Identity, verb: string, path: string): boolean;
}

const group = 'rbac.authorization.k8s.io';
const publicPaths = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/']);
const discoveryPath = /^\/(api|apis|openapi)(\/|$)/;

/** RBAC over the role and binding objects in the store, plus the roles that the scenario gives its users. */
export function createAuthorizer(store: Store, users: readonly User[]): Authorizer {
  const rules = (kind: string, name: string, namespace?: string): Dict[] => {
    const resource = kind === 'Role' ? `roles.${group}` : `clusterroles.${group}`;
    return store.get(resource, kind === 'Role' ? namespace : undefined, name)?.rules ?? [];
  };

  function* rulesFor(identity: Identity, namespace: string | undefined): Generator<Dict> {
    const user = users.find(({ name }) => name === identity.name);
    for (const role of user?.clusterRoles ?? []) yield* rules('ClusterRole', role);
    for (const role of (namespace && user?.roles?.[namespace]) || []) yield* rules('ClusterRole', role);
    for (const { subjects, roleRef } of store.list(`clusterrolebindings.${group}`)) {
      if (isSubject(subjects, identity)) yield* rules('ClusterRole', roleRef.name);
    }
    if (namespace === undefined) return;
    for (const { metadata, subjects, roleRef } of store.list(`rolebindings.${group}`)) {
      if (metadata.namespace !== namespace || !isSubject(subjects, identity)) continue;
      yield* rules(roleRef.kind, roleRef.name, namespace);
    }
  }

  return {
    allows(identity, access) {
      if (identity.groups.includes('system:masters')) return true;
      for (const rule of rulesFor(identity, access.namespace)) if (matches(rule, access)) return true;
      return false;
    },
    allowsPath(identity, verb, path) {
      if (publicPaths.has(path) || identity.groups.includes('system:masters')) return true;
      if (discoveryPath.test(path)) return identity.groups.includes('system:authenticated');
      for (const { nonResourceURLs, verbs } of rulesFor(identity, undefined)) {
        if (nonResourceURLs && has(verbs, verb) && has(nonResourceURLs, path)) return true;
      }
      return false;
    },
  };
}

function isSubject(subjects: Dict[] | undefined, { name, groups }: Identity): boolean {
  return (subjects ?? []).some((subject) => {
    if (subject.kind === 'Group') return groups.includes(subject.name);
    const account = `system:serviceaccount:${subject.namespace}:${subject.name}`;
    return name === (subject.kind === 'ServiceAccount' ? account : subject.name);
  });
}

const has = (list: readonly string[] | undefined, item: string) =>
  list !== undefined && (list.includes('*') || list.includes(item));

function matches(rule: Dict, { verb, group: apiGroup, resource, subresource, name }: Access): boolean {
  if (!has(rule.verbs, verb) || !has(rule.apiGroups, apiGroup)) return false;
  const full = subresource ? `${resource}/${subresource}` : resource;
  const wide = subresource ? `*/${subresource}` : full;
  if (!has(rule.resources, full) && !rule.resources?.includes(wide)) return false;
  return !rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name));
}
