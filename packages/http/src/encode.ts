import { badInput, Secret } from '@vmgpu/core';
import type { HttpRequest } from './port.ts';
import { reveal } from './secrets.ts';

export interface EncodedBody {
  readonly body?: string | Uint8Array;
  /** What it is unless the request's headers say otherwise. */
  readonly contentType?: string;
}

/** The body as it goes onto the wire; the only place where secrets are revealed, besides headers. */
export function encodeBody({ json, form, body }: HttpRequest): EncodedBody {
  if ([json, form, body].filter((part) => part !== undefined).length > 1) {
    throw badInput('a request has one body', { expected: 'only one of json, form and body' });
  }
  if (json !== undefined) return { body: revealJson(json), contentType: 'application/json' };
  if (form !== undefined) {
    const fields = Object.entries(form).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(fields.map(([key, value]) => [key, reveal(value)])).toString();
    return { body: text, contentType: 'application/x-www-form-urlencoded' };
  }
  if (body === undefined) return {};
  if (ArrayBuffer.isView(body)) return { body, contentType: 'application/octet-stream' };
  return { body: reveal(body), contentType: 'text/plain; charset=utf-8' };
}

function revealJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, item) {
    // The replacer gets what `Secret.toJSON` makes of it; the holder still has the secret.
    const raw = this[key];
    return raw instanceof Secret ? raw.reveal() : item;
  });
}

/** The URL with the query's fields added. */
export function withQuery(url: string, query: HttpRequest['query']): string {
  const result = new URL(url);
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) result.searchParams.append(key, String(item));
  }
  return result.href;
}
