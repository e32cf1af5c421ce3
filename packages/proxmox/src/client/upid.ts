import { badInput } from '@vmgpu/core';

/** The id of a task, taken apart. Source: pve-common 9.2.1, `PVE::Tools::upid_decode`. */
export interface Upid {
  /** The node that runs the task and answers for it. */
  readonly node: string;
  readonly pid: number;
  /** Start of the process, in clock ticks since the node's boot. */
  readonly processStart: number;
  /** Seconds since 1970. */
  readonly startTime: number;
  /** `qmcreate`, `qmstart`, `qmdestroy` ... */
  readonly type: string;
  /** What it works on: the VM's id; may be empty. */
  readonly id: string;
  /** Who ordered it; for API tokens `user@realm!name`. */
  readonly user: string;
}

const pattern =
  /^UPID:([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?):([0-9A-F]{8}):([0-9A-F]{8,9}):([0-9A-F]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$/i;

export function tryParseUpid(text: string): Upid | undefined {
  // A node's name is at most 63 characters long; longer texts are no UPID, and not worth a search.
  const match = text.length > 512 ? null : pattern.exec(text);
  if (!match) return undefined;
  const [, node = '', pid = '', processStart = '', startTime = '', type = '', id = '', user = ''] = match;
  const hex = (digits: string) => Number.parseInt(digits, 16);
  return { node, pid: hex(pid), processStart: hex(processStart), startTime: hex(startTime), type, id, user };
}

/** Throws `bad-input`. */
export function parseUpid(text: string): Upid {
  const upid = tryParseUpid(text);
  if (upid) return upid;
  throw badInput('not the id of a task', { found: text, expected: 'UPID:node:pid:start:time:type:id:user:' });
}

export function printUpid({ node, pid, processStart, startTime, type, id, user }: Upid): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  return `UPID:${node}:${hex(pid)}:${hex(processStart)}:${hex(startTime)}:${type}:${id}:${user}:`;
}
