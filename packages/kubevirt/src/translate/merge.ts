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
