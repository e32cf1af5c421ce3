import type { Diagnostic } from '@vmgpu/core';
import { createReport, type Report } from './diagnostics.ts';
import { findMisplaced, type Misplaced } from './levels.ts';
import { at, isObject, type Json, setAt, textAt } from './manifest.ts';

export interface Repaired {
  readonly manifest: unknown;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Puts right what was meant without doubt: keys on the wrong level (the API server would drop them without a word), white
 * space in resource names, the name of a volume inside its source, and a `name` that YAML read into the `deviceName` above it. Each repair is a `repaired`
 * diagnostic; a key whose home is taken stays where it is and is reported `lossy`. The input stays as it is.
 */
export function repairManifest(native: unknown): Repaired {
  const { diagnostics, report } = createReport();
  let manifest = native;
  const stuck = new Set<string>();
  for (;;) {
    const next = findMisplaced(manifest).find((item) => !stuck.has(pathOf(item)));
    if (next === undefined) break;
    const moved = move(manifest, next);
    const place = `${[...next.from, next.key].join('.')}`;
    if (moved === undefined) {
      stuck.add(pathOf(next));
      report(
        'lossy',
        'misplaced',
        place,
        `${next.key} belongs into ${next.home}, where another one stands; it is not used`,
      );
    } else {
      manifest = moved;
      report('repaired', 'misplaced', place, `${next.key} belongs into ${next.home} and was moved there`);
    }
  }
  return { manifest: repairNames(manifest, '', report), diagnostics };
}

const pathOf = ({ from, key }: Misplaced) => [...from, key].join('.');

function move(manifest: unknown, { key, from, parent, missing }: Misplaced): unknown {
  const target = [...parent, ...missing, key];
  const value = at(manifest, ...from, key);
  const old = at(manifest, ...target);
  if (old !== undefined && !(Array.isArray(old) && Array.isArray(value))) return undefined;
  const joined = Array.isArray(old) ? joinLists(old, value as readonly unknown[]) : value;
  return setAt(removeAt(manifest, [...from, key]), target, joined);
}

/** Items of both lists; of two with one name the first. */
function joinLists(first: readonly unknown[], second: readonly unknown[]): readonly unknown[] {
  const names = new Set(first.map((item) => textAt(item, 'name')));
  return [
    ...first,
    ...second.filter((item) => textAt(item, 'name') === undefined || !names.has(textAt(item, 'name'))),
  ];
}

function removeAt(value: unknown, [key = '', ...rest]: readonly string[]): Json {
  const { [key]: item, ...others } = isObject(value) ? value : {};
  return rest.length === 0 ? others : { ...(value as Json), [key]: removeAt(item, rest) };
}

/** Repairs inside `deviceName` and `resourceName`, wherever they stand. */
function repairNames(value: unknown, path: string, report: Report): unknown {
  if (Array.isArray(value)) return value.map((item, index) => repairNames(item, `${path}[${index}]`, report));
  if (!isObject(value)) return value;
  const source = /\bvolumes\[\d+\]$/.test(path) ? swallowingSource(value) : undefined;
  if (source !== undefined) {
    const { name, ...rest } = value[source] as Json;
    report(
      'repaired',
      'volume-name',
      `${path}.${source}.name`,
      `name belongs to the volume, not into ${source}`,
    );
    return repairNames({ ...value, name, [source]: rest }, path, report);
  }
  const result: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const place = path === '' ? key : `${path}.${key}`;
    const swallowed = key === 'deviceName' ? swallowedName(item) : undefined;
    if (swallowed !== undefined) {
      Object.assign(result, { ...swallowed, name: repairNames(swallowed.name, `${path}.name`, report) });
      report(
        'repaired',
        'swallowed-name',
        place,
        `name was indented below deviceName; read as name: ${String(swallowed.name)}`,
      );
    } else if (
      (key === 'deviceName' || key === 'resourceName') &&
      typeof item === 'string' &&
      /\s/.test(item)
    ) {
      result[key] = item.replace(/\s+/g, '');
      report(
        'repaired',
        'resource-name',
        place,
        `"${item}" has white space in it, taken for ${String(result[key])}`,
      );
    } else result[key] = repairNames(item, place, report);
  }
  return result;
}

/** The cloud-init source of a volume that holds the volume's name: these sources have no field of that name. */
export function swallowingSource(volume: Json): string | undefined {
  return ['cloudInitNoCloud', 'cloudInitConfigDrive'].find(
    (key) => volume.name === undefined && textAt(volume, key, 'name') !== undefined,
  );
}

/** YAML reads an over-indented `name:` after `deviceName: x` as the map `{ 'x name': value }`. */
function swallowedName(value: unknown): { deviceName: string; name: unknown } | undefined {
  if (!isObject(value)) return undefined;
  const inner = isObject(value.deviceName) ? value.deviceName : value;
  const [[key, name] = ['', undefined], ...others] = Object.entries(inner);
  const match = /^(\S+)\s+name$/.exec(key);
  return match && others.length === 0 ? { deviceName: match[1] ?? '', name } : undefined;
}
