import type { Dict } from '../types.ts';

/** A fault for some requests: plain JSON, so that scenarios can carry it. What is absent does not happen. */
export interface Fault {
  readonly method?: string;
  /** Text that the path contains. */
  readonly path?: string;
  /** `list`, `watch`, `get`, ... */
  readonly verb?: string;
  readonly user?: string;
  /** How many of the matching requests come through first, and then how many it hits. Default: 0 and all. */
  readonly after?: number;
  readonly times?: number;
  readonly delayMs?: number;
  /** Answer with this status instead: 429, 500, 503, 401, 403, 404, 409, ... */
  readonly status?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly retryAfter?: number;
  /** Reset the connection: before the work is done, or after it (the client cannot know which). */
  readonly cut?: 'before' | 'after';
  /** Send only so many bytes of the body, then end as if all were there. */
  readonly truncate?: number;
}

export interface Faults {
  add(fault: Fault): () => void;
  clear(): void;
  /** The first fault that hits this request; counts it. */
  take(request: { method: string; path: string; verb: string; user: string }): Fault | undefined;
}

export function createFaults(): Faults {
  let active: { fault: Fault; seen: number }[] = [];
  return {
    add(fault) {
      const entry = { fault, seen: 0 };
      active.push(entry);
      return () => {
        active = active.filter((other) => other !== entry);
      };
    },
    clear() {
      active = [];
    },
    take({ method, path, verb, user }) {
      for (const entry of active) {
        const { fault } = entry;
        if (fault.method !== undefined && fault.method !== method) continue;
        if (fault.verb !== undefined && fault.verb !== verb) continue;
        if (fault.user !== undefined && fault.user !== user) continue;
        if (fault.path !== undefined && !path.includes(fault.path)) continue;
        entry.seen += 1;
        const { after = 0, times = Number.POSITIVE_INFINITY } = fault;
        if (entry.seen > after && entry.seen <= after + times) return fault;
      }
      return undefined;
    },
  };
}

const texts: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  401: ['Unauthorized', 'Unauthorized'],
  403: ['Forbidden', 'forbidden'],
  429: ['TooManyRequests', 'Too many requests, please try again later.'],
  500: ['InternalError', 'Internal error occurred: etcdserver: request timed out'],
  503: ['ServiceUnavailable', 'apiserver not ready'],
  504: ['Timeout', 'Timeout: request did not complete within requested timeout'],
};

export function faultStatus({ status = 500, reason, message, retryAfter }: Fault): Dict {
  const [usualReason, usualMessage] = texts[status] ?? ['', `status ${status}`];
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: message ?? usualMessage,
    reason: reason ?? usualReason,
    ...(retryAfter !== undefined && { details: { retryAfterSeconds: retryAfter } }),
    code: status,
  };
}
