import { badRequest } from '../api/status.ts';
import type { KubeObject } from '../types.ts';

export type Matcher = (object: KubeObject) => boolean;

const requirementRule =
  /^(?:(!)?([\w./-]+)|([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)|([\w./-]+)\s+(in|notin)\s*\(([^)]*)\)|([\w./-]+)\s*([<>])\s*(\d+))$/;

/** `labelSelector`: `a=b,c!=d,e,!f,g in (x,y),h notin (z),i>1`. */
export function labelMatcher(text: string): Matcher {
  const tests = splitTop(text).map(requirement);
  return ({ metadata }) => tests.every((test) => test(metadata.labels ?? {}));
}

function requirement(text: string): (labels: Record<string, string>) => boolean {
  const match = requirementRule.exec(text.trim());
  if (match === null) throw badRequest(`unable to parse requirement: found '${text.trim()}'`);
  const [, not, present, key, operator, value, setKey, setOperator, values, orderKey, order, bound] = match;
  if (present !== undefined) return (labels) => (labels[present] === undefined) === (not !== undefined);
  if (key !== undefined) {
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  if (setKey !== undefined) {
    const set = new Set((values ?? '').split(',').map((item) => item.trim()));
    return setOperator === 'in'
      ? ({ [setKey]: label }) => label !== undefined && set.has(label)
      : ({ [setKey]: label }) => label === undefined || !set.has(label);
  }
  return (labels) => {
    const number = Number(labels[orderKey as string] ?? Number.NaN);
    return order === '>' ? number > Number(bound) : number < Number(bound);
  };
}

/** Commas inside parentheses belong to a set. */
function splitTop(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let index = 0; index <= text.length; index += 1) {
    const letter = text[index];
    if (letter === '(') depth += 1;
    else if (letter === ')') depth -= 1;
    else if (letter === undefined || (letter === ',' && depth === 0)) {
      if (index > from) parts.push(text.slice(from, index));
      from = index + 1;
    }
  }
  return parts;
}

const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  pods: ['spec.nodeName', 'status.phase', 'spec.schedulerName', 'status.podIP'],
  nodes: ['spec.unschedulable'],
  events: [
    'involvedObject.kind',
    'involvedObject.name',
    'involvedObject.namespace',
    'involvedObject.uid',
    'reason',
    'type',
  ],
  secrets: ['type'],
  namespaces: ['status.phase'],
};

/** `fieldSelector`: the fields each type has an index for. Custom resources know the name and namespace alone. */
export function fieldMatcher(resource: string, text: string): Matcher {
  const known = ['metadata.name', 'metadata.namespace', ...(fieldsOf[resource] ?? [])];
  const tests = splitTop(text).map((part): Matcher => {
    const match = /^([\w.]+)(==|=|!=)(.*)$/.exec(part);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, field = '', operator, value] = match;
    if (!known.includes(field)) throw badRequest(`field label not supported: ${field}`);
    const path = field.split('.');
    return (object) => {
      let found: unknown = object;
      for (const key of path) found = (found as Record<string, unknown> | undefined)?.[key];
      return (String(found ?? '') === value) === (operator !== '!=');
    };
  });
  return (object) => tests.every((test) => test(object));
}
