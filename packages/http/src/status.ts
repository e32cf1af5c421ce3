import type { Clock, VmgpuErrorCode } from '@vmgpu/core';
import { type HttpErrorDetails, httpError } from './errors.ts';
import type { HttpPort, HttpRequest, HttpResponse } from './port.ts';
import { parseRetryAfter } from './retry-after.ts';

/** What a client that knows its platform makes of an answer that is an error; unset fields keep the general reading. */
export interface ErrorReading {
  readonly code?: VmgpuErrorCode;
  readonly message?: string;
  readonly hint?: string;
  readonly retryable?: boolean;
  /** Further facts for the error's `details`. */
  readonly details?: Readonly<Record<string, unknown>>;
}
export type ReadError = (response: HttpResponse) => ErrorReading | undefined;

export interface StatusOptions {
  readonly clock: Clock;
  readonly readError?: ReadError | undefined;
  /** Headers that may carry the platform's id of the request, in order. */
  readonly requestIdHeaders?: readonly string[] | undefined;
}

const codes: Readonly<Record<number, VmgpuErrorCode>> = {
  401: 'auth-failed',
  403: 'permission-denied',
  404: 'not-found',
  408: 'unreachable',
  409: 'conflict',
  410: 'not-found',
  412: 'conflict',
  423: 'conflict',
  425: 'unreachable',
  429: 'unreachable',
  501: 'unsupported',
  502: 'unreachable',
  503: 'unreachable',
  504: 'unreachable',
  507: 'capacity',
};

/** OpenStack's names, and the ones of proxies. */
const defaultRequestIdHeaders = ['x-openstack-request-id', 'x-compute-request-id', 'x-request-id'];

/** Turns answers with an error status into typed errors. */
export function withStatusErrors(port: HttpPort, options: StatusOptions): HttpPort {
  return {
    async request(request) {
      const response = await port.request(request);
      const { status } = response;
      if ((status >= 200 && status < 300) || request.accept?.includes(status)) return response;
      throw statusError(request, response, options);
    },
  };
}

function statusError(request: HttpRequest, response: HttpResponse, options: StatusOptions) {
  const { status, headers } = response;
  const code = codes[status] ?? 'refused';
  const reading = options.readError?.(response) ?? {};
  const retryAfterMs = parseRetryAfter(headers['retry-after'], options.clock.now());
  const requestId = (options.requestIdHeaders ?? defaultRequestIdHeaders)
    .map((name) => headers[name.toLowerCase()])
    .find((value) => value !== undefined);
  const details: Partial<HttpErrorDetails> = {
    ...reading.details,
    status,
    retryable: reading.retryable ?? code === 'unreachable',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(status === 429 || (status === 503 && retryAfterMs !== undefined) ? { refusedUnprocessed: true } : {}),
  };
  const said = reading.message ?? sentence(response);
  return httpError(
    reading.code ?? code,
    { ...request, url: response.url },
    `${status}${said && ` ${said}`}`,
    details,
    {
      hint: reading.hint,
    },
  );
}

const longestSentence = 300;

/** What the server says in the forms that are in use: `{message}`, `{error: {message}}`, `{badRequest: {message}}`. */
function sentence({ headers, text }: HttpResponse): string {
  if (/html/i.test(headers['content-type'] ?? '')) return '';
  let said = text;
  try {
    said = findMessage(JSON.parse(text)) ?? '';
  } catch {
    // Not JSON: the text is the sentence.
  }
  const line = said.replace(/\s+/g, ' ').trim();
  return line.length > longestSentence ? `${line.slice(0, longestSentence)}…` : line;
}

function findMessage(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { message, error, errors } = body as Record<string, unknown>;
  if (typeof message === 'string') return message;
  if (typeof error === 'string') return error;
  const inner = Array.isArray(errors) ? errors : Object.values(body);
  const nested = inner.find((item) => typeof item === 'object' && item !== null) as
    | Record<string, unknown>
    | undefined;
  const found = nested?.message ?? nested?.detail;
  return typeof found === 'string' ? found : undefined;
}
