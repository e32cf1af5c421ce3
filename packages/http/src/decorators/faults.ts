import { httpError } from '../errors.ts';
import type { HttpMethod, HttpPort } from '../port.ts';
import { jsonResponse } from './dry-run.ts';

/** A fault to put into a port. Fields that are not given match everything. */
export interface HttpFault {
  readonly method?: HttpMethod;
  /** Part of the URL. */
  readonly url?: string;
  /** Default: once. */
  readonly times?: number;
  /** `before`: the server never sees it; `after`: it was done and the answer is lost. Default `before`. */
  readonly when?: 'before' | 'after';
  /** Answer with this status instead of a broken connection. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** The port, with faults; put it under `createHttp` as `transport` to test what stands above. */
export function faults(port: HttpPort, list: readonly HttpFault[]): HttpPort {
  const left = list.map((fault) => ({ ...fault, times: fault.times ?? 1 }));
  return {
    async request(request) {
      const fault = left.find(
        ({ times, method, url }) =>
          times > 0 && (method ?? request.method) === request.method && request.url.includes(url ?? ''),
      );
      if (!fault) return port.request(request);
      fault.times -= 1;
      const { when = 'before', status, headers, body } = fault;
      if (when === 'after') await port.request(request);
      if (status !== undefined) return jsonResponse(request.url, status, body, headers);
      throw httpError('unreachable', request, 'a fault was injected', {
        retryable: true,
        ...(when === 'before' ? { sent: false } : {}),
      });
    },
    ...(port.close ? { close: () => port.close?.() } : {}),
  };
}
