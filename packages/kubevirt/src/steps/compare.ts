import { type Step, sameJson, VmgpuError } from '@vmgpu/core';
import { isObject, type Json } from '../translate/manifest.ts';
import { sameFields } from '../translate/merge.ts';

/**
 * True when everything that the wish says is so; what it does not say does not count, and null wishes for nothing there.
 * Lists have the same length, and their items the wish's fields: servers fill in defaults.
 */
export function contains(now: unknown, wish: unknown): boolean {
  if (wish === null) return now === undefined || now === null;
  if (Array.isArray(wish)) {
    const items = Array.isArray(now) ? now : [];
    return items.length === wish.length && wish.every((item, index) => contains(items[index], item));
  }
  if (!isObject(wish)) return sameJson(now, wish);
  return Object.entries(wish).every(([key, value]) => contains(isObject(now) ? now[key] : undefined, value));
}

/** The merge patch (RFC 7386) that brings the fields of `wish` back to what they were. */
export function restorePatch(before: unknown, wish: Json): Json {
  const old = isObject(before) ? before : {};
  return Object.fromEntries(
    Object.entries(wish).map(([key, value]) => {
      if (old[key] === undefined) return [key, null];
      return [key, isObject(value) && isObject(old[key]) ? restorePatch(old[key], value) : old[key]];
    }),
  );
}

/** Rejects a step that expects something else than is there: what somebody did since is not ours to overwrite. */
export function refuseStale(step: Step, now: unknown): void {
  if (step.before === undefined) return;
  const found = now === null ? null : sameFields(now, step.after);
  if (sameJson(found, step.before)) return;
  throw stale(step);
}

export function stale({ id, target }: Step): VmgpuError {
  return new VmgpuError('conflict', `${target.type} ${target.name} has changed since ${id} was planned`, {
    hint: 'make a new plan',
  });
}
