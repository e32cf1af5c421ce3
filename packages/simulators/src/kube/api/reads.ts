import type { Cluster } from '../cluster.ts';
import { fieldMatcher, labelMatcher, type Matcher } from '../store/selectors.ts';
import { keyOfObject } from '../store/store.ts';
import type { Dict, KubeObject } from '../types.ts';
import { apiVersionOf } from './convert.ts';
import type { ApiRequest } from './request.ts';
import * as status from './status.ts';

export interface Listing {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Dict;
  readonly items: readonly KubeObject[];
}

export interface ReadRules {
  readonly oldEtcd: boolean;
  /** Waits in real time for a version of the future, as the server does before it gives up. */
  wait(): Promise<void>;
}

interface Continuation {
  readonly rv: number;
  /** The first key of the next page. */
  readonly start: string;
}

/** What a request selects: namespace, labels and fields. */
export function selection({ type, path, query }: ApiRequest): { matches: Matcher; all: boolean } {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  const tests: Matcher[] = [];
  if (path.namespace !== undefined) tests.push(({ metadata }) => metadata.namespace === path.namespace);
  if (labels) tests.push(labelMatcher(labels));
  if (fields) tests.push(fieldMatcher(type.id, fields));
  return { matches: (object) => tests.every((test) => test(object)), all: !labels && !fields };
}

export async function get(cluster: Cluster, request: ApiRequest, rules: ReadRules): Promise<KubeObject> {
  const { type, path, query } = request;
  await fresh(cluster, type.id, query, rules);
  const object = cluster.get(type.id, path.namespace, path.name as string);
  if (object === undefined) {
    throw status.notFound({ group: type.group, plural: type.plural, name: path.name });
  }
  return object;
}

/** A list, whole or in pages, at the version that `resourceVersion` and `continue` ask for. */
export async function list(cluster: Cluster, request: ApiRequest, rules: ReadRules): Promise<Listing> {
  const { type, path, query } = request;
  const { store } = cluster;
  const limit = Number(query.get('limit') ?? 0);
  const token = query.get('continue');
  const match = query.get('resourceVersionMatch');
  const asked = query.get('resourceVersion') ?? '';
  if (token !== null && token !== '' && asked !== '' && asked !== '0') {
    throw status.badRequest('specifying resource version is not allowed when using continue');
  }
  if (match !== null && asked === '') {
    throw invalidOption(
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
  }
  const start = token ? decode(token) : undefined;
  let version = store.version();
  let objects: readonly KubeObject[];
  if (start !== undefined && start.rv >= 0) {
    version = start.rv;
    const then = store.latest(type.id) <= version ? store.list(type.id) : store.listAt(type.id, version);
    if (then === undefined) throw status.expiredContinue(encode({ rv: -1, start: start.start }));
    objects = then;
  } else if (match === 'Exact') {
    version = Number(asked);
    const then = store.listAt(type.id, version);
    if (then === undefined) throw status.tooOldList();
    objects = then;
  } else {
    await fresh(cluster, type.id, query, rules);
    version = store.version();
    objects = store.list(type.id);
  }
  const { matches, all } = selection(request);
  const chosen = objects.filter(
    (object) => (!start || keyOfObject(object) >= start.start) && matches(object),
  );
  const items = limit > 0 ? chosen.slice(0, limit) : chosen;
  const next = chosen[items.length];
  const metadata: Dict = { resourceVersion: String(version) };
  if (next !== undefined) {
    metadata.continue = encode({ rv: version, start: keyOfObject(next) });
    if (all) metadata.remainingItemCount = chosen.length - items.length;
  }
  return { apiVersion: apiVersionOf(type, path.version), kind: `${type.kind}List`, metadata, items };
}

/** Refuses a version of the future, after the wait that a real server makes. */
async function fresh(
  cluster: Cluster,
  resource: string,
  query: URLSearchParams,
  { oldEtcd, wait }: ReadRules,
): Promise<void> {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0') return;
  const asked = Number(text);
  if (!Number.isInteger(asked) || asked < 0) {
    throw invalidOption(
      'resourceVersion',
      `Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    );
  }
  const current = () => cacheVersion(cluster, resource, oldEtcd);
  if (asked <= current()) return;
  await wait();
  if (asked > current()) throw status.tooLarge(asked, current());
}

/** The version the watch cache knows of: with an old etcd that of the last change of this very resource. */
export const cacheVersion = ({ store }: Cluster, resource: string, oldEtcd: boolean): number =>
  oldEtcd ? store.latest(resource) : store.version();

const invalidOption = (field: string, message: string) =>
  status.invalid({ group: 'meta.k8s.io', plural: 'listoptions', kind: 'ListOptions' }, [
    { reason: 'FieldValueInvalid', field, message },
  ]);

const encode = (continuation: Continuation) =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', ...continuation })).toString('base64url');

function decode(token: string): Continuation {
  try {
    const { rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (Number.isInteger(rv) && typeof start === 'string') return { rv, start };
  } catch {
    // refused below, with everything else that is no token
  }
  throw status.badRequest('continue key is not valid: invalid character in token');
}
