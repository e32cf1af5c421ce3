import * as z from 'zod/mini';
import { redact } from '../errors/redact.ts';
import { type ErrorWhere, formatWhere, VmgpuError } from '../errors/vmgpu-error.ts';

/** Finds the place in a source text that a path of a document comes from; made by whoever parsed the text. */
export type SourceLocator = (path: readonly (string | number)[]) => ErrorWhere;

/** Runs a schema; throws one `bad-input` that lists every issue with its place. The value is returned as it came in. */
export function parseWith<T>(
  schema: z.ZodMiniType,
  value: unknown,
  headline: string,
  locate: SourceLocator = () => ({}),
): T {
  const result = z.safeParse(schema, value, { error: describeIssue });
  if (result.success) return value as T;
  const issues = result.error.issues.flatMap(flattenUnion).map((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const where = { ...locate(path), path: printPath(path) || '(document)' };
    return { where, text: `${issue.message}${foundAt(value, path, issue.code === 'invalid_type')}` };
  });
  const lines = issues.map((issue) => `${formatWhere(issue.where)}: ${issue.text}`);
  throw new VmgpuError('bad-input', `${headline}\n  ${lines.join('\n  ')}`, {
    details: { issues: issues.map(({ where, text }) => ({ ...where, message: text })) },
  });
}

/** `spec.gpus[0].profile` */
export function printPath(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  );
}

interface Issue {
  readonly code: string | undefined;
  readonly path: PropertyKey[];
  readonly message: string;
  readonly errors?: Issue[][];
}

/** Of a union that failed everywhere, the issues of its first branch say more than "invalid union". */
function flattenUnion(issue: unknown): Issue[] {
  const { errors, path, ...rest } = issue as Issue;
  const branch = rest.code === 'invalid_union' ? errors?.[0] : undefined;
  if (!branch || branch.length === 0) return [{ ...rest, path }];
  return branch.map((inner) => ({ ...inner, path: [...path, ...inner.path] }));
}

function describeIssue(raw: unknown): string {
  const issue = raw as Record<string, unknown> & { code: string };
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${article(String(issue.expected))}`;
    case 'invalid_value':
      return `expected ${(issue.values as unknown[]).map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'unrecognized_keys':
      return `unknown ${(issue.keys as string[]).length > 1 ? 'keys' : 'key'} ${(issue.keys as string[])
        .map((key) => JSON.stringify(key))
        .join(', ')}`;
    case 'too_small':
      return issue.origin === 'string' ? 'expected some text' : `expected a number above ${issue.minimum}`;
    case 'too_big':
      return `expected a number of at most ${issue.maximum}`;
    case 'invalid_union':
      return issue.discriminator === undefined
        ? 'fits none of the forms that are allowed here'
        : `expected ${String(issue.discriminator)} to be one of ${((issue.options as unknown[]) ?? []).join(', ') || 'the known ones'}`;
    default:
      return 'not allowed here';
  }
}

function foundAt(root: unknown, path: readonly (string | number)[], wrongType: boolean): string {
  let value = root;
  for (const part of path) value = (value as Record<string | number, unknown> | undefined)?.[part];
  if (value === undefined) return path.length > 0 ? ', found nothing' : '';
  if (typeof value === 'object' && value !== null) {
    return wrongType ? `, found ${article(Array.isArray(value) ? 'array' : 'object')}` : '';
  }
  // Redacted before it is cut: half a secret is recognised by nobody. Under its key, because `secret:` tells more than the
  // text that somebody wrote there.
  const shown = redact({ [String(path.at(-1) ?? '')]: value });
  const [safe] = Object.values(shown);
  const text = typeof safe === 'string' ? JSON.stringify(safe) : String(safe);
  return `, found ${text.length > 80 ? `${text.slice(0, 80)}…` : text}`;
}

function article(type: string): string {
  if (type === 'undefined') return 'nothing';
  if (type === 'int') return 'a whole number';
  if (type === 'array') return 'a list';
  if (type === 'record') return 'an object';
  return `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
}
