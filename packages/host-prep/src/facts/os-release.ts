import type { OsRelease } from './host-facts.ts';
import { cut, linesOf } from './text.ts';

/** `/etc/os-release` (os-release(5)): shell-like assignments without expansion. */
export function parseOsRelease(text: string, ostree = false): OsRelease {
  const values: Record<string, string> = {};
  for (const line of linesOf(text)) {
    const pair = /^\s*[A-Z][A-Z0-9_]*=/.test(line) ? cut(line.trim(), '=') : undefined;
    if (pair) values[pair[0]] = unquote(pair[1]);
  }
  const { ID = 'linux', ID_LIKE = '', VERSION_ID, VARIANT_ID, PRETTY_NAME } = values;
  return {
    id: ID.toLowerCase(),
    idLike: ID_LIKE.toLowerCase().split(/\s+/).filter(Boolean),
    ...(VERSION_ID && { versionId: VERSION_ID }),
    ...(VARIANT_ID && { variantId: VARIANT_ID.toLowerCase() }),
    ...(PRETTY_NAME && { prettyName: PRETTY_NAME }),
    ostree,
  };
}

function unquote(value: string): string {
  const quote = value[0];
  const inner = (quote === '"' || quote === "'") && value.endsWith(quote) ? value.slice(1, -1) : value;
  return quote === "'" ? inner : inner.replace(/\\(["$`\\])/g, '$1');
}
