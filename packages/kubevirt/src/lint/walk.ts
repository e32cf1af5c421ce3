import { isObject, type Json } from '../translate/manifest.ts';

export type Path = readonly (string | number)[];

/** Items of every list under one of these keys, wherever it stands: a misplaced list is still read. */
export function itemsUnder(
  value: unknown,
  keys: readonly string[],
  path: Path = [],
): readonly { readonly item: Json; readonly path: Path; readonly list: string }[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => itemsUnder(item, keys, [...path, index]));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const here = [...path, key];
    if (!keys.includes(key) || !Array.isArray(item)) return itemsUnder(item, keys, here);
    return item.flatMap((entry, index) =>
      isObject(entry) ? [{ item: entry, path: [...here, index], list: key }] : [],
    );
  });
}

/** Every value under this key. */
export function valuesUnder(
  value: unknown,
  key: string,
  path: Path = [],
): readonly { readonly value: unknown; readonly path: Path }[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => valuesUnder(item, key, [...path, index]));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) => [
    ...(name === key ? [{ value: item, path: [...path, name] }] : []),
    ...valuesUnder(item, key, [...path, name]),
  ]);
}
