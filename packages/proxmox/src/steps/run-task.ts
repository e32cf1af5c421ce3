import { isVmgpuError, type StepContext } from '@vmgpu/core';
import { taskError } from '../client/errors.ts';
import { getTaskLog, getTaskStatus, listActiveTasks, stopTask } from '../client/tasks.ts';
import { parseUpid } from '../client/upid.ts';
import type { VmPlace } from '../client/vms.ts';
import type { StepEnv } from './env.ts';

export interface AwaitedTask {
  readonly upid: string;
  /** Begin of the sentence when it fails: `Unable to start VM train-1 (100)`. */
  readonly what: string;
  readonly timeoutMs: number;
  /** What stays noted when the task was cancelled and so ended without effect. */
  readonly handleWithout?: unknown;
}

const firstLookMs = 500;
/** How long asking for the cancellation of a task may take. */
const cancelMs = 3_000;

/**
 * Waits until a task has ended, by the platform's only means: looking, at first twice a second, then every 2 s. Rejects with
 * the cause when it has failed. A task that nobody remembers has ended; what it did has to be looked at.
 */
export async function awaitTask(env: StepEnv, context: StepContext, task: AwaitedTask): Promise<void> {
  const { upid, what, timeoutMs, handleWithout } = task;
  const { signal, retry, emit, clock } = context;
  const { type, node } = parseUpid(upid);
  let looks = 0;
  try {
    emit({ fraction: 0, message: `task ${type} on ${node}: ordered` });
    // No task is over at once; a look right after the order would be a request for nothing.
    await clock.sleep(firstLookMs, signal);
    const exitStatus = await retry.poll(
      async () => {
        const { status, exitstatus = 'unexpected status' } = await getTaskStatus(env.pve, upid, { signal });
        looks += 1;
        const done = status === 'stopped';
        emit({
          fraction: done ? 1 : looks / (looks + 4),
          message: `task ${type} on ${node}: ${done ? exitstatus : status}`,
        });
        return done ? { done, value: exitstatus } : { done, seen: status };
      },
      { what: `Task ${upid}`, timeoutMs, minMs: firstLookMs, maxMs: 2_000 },
    );
    if (exitStatus === 'OK' || /^WARNINGS: \d+$/.test(exitStatus)) return;
    const log = await getTaskLog(env.pve, upid, { signal }).catch(() => []);
    throw taskError(what, exitStatus, log, { upid, node });
  } catch (error) {
    if (signal.aborted) await cancelTask(env, context, upid, handleWithout);
    if (isVmgpuError(error) && error.code === 'not-found' && looks === 0) return;
    throw error;
  }
}

/** Nobody waits for the task any more, so it shall not go on. When that cannot be reached, its handle stays noted. */
async function cancelTask(env: StepEnv, context: StepContext, upid: string, handle: unknown): Promise<void> {
  const stopped = await stopTask(env.pve, upid, { timeoutMs: cancelMs }).then(
    () => true,
    () => false,
  );
  if (stopped) await context.note({ handle });
}

/** Waits for tasks of these types that work on the VM now, however they end: orders whose answer was lost. */
export async function awaitOthers(
  env: StepEnv,
  { retry, signal }: StepContext,
  { node, vmid }: VmPlace,
  types: readonly string[],
): Promise<void> {
  const active = await listActiveTasks(env.pve, node, vmid, { signal });
  for (const { upid, type } of active) {
    if (!types.includes(type)) continue;
    const options = { what: `Task ${upid}`, timeoutMs: env.timeouts.taskMs, minMs: 500, maxMs: 2_000 };
    await retry.poll(async () => {
      const { status } = await getTaskStatus(env.pve, upid, { signal });
      return status === 'stopped' ? { done: true, value: undefined } : { done: false, seen: status };
    }, options);
  }
}
