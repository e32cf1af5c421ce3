import { type CallOptions, VmgpuError } from '@vmgpu/core';
import type { HttpMethod, HttpPort, Repeat } from '@vmgpu/http';

type Field = string | number | boolean | undefined;

/** Parameters by name: those that are undefined are not sent, lists repeat the parameter, booleans go as 1 and 0. */
export type PveParameters = Readonly<Record<string, Field | readonly string[]>>;

export interface PveRequest extends CallOptions {
  readonly parameters?: PveParameters | undefined;
}

/** Calls to the API; each resolves to what the answer's `data` holds. */
export interface PvePort {
  get<T>(path: string, request?: PveRequest): Promise<T>;
  post<T>(path: string, request?: PveRequest): Promise<T>;
  put<T>(path: string, request?: PveRequest): Promise<T>;
  delete<T>(path: string, request?: PveRequest): Promise<T>;
}

/**
 * A path with every inserted value percent-encoded: ids of tasks hold colons, and nothing that a person named may break
 * out of its place.
 */
export function at(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return texts.reduce(
    (path, text, index) => path + encodeURIComponent(String(values[index - 1] ?? '')) + text,
  );
}

const formType = 'application/x-www-form-urlencoded';

/**
 * The envelope over `http`, whose base URL ends in `/api2/json`. Parameters go into the query for GET and DELETE (a body is
 * refused there) and else into a form, every byte percent-encoded: the server splits bodies at `&`, `;` and every `=`.
 */
export function createPvePort(http: HttpPort): PvePort {
  async function send<T>(
    method: HttpMethod,
    path: string,
    request: PveRequest = {},
    repeat?: Repeat,
  ): Promise<T> {
    const { parameters, ...options } = request;
    const text = encodeParameters(parameters ?? {});
    const inQuery = method === 'GET' || method === 'DELETE';
    const response = await http.request({
      method,
      url: inQuery && text !== '' ? `${path}?${text}` : path,
      ...(inQuery ? {} : { body: text, headers: { 'content-type': formType } }),
      ...(repeat ? { repeat } : {}),
      ...options,
    });
    const body = response.json<{ readonly data?: T }>();
    if (typeof body === 'object' && body !== null && 'data' in body) return body.data as T;
    throw new VmgpuError('refused', `${method} ${path}: the answer has no data`, {
      expected: 'an object with the field data, as Proxmox VE answers',
      hint: 'check that the URL is the address of Proxmox VE',
      details: { method, status: response.status, retryable: false },
    });
  }
  return {
    get: (path, request) => send('GET', path, request),
    post: (path, request) => send('POST', path, request),
    put: (path, request) => send('PUT', path, request),
    delete: (path, request) => send('DELETE', path, request),
  };
}

function encodeParameters(parameters: PveParameters): string {
  const pairs = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined
      ? []
      : (Array.isArray(value) ? value : [value]).map((item: Field): [string, string] => [
          name,
          typeof item === 'boolean' ? (item ? '1' : '0') : String(item),
        ]),
  );
  return new URLSearchParams(pairs).toString();
}
