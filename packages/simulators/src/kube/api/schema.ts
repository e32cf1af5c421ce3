import { isDict } from '../json.ts';
import type { Dict, KubeObject, StructuralSchema } from '../types.ts';
import type { StatusCause } from './status.ts';

export interface SchemaVerdict {
  /** The object as it would be stored: without unknown fields. */
  readonly object: KubeObject;
  /** Paths of the fields that were dropped. */
  readonly unknown: readonly string[];
  readonly causes: readonly StatusCause[];
}

const open: StructuralSchema = { 'x-kubernetes-preserve-unknown-fields': true };

/**
 * What the API server does to a custom resource (k8s.io/apiextensions-apiserver, structural schemas): prunes, then checks
 * types, required fields and values. `metadata` is the server's own business.
 */
export function checkSchema(schema: StructuralSchema, object: KubeObject): SchemaVerdict {
  const top = {
    ...schema,
    properties: { ...schema.properties, apiVersion: open, kind: open, metadata: open },
  };
  const unknown: string[] = [];
  const causes: StatusCause[] = [];
  const kept = visit(top, object, '', unknown, causes) as KubeObject;
  if (causes.some(({ reason }) => reason === 'FieldValueTypeInvalid')) {
    causes.push({
      reason: 'FieldValueInvalid',
      field: '<nil>',
      message:
        'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
    });
  }
  unknown.sort();
  return { object: kept, unknown, causes };
}

function visit(
  schema: StructuralSchema,
  value: unknown,
  path: string,
  unknown: string[],
  causes: StatusCause[],
): unknown {
  if (value === null && schema.nullable) return value;
  const wrong = wrongType(schema, value);
  if (wrong !== undefined) {
    causes.push({
      reason: 'FieldValueTypeInvalid',
      field: path,
      message: `Invalid value: "${wrong}": ${path} in body must be of type ${schema.type}: "${wrong}"`,
    });
    return value;
  }
  if (Array.isArray(value)) {
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      causes.push({
        reason: 'FieldValueTooMany',
        field: path,
        message: `Too many: ${value.length}: must have at most ${schema.maxItems} items`,
      });
    }
    return value.map((item, index) =>
      visit(schema.items ?? open, item, `${path}[${index}]`, unknown, causes),
    );
  }
  if (isDict(value)) return visitObject(schema, value, path, unknown, causes);
  checkValue(schema, value, path, causes);
  return value;
}

function visitObject(
  schema: StructuralSchema,
  value: Dict,
  path: string,
  unknown: string[],
  causes: StatusCause[],
): Dict {
  for (const key of schema.required ?? []) {
    if (value[key] !== undefined) continue;
    causes.push({ reason: 'FieldValueRequired', field: join(path, key), message: 'Required value' });
  }
  const kept: Dict = {};
  for (const [key, item] of Object.entries(value)) {
    const known = schemaOf(schema, key);
    if (known === undefined) unknown.push(join(path, key));
    else kept[key] = known === open ? item : visit(known, item, join(path, key), unknown, causes);
  }
  return kept;
}

function checkValue(schema: StructuralSchema, value: unknown, path: string, causes: StatusCause[]): void {
  const shown = typeof value === 'string' ? `"${value}"` : String(value);
  const tell = (reason: string, message: string) => causes.push({ reason, field: path, message });
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    const values = schema.enum.map((item) => JSON.stringify(item)).join(', ');
    tell('FieldValueNotSupported', `Unsupported value: ${shown}: supported values: ${values}`);
  }
  if (typeof value === 'string' && schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) {
    tell('FieldValueInvalid', `Invalid value: ${shown}: ${path} in body should match '${schema.pattern}'`);
  }
  if (typeof value !== 'number') return;
  if (schema.minimum !== undefined && value < schema.minimum) {
    const bound = `${path} in body should be greater than or equal to ${schema.minimum}`;
    tell('FieldValueInvalid', `Invalid value: ${shown}: ${bound}`);
  }
  if (schema.maximum !== undefined && value > schema.maximum) {
    const bound = `${path} in body should be less than or equal to ${schema.maximum}`;
    tell('FieldValueInvalid', `Invalid value: ${shown}: ${bound}`);
  }
}

/** The schema of a key; undefined when there is no such field. */
export function schemaOf(schema: StructuralSchema, key: string): StructuralSchema | undefined {
  if (schema.properties && Object.hasOwn(schema.properties, key)) return schema.properties[key];
  const more = schema.additionalProperties;
  if (typeof more === 'object') return more;
  const takesAll =
    schema['x-kubernetes-preserve-unknown-fields'] || more === true || schema.type === undefined;
  return takesAll ? open : undefined;
}

function wrongType(schema: StructuralSchema, value: unknown): string | undefined {
  const { type } = schema;
  if (type === undefined || schema['x-kubernetes-int-or-string']) return undefined;
  const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  if (type === 'integer') return Number.isInteger(value) ? undefined : found;
  return found === type ? undefined : found;
}

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);

/** Fills in what the schema has a default for, in place, where the parent is there. */
export function applyDefaults(schema: StructuralSchema, value: unknown): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(schema.items, item);
  } else if (isDict(value)) {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (value[key] === undefined && child.default !== undefined)
        value[key] = structuredClone(child.default);
      if (value[key] !== undefined) applyDefaults(child, value[key]);
    }
    if (typeof schema.additionalProperties === 'object') {
      for (const item of Object.values(value)) applyDefaults(schema.additionalProperties, item);
    }
  }
}
