import type { KubeResource } from './resources.ts';

/** `/apis/kubevirt.io/v1/namespaces/vms/virtualmachines/train-1` */
export function pathOf(
  { group, version, plural, namespaced }: KubeResource,
  { name, namespace }: { readonly name?: string | undefined; readonly namespace?: string | undefined } = {},
): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const inNamespace =
    namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${inNamespace}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

/** The path with a query of those parameters that are set. */
export function withQuery(
  path: string,
  parameters: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const set = Object.entries(parameters).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return set.length > 0 ? `${path}?${set.join('&')}` : path;
}

/** The path without its query, for messages. */
export function withoutQuery(path: string): string {
  return path.replace(/\?.*$/s, '');
}
