import type { ResourceType } from '../store/resource-types.ts';
import type { Identity } from './identity.ts';
import { badRequest, type Target } from './status.ts';

export const subresourceGroup = 'subresources.kubevirt.io';

/** A path of the resource API, taken apart. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** One request to a resource, after authentication. */
export interface ApiRequest {
  readonly type: ResourceType;
  readonly path: ResourcePath;
  readonly query: URLSearchParams;
  readonly user: Identity;
  readonly userAgent: string;
  /** Texts for `Warning` headers. */
  readonly warnings: string[];
}

/** `/api/v1/namespaces/vms/pods/p1/status`; undefined when the path is none of a resource. */
export function parsePath(pathname: string): ResourcePath | undefined {
  const parts = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const [version, ...rest] = parts.slice(core ? 1 : 2);
  if (version === undefined || rest.length === 0) return undefined;
  const base = { group: core ? '' : (parts[1] as string), version };
  const own = rest[0] === 'namespaces' && (rest.length === 1 || !isPlural(rest[2]));
  if (rest[0] !== 'namespaces' || own) {
    const [plural = '', name, ...sub] = rest;
    return { ...base, plural, namespace: undefined, name, subresource: sub.join('/') || undefined };
  }
  const [, namespace, plural = '', name, ...sub] = rest;
  return { ...base, plural, namespace, name, subresource: sub.join('/') || undefined };
}

/** Parts after a namespace's name that are its own subresources, not types within it. */
const isPlural = (part: string | undefined) => part !== undefined && part !== 'status' && part !== 'finalize';

export function verbOf(method: string, path: ResourcePath, query: URLSearchParams): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return path.name === undefined ? 'deletecollection' : 'delete';
    default:
      if (path.name !== undefined) return 'get';
      return isTrue(query.get('watch')) ? 'watch' : 'list';
  }
}

export const isTrue = (value: string | null) => value === 'true' || value === '1';

/** What a request is about, for error texts. */
export const targetOf = ({ type, path }: ApiRequest, name = path.name): Target => ({
  group: type.group,
  plural: type.plural,
  kind: type.kind,
  name,
});

/** `dryRun=All`; any other value is refused. */
export function isDryRun({ query }: ApiRequest): boolean {
  const dryRun = query.get('dryRun');
  if (dryRun !== null && dryRun !== 'All') {
    throw badRequest(`Invalid value: ["${dryRun}"]: supported values: "All"`);
  }
  return dryRun === 'All';
}
