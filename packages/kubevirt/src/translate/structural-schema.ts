import { isObject, type Json } from './manifest.ts';

/** The parts of a CRD's `openAPIV3Schema` that decide about unknown keys, types and required fields. */
export interface StructuralSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly items?: StructuralSchema;
  readonly additionalProperties?: boolean | StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly nullable?: boolean;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly [key: string]: unknown;
}

export interface SchemaProblem {
  /** `spec.template.spec.domain.gpus` */
  readonly field: string;
  readonly reason: 'unknown' | 'required' | 'type' | 'value';
  readonly message: string;
}

/**
 * What the API server says to an object with `fieldValidation=Strict`: unknown fields, then types, required fields and
 * values (k8s.io/apiextensions-apiserver, structural schemas). `apiVersion`, `kind` and `metadata` are its own.
 */
export function schemaProblems(schema: StructuralSchema, object: unknown): readonly SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  walk(withTop(schema), object, '', (problem) => problems.push(problem));
  return problems;
}

/** What the API server stores without strict validation: unknown fields are gone, and nobody was told but by a header. */
export function prune(
  schema: StructuralSchema,
  object: unknown,
): { readonly object: unknown; readonly dropped: readonly string[] } {
  const dropped: string[] = [];
  walk(withTop(schema), object, '', ({ reason, field }) => {
    if (reason === 'unknown') dropped.push(field);
  });
  return { object: pruned(withTop(schema), object), dropped };
}

function withTop(schema: StructuralSchema): StructuralSchema {
  const open = { 'x-kubernetes-preserve-unknown-fields': true };
  return { ...schema, properties: { ...schema.properties, apiVersion: {}, kind: {}, metadata: open } };
}

function walk(
  schema: StructuralSchema,
  value: unknown,
  path: string,
  tell: (problem: SchemaProblem) => void,
): void {
  if (value === null && schema.nullable) return;
  const type = typeProblem(schema, value);
  if (type !== undefined) {
    tell({ field: path, reason: 'type', message: `must be of type ${type}` });
    return;
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      tell({ field: path, reason: 'value', message: `must have at most ${schema.maxItems} items` });
    }
    for (const [index, item] of value.entries()) walk(schema.items ?? {}, item, `${path}[${index}]`, tell);
    return;
  }
  if (!isObject(value)) {
    if (schema.enum !== undefined && !schema.enum.includes(value)) {
      tell({ field: path, reason: 'value', message: `must be one of ${schema.enum.join(', ')}` });
    }
    if (
      schema.pattern !== undefined &&
      typeof value === 'string' &&
      !new RegExp(schema.pattern).test(value)
    ) {
      tell({ field: path, reason: 'value', message: `must match ${schema.pattern}` });
    }
    return;
  }
  for (const key of schema.required ?? []) {
    if (value[key] === undefined)
      tell({ field: join(path, key), reason: 'required', message: 'Required value' });
  }
  for (const [key, item] of Object.entries(value)) {
    const known = schemaOf(schema, key);
    if (known === undefined)
      tell({ field: join(path, key), reason: 'unknown', message: `unknown field "${join(path, key)}"` });
    else walk(known, item, join(path, key), tell);
  }
}

/** The schema of a key; undefined when there is no such field. */
function schemaOf(schema: StructuralSchema, key: string): StructuralSchema | undefined {
  const own = schema.properties && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
  if (own !== undefined) return own;
  const { additionalProperties: more } = schema;
  if (typeof more === 'object') return more;
  const open = schema['x-kubernetes-preserve-unknown-fields'] || more === true || schema.type === undefined;
  return open ? { 'x-kubernetes-preserve-unknown-fields': true } : undefined;
}

function typeProblem(schema: StructuralSchema, value: unknown): string | undefined {
  const { type } = schema;
  if (type === undefined || schema['x-kubernetes-int-or-string']) return undefined;
  const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  const fits =
    type === 'integer' ? Number.isInteger(value) : type === 'number' ? found === 'number' : found === type;
  return fits ? undefined : `${type}: "${found}"`;
}

function pruned(schema: StructuralSchema, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => pruned(schema.items ?? {}, item));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => {
      const known = schemaOf(schema, key);
      return known === undefined ? [] : [[key, pruned(known, item)]];
    }),
  ) as Json;
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
