import type { StatusCause } from '../api/status.ts';
import type { KubeObject } from '../types.ts';

const nameRule = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const text =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const prefixText =
  "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/** Kubernetes' own check of a pod's containers and of the resources they name (a qualified name, at most 63 characters after the prefix). */
export function podCauses({ spec }: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  if (!spec?.containers?.length) {
    return [{ reason: 'FieldValueRequired', field: 'spec.containers', message: 'Required value' }];
  }
  for (const [index, { resources }] of spec.containers.entries()) {
    for (const list of ['limits', 'requests']) {
      for (const name of Object.keys(resources?.[list] ?? {})) {
        const wrong = problemOf(name);
        if (wrong === undefined) continue;
        const field = `spec.containers[${index}].resources.${list}[${name}]`;
        causes.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: "${name}": ${wrong}` });
      }
    }
  }
  return causes;
}

function problemOf(name: string): string | undefined {
  const [prefix, rest, ...more] = name.split('/');
  if (rest === undefined) return nameRule.test(name) ? undefined : text;
  if (more.length > 0 || !nameRule.test(rest)) {
    return rest.length > 63 ? 'name part must be no more than 63 bytes' : text;
  }
  return /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(prefix as string) ? undefined : prefixText;
}
