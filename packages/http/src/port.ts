import type { CallOptions, Secret } from '@vmgpu/core';

export type HttpMethod = 'GET' | 'HEAD' | 'OPTIONS' | 'PUT' | 'DELETE' | 'POST' | 'PATCH';

/**
 * When a request may be sent a second time:
 * - `always`: after any passing failure; the default of GET, HEAD, OPTIONS, PUT and DELETE, which can be done twice
 * - `if-refused`: the server said that it did not begin (429, or 503 with Retry-After), or it was never reached
 * - `if-not-sent`: it was never reached; the default of POST and PATCH
 * - `never`
 */
export type Repeat = 'always' | 'if-refused' | 'if-not-sent' | 'never';

export type FieldValue = string | number | boolean | undefined;

/** A request. Values that are credentials are `Secret`s: they are revealed on the wire and nowhere else. */
export interface HttpRequest extends CallOptions {
  readonly method: HttpMethod;
  /** A path below the client's base URL, or an absolute URL of a trusted origin. */
  readonly url: string;
  /** Fields that are undefined are not sent; lists repeat the field. */
  readonly query?: Readonly<Record<string, FieldValue | readonly (string | number)[]>>;
  readonly headers?: Readonly<Record<string, string | Secret>>;
  /** At most one of json, form, body. Secrets may stand anywhere in `json`. */
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, FieldValue | Secret>>;
  readonly body?: string | Uint8Array | Secret;
  readonly repeat?: Repeat;
  /** Statuses besides 2xx that are an answer and not an error, e.g. `[404]`. */
  readonly accept?: readonly number[];
}

export interface HttpResponse {
  readonly status: number;
  /** The reason phrase, where the binding knows it: older Proxmox VE says there what went wrong, and nowhere else. */
  readonly statusText?: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where it came from, after redirects. */
  readonly url: string;
  readonly text: string;
  /** The text as JSON. Throws `unreachable` when it is cut off, `refused` when it is something else. */
  json<T = unknown>(): T;
}

/** Request in, response out: all that adapters know of HTTP. */
export interface HttpPort {
  request(request: HttpRequest): Promise<HttpResponse>;
  /** Closes idle connections. */
  close?(): void;
}

/** A method that changes nothing. */
export function isRead(method: HttpMethod): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
