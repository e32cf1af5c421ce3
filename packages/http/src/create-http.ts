import type { Clock, Secret } from '@vmgpu/core';
import { isVmgpuError } from '@vmgpu/core';
import { type Backoff, type RetryNotice, startDeadline, systemClock } from '@vmgpu/core/resilience';
import { type HttpAuth, withAuth } from './auth.ts';
import { createAxiosPort } from './axios.ts';
import { abortError, httpError, nameRequest } from './errors.ts';
import { createResolver } from './origin.ts';
import type { HttpPort, HttpRequest } from './port.ts';
import { withRedirects } from './redirect.ts';
import { withRetry } from './retry.ts';
import { withScrubbedErrors } from './secrets.ts';
import { type ReadError, withStatusErrors } from './status.ts';
import { checkTls, type TlsSettings } from './tls.ts';

export interface HttpSettings {
  /** Scheme, host, port and the path that requests are below: `https://pve1:8006/api2/json`. */
  readonly baseUrl: string;
  /** Further origins that may be called, with credentials: services that a catalogue of the platform names. */
  readonly trustedOrigins?: readonly string[];
  readonly tls?: TlsSettings;
  readonly auth?: HttpAuth;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string | Secret>>;
  /** Limit for one try, in milliseconds; default 30 s. A request's own `timeoutMs` limits all its tries together. */
  readonly tryTimeoutMs?: number;
  readonly maxResponseBytes?: number;
  readonly connections?: number;
  /** `env`: HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured. Default `none`. */
  readonly proxy?: 'none' | 'env';
  /** Tries in all (default 4; 1 switches repeating off) and the waits between them. */
  readonly retry?: Backoff & { readonly tries?: number; readonly onRetry?: (notice: RetryNotice) => void };
  /** What the platform's own error answers mean. */
  readonly readError?: ReadError;
  readonly requestIdHeaders?: readonly string[];
  /** Sends one request with an absolute URL; the axios binding by default. */
  readonly transport?: HttpPort;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const defaultTryTimeoutMs = 30_000;

/**
 * An HTTP client for one platform. Rejects with typed errors only: `aborted`, `timeout`, `unreachable`, `auth-failed`,
 * `permission-denied`, `not-found`, `conflict`, `refused` ... whose `details` say method, URL, status, request id, and
 * whether the call may be repeated. Throws `bad-input` for settings that cannot be.
 */
export function createHttp(settings: HttpSettings): HttpPort {
  const { clock = systemClock, random = Math.random, tls = {}, proxy = 'none', auth } = settings;
  checkTls(tls, proxy);
  const resolve = createResolver(settings.baseUrl, settings.trustedOrigins);
  const transport = settings.transport ?? createAxiosPort({ ...settings, tls, proxy });
  const wire = withRedirects(
    withScrubbedErrors(withTryTimeout(transport, settings.tryTimeoutMs ?? defaultTryTimeoutMs, clock)),
  );
  const finish = (port: HttpPort): HttpPort => {
    const tried = withRetry(withStatusErrors(port, { ...settings, clock }), {
      ...settings.retry,
      clock,
      random,
    });
    return {
      request: async (request) => limited(tried, withHeaders(resolve(request), settings.headers), clock),
    };
  };
  const plain = finish(wire);
  const { request } = auth ? finish(withAuth(wire, auth, plain, clock)) : plain;
  return { request, close: () => transport.close?.() };
}

function withHeaders(request: HttpRequest, headers: HttpSettings['headers']): HttpRequest {
  return headers ? { ...request, headers: { ...headers, ...request.headers } } : request;
}

/** A request's own time limit and signal, over all tries; whatever comes out is a typed error. */
async function limited(port: HttpPort, request: HttpRequest, clock: Clock) {
  const { timeoutMs, signal, ...rest } = request;
  const deadline = startDeadline(clock, nameRequest(request), timeoutMs, [signal]);
  try {
    return await port.request({ ...rest, signal: deadline.signal });
  } catch (error) {
    if (deadline.signal.aborted) throw abortError(request, deadline.signal);
    if (isVmgpuError(error)) throw error;
    throw httpError('internal', request, 'an unexpected error', {}, { cause: error });
  } finally {
    deadline.release();
  }
}

function withTryTimeout(port: HttpPort, limitMs: number, clock: Clock): HttpPort {
  return {
    async request(request) {
      const { signal } = request;
      const deadline = startDeadline(clock, nameRequest(request), limitMs, [signal]);
      try {
        return await port.request({ ...request, signal: deadline.signal });
      } catch (error) {
        if (!deadline.signal.aborted || signal?.aborted) throw error;
        // One slow try; another may be faster, where sending again is allowed.
        throw httpError('timeout', request, `no answer within ${limitMs / 1000} s`, { retryable: true });
      } finally {
        deadline.release();
      }
    },
  };
}
