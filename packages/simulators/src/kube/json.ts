import type { Dict } from './types.ts';

export function isDict(value: unknown): value is Dict {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A deep copy of JSON; several times faster than `structuredClone`. */
export function clone<T>(value: T): T {
  if (Array.isArray(value)) return value.map(clone) as T;
  if (!isDict(value)) return value;
  const copy: Dict = {};
  for (const key of Object.keys(value)) if (!unsafeKey(key)) copy[key] = clone(value[key]);
  return copy as T;
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => equal(item, b[index]));
  }
  if (!isDict(a) || !isDict(b)) return false;
  const keys = definedKeys(a);
  return keys.length === definedKeys(b).length && keys.every((key) => equal(a[key], b[key]));
}

const definedKeys = (value: Dict) => Object.keys(value).filter((key) => value[key] !== undefined);

/** The objects in a list that may not be one. */
export function dicts(value: unknown): Dict[] {
  return Array.isArray(value) ? value.filter(isDict) : [];
}

/** Keys that would reach into an object's prototype: never written. */
export const unsafeKey = (key: string) => key === '__proto__';
