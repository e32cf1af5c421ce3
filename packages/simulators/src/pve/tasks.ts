import { badParameters } from './failure.ts';
import type { ClusterState, TaskState } from './state.ts';

/** Starts a worker. The work is done when it ends; what it throws becomes the exit status, as with PVE::RPCEnvironment. */
export function startTask(
  state: ClusterState,
  node: string,
  type: string,
  id: string,
  user: string,
  now: number,
  durationMs: number,
  work: (log: (line: string) => void) => void,
): string {
  state.counter += 1;
  const hex = (value: number) => Math.floor(value).toString(16).toUpperCase().padStart(8, '0');
  const upid = `UPID:${node}:${hex(4242 + state.counter)}:${hex(state.counter)}:${hex(now / 1000)}:${type}:${id}:${user}:`;
  const task: TaskState = {
    upid,
    node,
    type,
    id,
    user,
    endsAt: now + durationMs,
    log: [],
    exitstatus: undefined,
  };
  try {
    work((line) => task.log.push(line));
    task.exitstatus = task.log.some((line) => line.startsWith('WARN')) ? 'WARNINGS: 1' : 'OK';
  } catch (error) {
    task.exitstatus = (error as Error).message.trim();
    task.log.push(`TASK ERROR: ${task.exitstatus}`);
  }
  if (task.exitstatus === 'OK') task.log.push('TASK OK');
  state.tasks.push(task);
  return upid;
}

export function taskStatus(state: ClusterState, node: string, upid: string, now: number): unknown {
  const task = findTask(state, node, upid);
  const base = {
    upid,
    node: task.node,
    type: task.type,
    id: task.id,
    user: task.user,
    pid: 4242,
    starttime: 1,
  };
  return now < task.endsAt
    ? { ...base, status: 'running' }
    : { ...base, status: 'stopped', exitstatus: task.exitstatus };
}

export function taskLog(
  state: ClusterState,
  node: string,
  upid: string,
  start: number,
  limit: number,
): unknown {
  const { log } = findTask(state, node, upid);
  return log.slice(start, start + limit).map((text, index) => ({ n: start + index + 1, t: text }));
}

export function listTasks(state: ClusterState, node: string, now: number): unknown {
  return state.tasks
    .filter((task) => task.node === node)
    .map(({ upid, type, id, user, exitstatus, endsAt }) => ({
      upid,
      node,
      type,
      id,
      user,
      ...(now < endsAt ? {} : { status: exitstatus }),
    }));
}

/** DELETE stops a worker that runs: what it was going to do has been done here already, so only its end is marked. */
export function stopTask(state: ClusterState, node: string, upid: string, now: number): null {
  const task = findTask(state, node, upid);
  if (now < task.endsAt) {
    const index = state.tasks.indexOf(task);
    state.tasks[index] = { ...task, endsAt: now };
  }
  return null;
}

function findTask(state: ClusterState, node: string, upid: string): TaskState {
  const task = state.tasks.find((one) => one.upid === upid && one.node === node);
  if (!task) throw badParameters({ upid: 'no such task' });
  return task;
}
