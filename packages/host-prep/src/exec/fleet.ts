import type { HostOutcome } from './apply-host-plan.ts';
import type { HostEvent } from './host-events.ts';
import type { HostPort } from './host-port.ts';

export interface FleetOptions {
  /** Hosts at once; default 8. */
  readonly concurrency?: number;
  /**
   * Hosts that may be unavailable at once, rebooting or failed: no further host is begun while so many are. Not set: hosts
   * are independent of each other, and a failed one stops nobody.
   */
  readonly maxUnavailable?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: HostEvent) => void;
}

export type FleetResult<T = HostOutcome> =
  | { readonly host: string; readonly ok: true; readonly value: T }
  | { readonly host: string; readonly ok: false; readonly error: unknown }
  /** Not begun, because too many others had failed or the work was aborted. */
  | { readonly host: string; readonly ok: undefined };

/** Does the same with many hosts, some at once. Never rejects: each host has its own result, in the order of the ports. */
export async function onHosts<T>(
  ports: readonly HostPort[],
  work: (port: HostPort) => Promise<T>,
  { concurrency = 8, maxUnavailable, signal, onEvent }: FleetOptions = {},
): Promise<readonly FleetResult<T>[]> {
  const results: FleetResult<T>[] = ports.map(({ name }) => ({ host: name, ok: undefined }));
  const width = Math.max(1, Math.min(concurrency, maxUnavailable ?? concurrency, ports.length));
  let next = 0;
  let failed = 0;
  const worker = async () => {
    while (next < ports.length && !signal?.aborted && failed < (maxUnavailable ?? Number.POSITIVE_INFINITY)) {
      const index = next;
      next += 1;
      const port = ports[index] as HostPort;
      try {
        results[index] = { host: port.name, ok: true, value: await work(port) };
      } catch (error) {
        failed += 1;
        results[index] = { host: port.name, ok: false, error };
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  for (const { host, ok } of results) {
    if (ok === undefined) onEvent?.({ host, type: 'host-end', status: 'skipped' });
  }
  return results;
}
