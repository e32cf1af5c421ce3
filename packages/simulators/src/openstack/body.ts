import { refuse } from './failure.ts';

export type Json = Readonly<Record<string, unknown>>;

/** One thing that a field of a body may be. */
export interface Field {
  readonly type: readonly ('string' | 'integer' | 'boolean' | 'object' | 'array' | 'null')[];
  readonly required?: boolean;
  readonly min?: number;
  readonly pattern?: RegExp;
  readonly maxLength?: number;
}

export type Fields = Readonly<Record<string, Field>>;

/** The object under `key`, checked as Nova's JSON schemas do it: in their words, unknown fields refused. */
export function objectIn(body: unknown, key: string, fields: Fields): Json {
  const outer = asObject(body, 'body');
  if (!(key in outer)) throw refuse(400, `'${key}' is a required property`);
  const inner = asObject(outer[key], key);
  for (const [name, { required }] of Object.entries(fields)) {
    if (required && !(name in inner)) throw invalid(key, inner, `'${name}' is a required property`);
  }
  const unknown = Object.keys(inner).filter((name) => !(name in fields));
  if (unknown.length > 0) {
    const names = unknown.map((name) => `'${name}'`).join(', ');
    throw invalid(
      key,
      inner,
      `Additional properties are not allowed (${names} ${unknown.length > 1 ? 'were' : 'was'} unexpected)`,
    );
  }
  for (const [name, value] of Object.entries(inner)) checkField(name, value, fields[name] as Field);
  return inner;
}

function checkField(name: string, value: unknown, { type, min, pattern, maxLength }: Field): void {
  const kind = kindOf(value);
  // Nova takes numbers as texts, too.
  const asNumber = type.includes('integer') && kind === 'string' && /^-?\d+$/.test(String(value));
  if (!type.includes(kind) && !asNumber) {
    throw invalid(
      name,
      value,
      `${inPython(value)} is not of type ${type.map((one) => `'${one}'`).join(', ')}`,
    );
  }
  if (min !== undefined && (kind === 'integer' || asNumber) && Number(value) < min) {
    throw invalid(name, value, `${String(value)} is less than the minimum of ${min}`);
  }
  if (kind !== 'string') return;
  if (pattern && !pattern.test(String(value))) {
    throw invalid(name, value, `'${String(value)}' does not match '${pattern.source}'`);
  }
  if (maxLength !== undefined && String(value).length > maxLength) {
    throw invalid(name, value, `'${String(value)}' is too long`);
  }
}

function kindOf(value: unknown): Field['type'][number] {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return 'integer';
  return typeof value as 'string' | 'boolean' | 'object';
}

function asObject(value: unknown, name: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw invalid(name, value, `${inPython(value)} is not of type 'object'`);
}

/** Source: nova 26, nova/api/validation/validators.py. */
export function invalid(attribute: string, value: unknown, message: string): Error {
  return refuse(400, `Invalid input for field/attribute ${attribute}. Value: ${inPython(value)}. ${message}`);
}

/** As Python prints a value. */
export function inPython(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(inPython).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  const pairs = Object.entries(value).map(([key, item]) => `'${key}': ${inPython(item)}`);
  return `{${pairs.join(', ')}}`;
}

/**
 * The wanted part of a list, after `marker`, at most `limit`; whether more may follow: a page that is full says so, also when
 * it is the last.
 */
export function pageOf<Item extends { readonly id: string }>(
  items: readonly Item[],
  query: URLSearchParams,
  most: number,
  noMarker: (marker: string) => Error,
): { readonly page: readonly Item[]; readonly more: boolean } {
  const marker = query.get('marker');
  const start = marker === null ? 0 : items.findIndex(({ id }) => id === marker) + 1;
  if (marker !== null && start === 0) throw noMarker(marker);
  const limit = query.get('limit');
  if (limit !== null && !/^\d+$/.test(limit)) {
    throw refuse(
      400,
      `Invalid input for query parameters limit. Value: ${limit}. '${limit}' does not match '^[0-9]*$'`,
    );
  }
  const size = Math.min(limit === null ? most : Number(limit), most);
  const page = items.slice(start, start + size);
  return { page, more: size > 0 && page.length === size };
}

/** The query of the page after this one. */
export function nextQuery(query: URLSearchParams, marker: string): string {
  const next = new URLSearchParams(query);
  next.set('marker', marker);
  return next.toString();
}
