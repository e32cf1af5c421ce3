/**
 * Proxmox VE's property strings: `q35,viommu=intel`, `mapping=gpu,pcie=1`. Grammar and error texts: pve-common 9.2.1,
 * `PVE::JSONSchema::parse_property_string` and `check_prop`.
 */
import { badInput } from '@vmgpu/core';

/** What one key accepts: a boolean, one of some words, a pattern, a number, or an id such as a mapping's. */
export type PropertyRule = 'boolean' | 'configid' | 'number' | RegExp | readonly string[];

export interface PropertyFormat {
  /** Key of the part that has no `=`. */
  readonly defaultKey?: string;
  readonly keys: Readonly<Record<string, PropertyRule>>;
  /** Keys that must be there. */
  readonly required?: readonly string[];
  /** Keys beyond `keys` are kept as text instead of being refused: for formats of which only a part matters here. */
  readonly open?: boolean;
}

/** Values by key; booleans as `1` and `0`, everything else as written. */
export type PropertyValues = Readonly<Record<string, string>>;

/** Why Proxmox VE refuses a property string, in its own words. */
export interface PropertyProblem {
  readonly text: string;
  /** By key, when the grammar is right and a value is not (`text` is `format error` then). */
  readonly errors?: Readonly<Record<string, string>>;
}

export type PropertyResult<T = PropertyValues> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: PropertyProblem };

/** The API's words for a parameter or key that does not exist. */
export const unknownProperty =
  'property is not defined in schema and the schema does not allow additional properties';
const booleans: Readonly<Record<string, string>> = {
  1: '1',
  on: '1',
  yes: '1',
  true: '1',
  0: '0',
  off: '0',
  no: '0',
  false: '0',
};

/** `1 on yes true` and `0 off no false` in any case; undefined for anything else. */
export function tryParseBoolean(text: string): boolean | undefined {
  const value = booleans[text.toLowerCase()];
  return value === undefined ? undefined : value === '1';
}

/** Ids of mappings and storages: a letter, then at least one letter, digit, `-` or `_`. */
export function isConfigId(text: string): boolean {
  return /^[a-z][a-z0-9_-]+$/i.test(text);
}

/** Reads a property string as Proxmox VE does. */
export function tryParseProperties(format: PropertyFormat, text: string): PropertyResult {
  const values: Record<string, string> = Object.create(null);
  const duplicate = (key: string) => fail(`duplicate key in comma-separated list property: ${key}`);
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    if (equals === 0 || equals === part.length - 1)
      return fail('missing key in comma-separated list property');
    const key = equals < 0 ? format.defaultKey : part.slice(0, equals);
    if (key === undefined) return fail('value without key, but schema does not define a default key');
    if (values[key] !== undefined) return duplicate(key);
    const value = part.slice(equals + 1);
    values[key] = (format.keys[key] === 'boolean' && booleans[value.toLowerCase()]) || value;
  }
  const errors = checkValues(format, values);
  return Object.keys(errors).length > 0
    ? { ok: false, problem: { text: 'format error', errors } }
    : { ok: true, value: { ...values } };
}

function fail(text: string): { readonly ok: false; readonly problem: PropertyProblem } {
  return { ok: false, problem: { text } };
}

function checkValues(format: PropertyFormat, values: PropertyValues): Record<string, string> {
  const errors: Record<string, string> = Object.create(null);
  for (const key of format.required ?? []) {
    if (values[key] === undefined) errors[key] = 'property is missing and it is not optional';
  }
  for (const [key, value] of Object.entries(values)) {
    const rule = Object.hasOwn(format.keys, key) ? format.keys[key] : undefined;
    const error = rule === undefined ? (format.open ? undefined : unknownProperty) : checkValue(rule, value);
    if (error !== undefined) errors[key] = error;
  }
  return errors;
}

function checkValue(rule: PropertyRule, value: string): string | undefined {
  if (rule === 'boolean') {
    return booleans[value] === undefined ? `type check ('boolean') failed - got '${value}'` : undefined;
  }
  if (rule === 'number') {
    return /^-?\d+(\.\d+)?$/.test(value) ? undefined : `type check ('number') failed - got '${value}'`;
  }
  if (rule === 'configid') {
    return isConfigId(value) ? undefined : `invalid format - invalid configuration ID '${value}'\n`;
  }
  if (rule instanceof RegExp) return rule.test(value) ? undefined : 'value does not match the regex pattern';
  return rule.includes(value)
    ? undefined
    : `value '${value}' does not have a value in the enumeration '${rule.join(', ')}'`;
}

/** The text that the REST API puts under `errors` for this parameter. */
export function apiErrorText(parameter: string, problem: PropertyProblem): string {
  const lines = Object.entries(problem.errors ?? {}).map(([key, text]) => `${parameter}.${key}: ${text}\n`);
  return `invalid format - ${problem.text}\n${lines.join('')}`;
}

/** Reads a property string. Throws `bad-input` with Proxmox VE's own words. */
export function parseProperties(format: PropertyFormat, text: string, path?: string): PropertyValues {
  return unwrap(tryParseProperties(format, text), text, path);
}

/** The value, or `bad-input` with Proxmox VE's own words. */
export function unwrap<T>(result: PropertyResult<T>, text: string, path?: string): T {
  if (result.ok) return result.value;
  const { text: headline, errors = {} } = result.problem;
  const details = Object.entries(errors).map(([key, why]) => `${key}: ${why.trim()}`);
  throw badInput(`not a valid property string: ${details.join('; ') || headline}`, {
    found: text,
    ...(path === undefined ? {} : { where: { path } }),
  });
}

/** Prints as Proxmox VE prints: the default key's bare value first, then the other keys in alphabetical order. */
export function printProperties(format: PropertyFormat, values: PropertyValues): string {
  const { defaultKey } = format;
  const bare = defaultKey === undefined ? undefined : values[defaultKey];
  const rest = Object.keys(values)
    .filter((key) => key !== defaultKey)
    .sort()
    .map((key) => `${key}=${values[key]}`);
  return [...(bare === undefined ? [] : [bare]), ...rest].join(',');
}
