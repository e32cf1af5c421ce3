import { clone, equal, isDict, unsafeKey } from '../json.ts';
import type { Dict } from '../types.ts';
import { ApiFailure, badRequest } from './status.ts';

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isDict(patch)) return clone(patch);
  const merged: Dict = isDict(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (unsafeKey(key)) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/** Lists of core types that strategic merge patches join by a key (k8s.io/api, patchMergeKey tags); others are replaced. */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: 'type',
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  ports: 'containerPort',
  taints: 'key',
  tolerations: '',
  ownerReferences: 'uid',
  imagePullSecrets: 'name',
};

/** Strategic merge: as far as core types here need it. Directives known: `$patch: delete | replace`. */
export function strategicPatch(target: unknown, patch: unknown, name = ''): unknown {
  if (Array.isArray(patch)) return mergeLists(Array.isArray(target) ? target : [], patch, mergeKeys[name]);
  if (!isDict(patch)) return patch;
  const { $patch: directive, ...fields } = patch;
  const merged: Dict = isDict(target) && directive !== 'replace' ? { ...target } : {};
  for (const [key, value] of Object.entries(fields)) {
    if (unsafeKey(key)) continue;
    if (value === null) delete merged[key];
    else if (key === 'finalizers' && Array.isArray(value)) {
      merged[key] = [...new Set([...(merged[key] ?? []), ...value])];
    } else if (!key.startsWith('$')) merged[key] = strategicPatch(merged[key], value, key);
  }
  return merged;
}

function mergeLists(
  target: readonly unknown[],
  patch: readonly unknown[],
  key: string | undefined,
): unknown[] {
  if (!key || !patch.every(isDict)) return clone(patch) as unknown[];
  if (patch.some((item) => item.$patch === 'replace')) {
    return patch.filter((item) => item.$patch !== 'replace');
  }
  const merged = [...target] as Dict[];
  for (const item of patch) {
    const index = merged.findIndex((other) => other[key] === item[key]);
    if (item.$patch === 'delete') {
      if (index >= 0) merged.splice(index, 1);
    } else if (index < 0) merged.push(clone(item));
    else merged[index] = strategicPatch(merged[index], item) as Dict;
  }
  return merged;
}

/** RFC 6902. A failed `test` or a path that is not there is 422, as the API server answers. */
export function jsonPatch(target: unknown, operations: unknown): unknown {
  if (!Array.isArray(operations)) {
    throw badRequest(
      'error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch',
    );
  }
  let result = clone(target);
  for (const operation of operations) result = step(result, operation);
  return result;
}

function step(document: unknown, { op, path, from, value }: Dict): unknown {
  switch (op) {
    case 'test':
      if (!equal(read(document, path) ?? null, value ?? null)) throw refused();
      return document;
    case 'add':
      return write(document, path, clone(value), 'add');
    case 'replace':
      if (read(document, path) === undefined) throw refused();
      return write(document, path, clone(value), 'replace');
    case 'remove':
      return write(document, path, undefined, 'remove');
    case 'move': {
      const moved = read(document, from);
      return write(write(document, from, undefined, 'remove'), path, moved, 'add');
    }
    case 'copy':
      return write(document, path, clone(read(document, from)), 'add');
    default:
      throw badRequest(`Unexpected kind: ${op}`);
  }
}

const refused = () =>
  new ApiFailure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

function tokens(pointer: string): string[] {
  if (typeof pointer !== 'string' || (pointer !== '' && !pointer.startsWith('/'))) throw refused();
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(document: unknown, pointer: string): unknown {
  let found = document;
  for (const token of tokens(pointer)) {
    if (Array.isArray(found)) found = found[Number(token)];
    else found = isDict(found) && Object.hasOwn(found, token) ? found[token] : undefined;
  }
  return found;
}

function write(
  document: unknown,
  pointer: string,
  value: unknown,
  op: 'add' | 'replace' | 'remove',
): unknown {
  const path = tokens(pointer);
  const last = path.pop();
  if (last === undefined) return value;
  const parent = read(
    document,
    path.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
  );
  if (Array.isArray(parent)) {
    const index = last === '-' && op === 'add' ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length - (op === 'add' ? 0 : 1))
      throw refused();
    if (op === 'add') parent.splice(index, 0, value);
    else if (op === 'remove') parent.splice(index, 1);
    else parent[index] = value;
  } else if (isDict(parent) && !unsafeKey(last)) {
    if (op !== 'remove') parent[last] = value;
    else if (!(last in parent)) throw refused();
    else delete parent[last];
  } else throw refused();
  return document;
}
