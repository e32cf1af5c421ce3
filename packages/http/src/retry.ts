import { isVmgpuError } from '@vmgpu/core';
import { isRetryable, type RetryOptions, retryCall, wasNeverSent } from '@vmgpu/core/resilience';
import { repeatOf } from './errors.ts';
import type { HttpPort, HttpRequest } from './port.ts';

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
  switch (repeatOf(request)) {
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
