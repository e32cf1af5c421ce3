/** Tasks. Source: pve-manager 9.2.11, `PVE::API2::Tasks`. */
import type { CallOptions } from '@vmgpu/core';
import { at, type PvePort } from './port.ts';
import { parseUpid } from './upid.ts';

export interface TaskStatus {
  readonly status: 'running' | 'stopped';
  /** Of one that has ended: `OK`, `WARNINGS: 2`, or what went wrong, in one line. */
  readonly exitstatus?: string;
}

export interface TaskItem {
  readonly upid: string;
  readonly type: string;
  /** What it works on: a VM's id. */
  readonly id?: string;
  /** Of one that has ended. */
  readonly status?: string;
  readonly endtime?: number;
}

/** `GET /nodes/{node}/tasks/{upid}/status`; the task's owner, or Sys.Audit on the node. */
export function getTaskStatus(pve: PvePort, upid: string, options: CallOptions = {}): Promise<TaskStatus> {
  const { node } = parseUpid(upid);
  return pve.get(at`/nodes/${node}/tasks/${upid}/status`, options);
}

/** `GET /nodes/{node}/tasks/{upid}/log`; the task's owner, or Sys.Audit on the node. */
export async function getTaskLog(
  pve: PvePort,
  upid: string,
  options: CallOptions = {},
): Promise<readonly string[]> {
  const { node } = parseUpid(upid);
  const parameters = { start: 0, limit: 500 };
  const lines = await pve.get<readonly { readonly t?: string }[]>(at`/nodes/${node}/tasks/${upid}/log`, {
    ...options,
    parameters,
  });
  return lines.map(({ t = '' }) => t);
}

/** Tasks of one VM that run now. `GET /nodes/{node}/tasks`; own tasks, with Sys.Audit on the node all. */
export async function listActiveTasks(
  pve: PvePort,
  node: string,
  vmid: number,
  options: CallOptions = {},
): Promise<readonly TaskItem[]> {
  const parameters = { vmid, source: 'active' };
  const tasks = await pve.get<readonly TaskItem[]>(at`/nodes/${node}/tasks`, { ...options, parameters });
  // Older versions list tasks that have just ended among the active ones.
  // Tasks that have just ended are listed among the active ones, with their end.
  return tasks.filter(
    ({ id, endtime, status }) =>
      id === String(vmid) && endtime === undefined && (status ?? 'RUNNING') === 'RUNNING',
  );
}

/** `DELETE /nodes/{node}/tasks/{upid}`; the task's owner, or Sys.Modify on the node. */
export async function stopTask(pve: PvePort, upid: string, options: CallOptions = {}): Promise<void> {
  const { node } = parseUpid(upid);
  await pve.delete(at`/nodes/${node}/tasks/${upid}`, options);
}
