import { type Clock, isVmgpuError, type VmgpuErrorCode } from '@vmgpu/core';
import { systemClock } from '@vmgpu/core/resilience';
import { publicUrl } from '../errors.ts';
import type { HttpMethod, HttpPort } from '../port.ts';

/** One request in a log: no headers, no bodies, no query. */
export interface HttpLogEntry {
  readonly method: HttpMethod;
  readonly url: string;
  readonly status?: number;
  /** Of a request that failed. */
  readonly error?: VmgpuErrorCode;
  readonly durationMs: number;
}

/** Tells of each request after it has ended. An observer that throws does not break the request. */
export function log(
  port: HttpPort,
  onEntry: (entry: HttpLogEntry) => void,
  clock: Clock = systemClock,
): HttpPort {
  return {
    async request(request) {
      const start = clock.now();
      const tell = (outcome: Pick<HttpLogEntry, 'status' | 'error'>) => {
        try {
          onEntry({
            method: request.method,
            url: publicUrl(request.url),
            ...outcome,
            durationMs: clock.now() - start,
          });
        } catch {
          // Observers cannot break the work.
        }
      };
      try {
        const response = await port.request(request);
        tell({ status: response.status });
        return response;
      } catch (error) {
        tell({ error: isVmgpuError(error) ? error.code : 'internal' });
        throw error;
      }
    },
    ...(port.close ? { close: () => port.close?.() } : {}),
  };
}
