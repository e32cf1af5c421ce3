import { isVmgpuError, VmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import type { HttpRequest, HttpResponse, Repeat } from './port.ts';

/** What the parts of this package and callers may read from an error's `details`. */
export interface HttpErrorDetails {
  readonly method: string;
  /** Without query and user info, which may hold secrets. */
  readonly url: string;
  readonly status?: number;
  readonly requestId?: string;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  /** false: it never reached the server. Absent when that is not known. */
  readonly sent?: false;
  /** The server said that it did not begin. */
  readonly refusedUnprocessed?: true;
}

/** `GET https://pve1:8006/api2/json/nodes` */
export function nameRequest({ method, url }: Pick<HttpRequest, 'method' | 'url'>): string {
  return `${method} ${publicUrl(url)}`;
}

export function publicUrl(url: string): string {
  return url.replace(/[?#].*$/s, '').replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1');
}

export function httpError(
  code: VmgpuErrorCode,
  request: Pick<HttpRequest, 'method' | 'url'>,
  why: string,
  details: Partial<HttpErrorDetails> = {},
  more: {
    readonly hint?: string | undefined;
    readonly cause?: unknown;
    readonly found?: string;
    readonly expected?: string;
  } = {},
): VmgpuError {
  const { hint, ...rest } = more;
  return new VmgpuError(code, `${nameRequest(request)}: ${why}`, {
    ...rest,
    ...(hint === undefined ? {} : { hint }),
    details: { retryable: false, ...details, method: request.method, url: publicUrl(request.url) },
  });
}

/** What an aborted signal means for the request that it stopped. */
export function abortError(request: HttpRequest, signal: AbortSignal): VmgpuError {
  if (isVmgpuError(signal.reason)) return signal.reason as VmgpuError;
  return httpError('aborted', request, 'aborted by the caller', {}, { cause: signal.reason });
}

/** The answer's text as JSON, for bindings of HttpPort. */
export function parseJson(
  request: Pick<HttpRequest, 'method' | 'url' | 'repeat'>,
  { status, headers, text }: Pick<HttpResponse, 'status' | 'headers' | 'text'>,
): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const type = headers['content-type'] ?? 'no content type';
    const details = { status, retryable: repeatOf(request) === 'always' };
    if (/json/i.test(type) || /^\s*[[{]/.test(text)) {
      throw httpError(
        'unreachable',
        request,
        `the JSON answer is damaged or cut off after ${text.length} characters`,
        details,
      );
    }
    throw httpError(
      'refused',
      request,
      'the answer is not JSON',
      { status },
      {
        found: type,
        expected: 'application/json',
        hint: 'check that the URL is the address of the API and not of a proxy or a web page',
      },
    );
  }
}

/** What a request says of itself, else what its method says: POST and PATCH may do their work twice. */
export function repeatOf({ method, repeat }: Pick<HttpRequest, 'method' | 'repeat'>): Repeat {
  return repeat ?? (method === 'POST' || method === 'PATCH' ? 'if-not-sent' : 'always');
}
