import type { ServiceName } from './versions.ts';

/** What happened to one request. Tokens, bodies and answers are not in it. */
export interface RequestRecord {
  readonly service: ServiceName;
  readonly method: string;
  /** Below the service's address, without the query. */
  readonly path: string;
  /** The route, `/servers/{id}`; the path where there is none. */
  readonly route: string;
  readonly version: string | undefined;
  readonly user: string | undefined;
  readonly requestId: string;
  /** 0 when the connection was cut before the work. */
  readonly status: number;
}

/** How often each `service METHOD route` was asked. */
export function countRequests(requests: readonly RequestRecord[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { service, method, route } of requests) {
    const key = `${service} ${method} ${route}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}
