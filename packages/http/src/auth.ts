import type { Clock, Secret } from '@vmgpu/core';
import { sharedWork } from '@vmgpu/core/resilience';
import type { HttpPort, HttpRequest } from './port.ts';

/** Headers that prove who we are. */
export interface HttpCredential {
  readonly headers: Readonly<Record<string, Secret>>;
  /** Milliseconds since 1970; renewed half a minute before. */
  readonly expiresAt?: number;
}

export interface HttpAuth {
  /**
   * Gets a credential: before the first request, when one is about to expire, and when the server answers 401. `http` sends
   * without credentials; it and `signal` stop when nobody waits for the credential any more.
   */
  authenticate(context: { readonly http: HttpPort; readonly signal: AbortSignal }): Promise<HttpCredential>;
}

/** A token that is not renewed. A 401 is final. */
export function fixedCredential(headers: HttpCredential['headers']): HttpAuth {
  const credential = { headers };
  return { authenticate: async () => credential };
}

const renewBeforeMs = 30_000;

/**
 * Sends every request with a credential. However many requests find it expired at the same moment, it is renewed once, and
 * each request is sent once more. A caller that aborts does not take the renewal from the others.
 */
export function withAuth(port: HttpPort, auth: HttpAuth, plain: HttpPort, clock: Clock): HttpPort {
  let current: HttpCredential | undefined;
  const renew = sharedWork(async (signal) => {
    const http: HttpPort = { request: (request) => plain.request({ ...request, signal }) };
    current = await auth.authenticate({ http, signal });
    return current;
  });
  function isStale({ expiresAt }: HttpCredential): boolean {
    return expiresAt !== undefined && expiresAt - renewBeforeMs <= clock.now();
  }

  return {
    async request(request) {
      const { signal } = request;
      const usable = current && !isStale(current) ? current : undefined;
      const credential = usable ?? (await renew(signal));
      const response = await port.request(withCredential(request, credential));
      if (response.status !== 401) return response;
      // Another request may have renewed it meanwhile.
      const renewed = current && current !== credential ? current : await renew(signal);
      return renewed === credential ? response : port.request(withCredential(request, renewed));
    },
  };
}

function withCredential(request: HttpRequest, { headers }: HttpCredential): HttpRequest {
  return { ...request, headers: { ...request.headers, ...headers } };
}
