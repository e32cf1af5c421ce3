import { type Caller, demand, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters } from './failure.ts';
import { truth } from './property-string.ts';
import type { ClusterState, TaskState } from './state.ts';

/** What is needed to start a worker, and to look at one. */
export interface TaskCall {
  readonly state: ClusterState;
  readonly caller: Caller;
  readonly node: string;
  readonly params: Params;
  readonly now: number;
  readonly taskMs: number;
}

/**
 * Starts a worker. Its work is done at once, its end comes after the cluster's task time; what it throws becomes the exit
 * status, as with PVE::RPCEnvironment `fork_worker`.
 */
export function startTask(
  { state, node, caller, now, taskMs }: Omit<TaskCall, 'params'>,
  type: string,
  id: number,
  work: (log: (line: string) => void) => void,
): string {
  state.counter += 1;
  const pid = 4242 + state.counter;
  const hex = (value: number) => Math.floor(value).toString(16).toUpperCase().padStart(8, '0');
  const upid = `UPID:${node}:${hex(pid)}:${hex(state.counter)}:${hex(now / 1000)}:${type}:${id}:${caller.id}:`;
  const log: string[] = [];
  const exitstatus = run(work, log);
  log.push(/^(OK|WARNINGS)/.test(exitstatus) ? `TASK ${exitstatus}` : `TASK ERROR: ${exitstatus}`);
  const user = caller.id;
  state.tasks.push({
    upid,
    node,
    pid,
    type,
    id: String(id),
    user,
    startedAt: now,
    endsAt: now + taskMs,
    log,
    exitstatus,
  });
  return upid;
}

function run(work: (log: (line: string) => void) => void, log: string[]): string {
  try {
    work((line) => log.push(...line.split('\n')));
    const warnings = log.filter((line) => line.startsWith('WARN: ')).length;
    return warnings === 0 ? 'OK' : `WARNINGS: ${warnings}`;
  } catch (error) {
    return (error as Error).message.trim().replaceAll('\n', ' ');
  }
}

/** Is a worker of this type at work on the VM? */
export function isAtWork(state: ClusterState, type: string, vmid: number, now: number): boolean {
  return state.tasks.some((task) => task.type === type && task.id === String(vmid) && now < task.endsAt);
}

function describe({ upid, node, pid, type, id, user, startedAt }: TaskState) {
  const [, , , pstart = '0'] = upid.split(':');
  const starttime = Math.floor(startedAt / 1000);
  return { upid, node, pid, pstart: Number.parseInt(pstart, 16), starttime, type, id, user };
}

export function taskStatus(call: TaskCall, upid: string): unknown {
  const task = findTask(call, upid);
  mayLook(call, task);
  return call.now < task.endsAt
    ? { ...describe(task), status: 'running' }
    : { ...describe(task), status: 'stopped', exitstatus: task.exitstatus };
}

export function taskLog(call: TaskCall, upid: string): unknown {
  const task = findTask(call, upid);
  mayLook(call, task);
  const start = Number(call.params.start ?? 0);
  const limit = Number(call.params.limit ?? 50);
  const written = call.now < task.endsAt ? task.log.slice(0, -1) : task.log;
  const lines = written.slice(start, limit === 0 ? undefined : start + limit);
  if (written.length === 0) return [{ n: 1, t: 'no content' }];
  return lines.map((text, index) => ({ n: start + index + 1, t: text }));
}

/** Own tasks; with Sys.Audit on the node all. The newest first. */
export function listTasks({ state, caller, node, params, now }: TaskCall): unknown {
  const all = privilegesOn(state, caller, `/nodes/${node}`).has('Sys.Audit');
  const source = String(params.source ?? 'archive');
  const wanted = (task: TaskState) => {
    const running = now < task.endsAt;
    const failed = !running && !/^(OK|WARNINGS)/.test(task.exitstatus ?? '');
    return (
      task.node === node &&
      (all || owns(caller, task)) &&
      (source === 'all' || (source === 'active') === running) &&
      (params.vmid === undefined || task.id === String(params.vmid)) &&
      (params.typefilter === undefined || task.type === String(params.typefilter)) &&
      (params.userfilter === undefined || task.user.includes(String(params.userfilter))) &&
      (params.since === undefined || task.startedAt / 1000 >= Number(params.since)) &&
      (params.until === undefined || task.startedAt / 1000 <= Number(params.until)) &&
      (truth(String(params.errors ?? '0')) !== true || failed)
    );
  };
  const start = Number(params.start ?? 0);
  return state.tasks
    .filter(wanted)
    .reverse()
    .slice(start, start + Number(params.limit ?? 50))
    .map((task) =>
      now < task.endsAt
        ? describe(task)
        : { ...describe(task), endtime: Math.floor(task.endsAt / 1000), status: task.exitstatus },
    );
}

/** Stops a worker that runs. What it was going to do has been done here already; only its end is that of a killed one. */
export function stopTask(call: TaskCall, upid: string): null {
  const { state, caller, node, now } = call;
  const task = findTask(call, upid);
  if (!owns(caller, task)) demand(state, caller, `/nodes/${node}`, ['Sys.Modify']);
  if (now < task.endsAt) {
    state.tasks[state.tasks.indexOf(task)] = { ...task, endsAt: now, exitstatus: 'unexpected status' };
  }
  return null;
}

/** A user owns what its tokens start. */
function owns(caller: Caller, task: TaskState): boolean {
  return task.user === caller.id || task.user.split('!')[0] === caller.id;
}

function mayLook({ state, caller, node }: TaskCall, task: TaskState): void {
  if (!owns(caller, task)) demand(state, caller, `/nodes/${node}`, ['Sys.Audit']);
}

function findTask({ state, node }: TaskCall, upid: string): TaskState {
  if (!/^UPID:[^:]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[^:]+:[^:]*:[^:]+:$/i.test(upid))
    throw badParameters({ upid: 'unable to parse worker upid' });
  const task = state.tasks.find((one) => one.upid === upid && one.node === node);
  if (!task) throw badParameters({ upid: 'no such task' });
  return task;
}
