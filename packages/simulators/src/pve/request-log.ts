import type { Params } from './body.ts';

/** What happened to one request. Secrets are not in it. */
export interface RequestRecord {
  readonly method: string;
  /** Below `/api2/json`, without the query. */
  readonly path: string;
  /** The route, `/nodes/{node}/qemu/{vmid}/config`; the path where there is none. */
  readonly route: string;
  readonly user: string | undefined;
  readonly params: Params;
  /** 0 when the connection was cut before the work. */
  readonly status: number;
}

/** How often each `METHOD route` was asked. */
export function countRequests(requests: readonly RequestRecord[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { method, route } of requests) {
    const key = `${method} ${route}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

export function withoutSecrets(params: Params): Params {
  return Object.fromEntries(
    Object.entries(params).map(([key, value]) => [
      key,
      /password|secret|tfa-challenge|otp|sshkeys/.test(key) ? '[secret]' : value,
    ]),
  );
}
