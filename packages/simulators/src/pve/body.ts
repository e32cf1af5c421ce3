import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { refuse } from './failure.ts';

export type Params = Record<string, string | readonly string[]>;

const largestBody = 512 * 1024;

/** The bytes of a body. What is too large is not kept, only counted. */
export async function readBytes(request: IncomingMessage): Promise<{ text: string; size: number }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size <= largestBody) chunks.push(chunk as Buffer);
  }
  return { text: Buffer.concat(chunks).toString('utf8'), size };
}

/** What pve-http-server 6.0.5, PVE::APIServer::AnyEvent, takes as a body, and the parameters in it. */
export function readParams(
  headers: IncomingHttpHeaders,
  method: string,
  body: { readonly text: string; readonly size: number },
): Params {
  if (headers['transfer-encoding'] !== undefined)
    throw refuse('chunked transfer encoding not supported', 501);
  if (body.size === 0) return {};
  if (method !== 'PUT' && method !== 'POST') throw refuse(`Unexpected content for method '${method}'`, 501);
  if (body.size > largestBody) throw refuse('for data too large', 501);
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim();
  if (type === 'application/json') return parseJson(body.text);
  if (type === '' || type === 'application/x-www-form-urlencoded') return parseForm(body.text);
  throw refuse(`upload 'Content-Type '${headers['content-type']}' not implemented`, 506);
}

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

/** Decodes what is a percent escape and leaves the rest, as Perl does; never throws. */
export function decode(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .split(/(%[0-9a-fA-F]{2})/)
    .map((piece, index) =>
      index % 2 === 1 ? Buffer.from([Number.parseInt(piece.slice(1), 16)]) : Buffer.from(piece),
    );
  return Buffer.concat(bytes).toString('utf8');
}

/** JSON bodies may carry numbers, booleans and lists; Proxmox VE turns them into its own strings. */
export function parseJson(text: string): Params {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw refuse('malformed JSON string', 400);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw refuse('JSON body is not an object', 400);
  const value = (item: unknown) => {
    if (typeof item === 'object' && item !== null) throw refuse('nested JSON objects are not supported', 400);
    return typeof item === 'boolean' ? (item ? '1' : '0') : String(item ?? '');
  };
  return Object.fromEntries(
    Object.entries(document).map(([key, item]) => [key, Array.isArray(item) ? item.map(value) : value(item)]),
  );
}

/** A key that comes several times is a list. */
function add(params: Params, key: string, value: string): void {
  const old = params[key];
  params[key] = old === undefined ? value : [...(typeof old === 'string' ? [old] : old), value];
}
