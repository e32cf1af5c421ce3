import { sameJson, VmgpuError } from '@vmgpu/core';
import { isObject, type Json, type Manifest } from './manifest.ts';

/**
 * The whole object after a step: what is there, and what the step manages. All lists of a KubeVirt CR are atomic for
 * patches and server-side apply (kubevirt v1.9.0 CRD), so entries are joined here, by their selector, and the result is
 * written with the `resourceVersion` that was read. Entries and feature gates of others stay as they are. Throws
 * `conflict` when another entry gives the same device another resource name.
 */
export function mergeKubeVirt(existing: Manifest | null | undefined, managed: Manifest): Manifest {
  return mergeObject(existing ?? {}, managed, '') as Manifest;
}

function mergeObject(existing: Json, managed: Json, path: string): Json {
  const result: Record<string, unknown> = { ...existing };
  for (const [key, value] of Object.entries(managed)) {
    const old = existing[key];
    if (Array.isArray(value)) result[key] = mergeList(Array.isArray(old) ? old : [], value, `${path}.${key}`);
    else if (isObject(value)) result[key] = mergeObject(isObject(old) ? old : {}, value, `${path}.${key}`);
    else if (value === null) delete result[key];
    else result[key] = value;
  }
  return result;
}

function mergeList(
  existing: readonly unknown[],
  managed: readonly unknown[],
  path: string,
): readonly unknown[] {
  const result = [...existing];
  for (const item of managed) {
    const index = result.findIndex((old) => identity(old) === identity(item));
    const old = result[index];
    if (index < 0) result.push(item);
    else if (isObject(old) && isObject(item)) {
      if (old.resourceName !== undefined && old.resourceName !== item.resourceName) {
        throw new VmgpuError('conflict', 'another entry gives this device another resource name', {
          where: { path: `${path.slice(1)}[${index}].resourceName` },
          found: String(old.resourceName),
          expected: String(item.resourceName),
          hint: 'remove the other entry, or ask for the resource that it names',
        });
      }
      result[index] = mergeObject(old, item, `${path}[${index}]`);
    }
  }
  return result;
}

/**
 * The object without what a step has put in: values go back to what they were `before`, list items that were not there go,
 * and everything that others have added since stays.
 */
export function unmergeKubeVirt(now: Manifest, before: Manifest, managed: Manifest): Manifest {
  return unmergeObject(now, before, managed) as Manifest;
}

function unmergeObject(now: Json, before: Json, managed: Json): Json {
  const result: Record<string, unknown> = { ...now };
  for (const [key, value] of Object.entries(managed)) {
    const old = before[key];
    const current = now[key];
    let back: unknown = old;
    if (Array.isArray(value)) {
      back = unmergeList(Array.isArray(current) ? current : [], Array.isArray(old) ? old : [], value);
    } else if (isObject(value) && isObject(current)) {
      back = unmergeObject(current, isObject(old) ? old : {}, value);
    }
    // What was not there and holds nothing of others either goes.
    const isEmpty = Array.isArray(back)
      ? back.length === 0
      : isObject(back) && Object.keys(back).length === 0;
    if (back === undefined || (isEmpty && old === undefined)) delete result[key];
    else result[key] = back;
  }
  return result;
}

function unmergeList(
  now: readonly unknown[],
  before: readonly unknown[],
  managed: readonly unknown[],
): readonly unknown[] {
  const ours = new Set(managed.map(identity));
  const old = new Map(before.map((item) => [identity(item), item]));
  return now.flatMap((item) => {
    const key = identity(item);
    if (!ours.has(key)) return [item];
    return old.has(key) ? [old.get(key)] : [];
  });
}

/** What makes two list items the same one: selector of a device, selector of nodes, name, or the whole value. */
function identity(item: unknown): string {
  if (!isObject(item)) return JSON.stringify(item);
  const { pciVendorSelector, pciDeviceSelector, mdevNameSelector, nodeSelector, name, resourceName } = item;
  const pci = pciVendorSelector ?? pciDeviceSelector;
  if (pci !== undefined) return `pci ${String(pci).toLowerCase()}`;
  if (mdevNameSelector !== undefined) return `mdev ${String(mdevNameSelector).replaceAll(' ', '_')}`;
  if (isObject(nodeSelector)) return `nodes ${JSON.stringify(Object.entries(nodeSelector).sort())}`;
  return `name ${String(name ?? resourceName)}`;
}

/** True when the object's `spec` holds everything that the step manages. */
export function holds(existing: Manifest | null | undefined, managed: Manifest): boolean {
  return existing != null && sameJson(mergeKubeVirt(existing, managed).spec, existing.spec);
}

/** The existing values of exactly those fields that `managed` speaks of; lists whole. */
export function sameFields(existing: unknown, managed: unknown): unknown {
  if (!isObject(existing) || !isObject(managed)) return existing;
  return Object.fromEntries(
    Object.keys(managed).flatMap((key) =>
      existing[key] === undefined ? [] : [[key, sameFields(existing[key], managed[key])]],
    ),
  );
}
