import { refuse } from './failure.ts';

export type Params = Record<string, string | readonly string[]>;

/**
 * Form bodies as pve-http-server 6.0.5 takes them apart: at `&` and at `;`, and each pair at every `=`, of which only the
 * first two pieces are kept. Bodies that are not percent-encoded therefore lose text, here as there.
 */
export function parseForm(text: string): Params {
  const params: Params = {};
  for (const pair of text.split(/[&;]/)) {
    if (pair === '') continue;
    const [key = '', value = ''] = pair.split('=').map(decode);
    add(params, key, value);
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** JSON bodies may carry numbers, booleans and lists; Proxmox VE turns them into its own strings. */
export function parseJson(text: string): Params {
  const params: Params = {};
  const value = (item: unknown) => (typeof item === 'boolean' ? (item ? '1' : '0') : String(item));
  let document: unknown;
  try {
    document = text === '' ? {} : JSON.parse(text);
  } catch {
    throw refuse('malformed JSON string', 400);
  }
  for (const [key, item] of Object.entries(document as Record<string, unknown>)) {
    params[key] = Array.isArray(item) ? item.map(value) : value(item);
  }
  return params;
}

/** A key that comes several times is a list. */
function add(params: Params, key: string, value: string): void {
  const old = params[key];
  params[key] = old === undefined ? value : [...(typeof old === 'string' ? [old] : old), value];
}
