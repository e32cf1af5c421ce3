import type { HttpPort } from '../port.ts';
import { type HttpLogEntry, log } from './log.ts';

/** The port, and a list that grows with each request that has ended. */
export function record(port: HttpPort): {
  readonly port: HttpPort;
  readonly entries: readonly HttpLogEntry[];
} {
  const entries: HttpLogEntry[] = [];
  return { port: log(port, (entry) => entries.push(entry)), entries };
}
