import { sameJson } from '@vmgpu/core';
import { isObject, type Json, textAt } from './manifest.ts';

/*
 * Kubernetes' strategic merge patch, as far as VMs need it: null removes a key; lists whose items all have a name are
 * merged by name, other lists replaced; `$patch: delete` removes an item, `$patch: replace` as first item replaces the
 * list, `$setElementOrder/<list>` gives the order. What a VM says beyond the neutral words travels in such a patch.
 */

const orderPrefix = '$setElementOrder/';

/** The value with the patch applied; both stay as they are. */
export function applyPatch(base: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) return patchList(Array.isArray(base) ? base : [], patch);
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(orderPrefix)) continue;
    if (value === null) delete result[key];
    else result[key] = applyPatch(result[key], value);
  }
  for (const [key, order] of Object.entries(patch)) {
    const list = key.startsWith(orderPrefix) ? result[key.slice(orderPrefix.length)] : undefined;
    if (!Array.isArray(list) || !Array.isArray(order)) continue;
    const names = order.map(nameOf);
    const rank = (item: unknown) => (names.indexOf(nameOf(item)) + 1 || names.length + 1) - 1;
    result[key.slice(orderPrefix.length)] = [...list].sort((a, b) => rank(a) - rank(b));
  }
  return result;
}

/** The patch that makes `target` of `base`; undefined when they are equal. Neither holds nulls. */
export function diff(base: unknown, target: unknown): unknown {
  if (sameJson(base, target)) return undefined;
  if (Array.isArray(base) && Array.isArray(target)) return diffList(base, target);
  if (!isObject(base) || !isObject(target)) return target;
  const patch: Record<string, unknown> = {};
  for (const key of Object.keys(base)) if (!(key in target)) patch[key] = null;
  for (const [key, value] of Object.entries(target)) {
    const change = diff(base[key], value);
    if (change !== undefined) patch[key] = change;
    if (Array.isArray(value) && areNamed(value) && Array.isArray(base[key]) && areNamed(base[key] as [])) {
      const merged = applyPatch(base[key], change ?? []) as unknown[];
      if (!sameJson(merged.map(nameOf), value.map(nameOf))) {
        patch[orderPrefix + key] = value.map((item) => naming(item));
      }
    }
  }
  return patch;
}

function diffList(base: readonly unknown[], target: readonly unknown[]): unknown {
  if (base.length === 0) return target;
  if (!areNamed(base)) return target;
  if (!areNamed(target) || target.length === 0) return [{ $patch: 'replace' }, ...target];
  const wanted = new Map(target.map((item) => [nameOf(item), item]));
  const removed = base
    .filter((item) => !wanted.has(nameOf(item)))
    .map((item) => ({ ...naming(item), $patch: 'delete' }));
  const changed = target.flatMap((item) => {
    const old = base.find((candidate) => nameOf(candidate) === nameOf(item));
    if (old === undefined) return [item];
    const change = diff(old, item);
    return isObject(change) ? [named(change, item)] : [];
  });
  return [...removed, ...changed];
}

/** An item's patch with the name that says whose it is. */
function named(change: Json, item: unknown): Json {
  const name = naming(item);
  return 'name' in name
    ? { ...name, ...change }
    : { ...change, metadata: { ...(change.metadata as Json | undefined), ...(name.metadata as Json) } };
}

function patchList(base: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const [first] = patch;
  if (isObject(first) && first.$patch === 'replace' && nameOf(first) === undefined) return patch.slice(1);
  if (base.length === 0 || !areNamed(base) || !areNamed(patch)) return withoutDeletions(patch);
  const changes = new Map(patch.map((item) => [nameOf(item), item]));
  const kept = base.flatMap((item) => {
    const change = changes.get(nameOf(item));
    changes.delete(nameOf(item));
    if (isObject(change) && change.$patch === 'delete') return [];
    return [change === undefined ? item : applyPatch(item, change)];
  });
  return [...kept, ...withoutDeletions([...changes.values()])];
}

function withoutDeletions(items: readonly unknown[]): unknown[] {
  return items.filter((item) => !(isObject(item) && item.$patch === 'delete'));
}

function nameOf(item: unknown): string | undefined {
  return textAt(item, 'name') ?? textAt(item, 'metadata', 'name');
}

function naming(item: unknown): Json {
  const name = textAt(item, 'name');
  return name === undefined ? { metadata: { name: nameOf(item) } } : { name };
}

function areNamed(items: readonly unknown[]): boolean {
  const names = items.map(nameOf);
  return names.every((name) => name !== undefined) && new Set(names).size === names.length;
}
