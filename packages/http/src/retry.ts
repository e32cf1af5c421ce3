import { isVmgpuError } from '@vmgpu/core';
import { isRetryable, type RetryOptions, retryCall, wasNeverSent } from '@vmgpu/core/resilience';
import { isIdempotent } from './errors.ts';
import type { HttpPort, HttpRequest, Repeat } from './port.ts';

/** Sends again what may be sent again; see `Repeat`. */
export function withRetry(port: HttpPort, options: RetryOptions): HttpPort {
  return {
    request: (request) =>
      retryCall(() => port.request(request), {
        ...options,
        ...(request.signal ? { signal: request.signal } : {}),
        retryable: (error) => mayRepeat(request, error),
      }),
  };
}

function mayRepeat(request: HttpRequest, error: unknown): boolean {
  if (!isRetryable(error)) return false;
  const repeat: Repeat = request.repeat ?? (isIdempotent(request.method) ? 'always' : 'if-not-sent');
  switch (repeat) {
    case 'always':
      return true;
    case 'if-refused':
      return wasNeverSent(error) || (isVmgpuError(error) && error.details?.refusedUnprocessed === true);
    case 'if-not-sent':
      return wasNeverSent(error);
    case 'never':
      return false;
  }
}
