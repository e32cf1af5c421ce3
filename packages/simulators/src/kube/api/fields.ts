import { isDict } from '../json.ts';
import type { ResourceType } from '../store/resource-types.ts';
import type { Dict, StructuralSchema } from '../types.ts';
import { schemaOf } from './schema.ts';

/**
 * Paths of fields as managedFields write them (`f:spec`, `k:{"name":"a"}`, `v:"x"`, `.`), joined by a separator, each with
 * its value. Lists are one field unless they are of type `map` or `set`.
 */
export type Fields = Map<string, unknown>;

const separator = '\u001f';
const serverOwned = new Set([
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
  'selfLink',
]);

/** Lists of core types that are merged by key (k8s.io/api, listMapKey tags). */
const coreLists: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  conditions: ['type'],
  ownerReferences: ['uid'],
  imagePullSecrets: ['name'],
};

type ListShape =
  | { readonly kind: 'atomic' | 'set' }
  | { readonly kind: 'map'; readonly keys: readonly string[] };

function listShape(schema: StructuralSchema | undefined, key: string): ListShape {
  const type = schema?.['x-kubernetes-list-type'];
  if (type === 'map') return { kind: 'map', keys: schema?.['x-kubernetes-list-map-keys'] as string[] };
  if (type === 'set' || key === 'finalizers') return { kind: 'set' };
  const keys =
    type === undefined && (schema === undefined || key === 'ownerReferences') ? coreLists[key] : undefined;
  return keys ? { kind: 'map', keys } : { kind: 'atomic' };
}

/** All fields of an object that somebody can own. */
export function fieldsOf(type: ResourceType, object: Dict, status: boolean): Fields {
  const fields: Fields = new Map();
  for (const [key, value] of Object.entries(object)) {
    if (key === 'apiVersion' || key === 'kind') continue;
    if (type.hasStatus && key !== 'metadata' && (key === 'status') !== status) continue;
    if (key !== 'metadata') {
      collect(fields, [`f:${key}`], key, value, type.schema && schemaOf(type.schema, key));
      continue;
    }
    for (const [name, item] of Object.entries(value as Dict)) {
      if (!serverOwned.has(name)) collect(fields, ['f:metadata', `f:${name}`], name, item, undefined);
    }
  }
  return fields;
}

function collect(
  fields: Fields,
  path: readonly string[],
  key: string,
  value: unknown,
  schema: StructuralSchema | undefined,
): void {
  if (value === undefined) return;
  const leaf = () => fields.set(path.join(separator), value);
  if (Array.isArray(value)) {
    const shape = listShape(schema, key);
    if (shape.kind === 'atomic') leaf();
    for (const item of shape.kind === 'atomic' ? [] : value) {
      if (shape.kind === 'set') {
        fields.set([...path, `v:${JSON.stringify(item)}`].join(separator), item);
      } else if (shape.kind === 'map' && isDict(item)) {
        const own = [...path, itemSegment(item, shape.keys)];
        fields.set([...own, '.'].join(separator), true);
        for (const [name, child] of Object.entries(item)) {
          collect(fields, [...own, `f:${name}`], name, child, schema?.items && schemaOf(schema.items, name));
        }
      }
    }
    return;
  }
  if (!isDict(value) || schema?.['x-kubernetes-map-type'] === 'atomic' || Object.keys(value).length === 0) {
    leaf();
    return;
  }
  for (const [name, child] of Object.entries(value)) {
    collect(fields, [...path, `f:${name}`], name, child, schema && schemaOf(schema, name));
  }
}

const itemSegment = (item: Dict, keys: readonly string[]) =>
  `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key]])))}`;

/** `.spec.configuration.permittedHostDevices`, as conflicts name a field. */
export function fieldText(path: string): string {
  return path
    .split(separator)
    .filter((segment) => segment !== '.')
    .map((segment) => {
      const rest = segment.slice(2);
      if (segment.startsWith('f:')) return `.${rest}`;
      if (segment.startsWith('v:')) return `[=${rest}]`;
      const pairs = Object.entries(JSON.parse(rest)).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
      return `[${pairs.join(',')}]`;
    })
    .join('');
}

/** `fieldsV1` of a set of paths, and back. */
export function toFieldsV1(paths: Iterable<string>): Dict {
  const top: Dict = {};
  for (const path of paths) {
    let at = top;
    for (const segment of path.split(separator)) {
      at[segment] ??= {};
      at = at[segment];
    }
  }
  return top;
}

export function fromFieldsV1(tree: Dict, prefix: readonly string[] = []): string[] {
  return Object.entries(tree).flatMap(([segment, child]) => {
    const path = [...prefix, segment];
    return Object.keys(child).length === 0 ? [path.join(separator)] : fromFieldsV1(child, path);
  });
}

/** Lays `config` over `live`: maps and keyed lists join, everything else is replaced. */
export function overlay(
  live: unknown,
  config: unknown,
  key: string,
  schema: StructuralSchema | undefined,
): unknown {
  if (Array.isArray(config)) {
    const shape = listShape(schema, key);
    const old = Array.isArray(live) ? live : [];
    if (shape.kind === 'set') return [...old, ...config.filter((item) => !old.includes(item))];
    if (shape.kind !== 'map') return config;
    const { keys } = shape;
    const merged = [...old] as Dict[];
    for (const item of config as Dict[]) {
      const segment = itemSegment(item, keys);
      const index = merged.findIndex((other) => itemSegment(other, keys) === segment);
      if (index < 0) merged.push(item);
      else merged[index] = overlay(merged[index], item, '', schema?.items) as Dict;
    }
    return merged;
  }
  if (!isDict(config) || !isDict(live) || schema?.['x-kubernetes-map-type'] === 'atomic') return config;
  const merged: Dict = { ...live };
  for (const [name, item] of Object.entries(config)) {
    merged[name] = overlay(merged[name], item, name, schema && schemaOf(schema, name));
  }
  return merged;
}

/** Takes the field at a path away, in place, and the maps that it leaves empty. */
export function removeField(object: Dict, path: string): void {
  const segments = path.split(separator);
  removeAt(object, segments);
}

function removeAt(value: unknown, segments: readonly string[]): void {
  const [segment = '', ...rest] = segments;
  const kind = segment.slice(0, 2);
  const name = segment.slice(2);
  if (kind === 'f:' && isDict(value)) {
    if (rest.length === 0) delete value[name];
    else {
      removeAt(value[name], rest);
      const left = value[name];
      if (isDict(left) && Object.keys(left).length === 0) delete value[name];
    }
  } else if (Array.isArray(value)) {
    const wanted = JSON.parse(name);
    const index = value.findIndex((item) =>
      kind === 'v:'
        ? item === wanted
        : isDict(item) && Object.entries(wanted).every(([key, own]) => item[key] === own),
    );
    if (index < 0) return;
    if (rest.length === 0 || rest[0] === '.') value.splice(index, 1);
    else removeAt(value[index], rest);
  }
}
