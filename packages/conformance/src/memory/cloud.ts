import type { Clock } from '@vmgpu/core';
import type { Fault } from '../harness.ts';

/** A request as the memory platform understands it. */
export interface CloudRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'POST';
  /** `pools/NAME`, `vms/NAME`, `vms/NAME/start`, `vms/NAME/stop`, `tasks/ID`, `tasks/ID/cancel` */
  readonly path: string;
  readonly body?: unknown;
  readonly token: string;
}

/** An answer; 0 stands for a connection that was not made or broke. */
export interface CloudAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly message?: string;
  readonly retryAfterMs?: number;
  readonly sent?: boolean;
}

type Stored = Record<string, unknown>;

/** A platform in memory: objects that are read, put and deleted, and VMs that are started by tasks that take time. */
export interface MemoryCloud {
  send(request: CloudRequest): Promise<CloudAnswer>;
  inject(fault: Fault): Promise<void>;
  heal(): void;
  readonly requests: readonly CloudRequest[];
  readonly orders: readonly string[];
  readonly objects: Map<string, Stored>;
}

const taskMs = 2_000;

export function createMemoryCloud(clock: Clock, token: string): MemoryCloud {
  const objects = new Map<string, Stored>();
  const tasks = new Map<
    string,
    { doneAt: number; vm: string; running: boolean; ended?: 'done' | 'cancelled' }
  >();
  const requests: CloudRequest[] = [];
  const orders: string[] = [];
  let faults: { fault: Fault; skip: number; times: number; struck: () => void }[] = [];

  function settleTasks(): void {
    for (const [id, task] of tasks) {
      if (task.ended || task.doneAt > clock.now()) continue;
      tasks.set(id, { ...task, ended: 'done' });
      release(task.vm, { running: task.running });
    }
  }
  function release(vm: string, change: Stored): void {
    const { task: _task, ...rest } = objects.get(vm) ?? {};
    if (objects.has(vm)) objects.set(vm, { ...rest, ...change });
  }

  function serve({ method, path, body, token: given }: CloudRequest): CloudAnswer {
    settleTasks();
    if (given !== token) return { status: 401, message: `the token ${given} is not known` };
    const [kind, name, action] = path.split('/');
    const key = `${kind}/${name}`;
    if (kind === 'tasks') return serveTask(name ?? '', action);
    const object = objects.get(key);
    if (method === 'GET')
      return object ? { status: 200, body: object } : { status: 404, message: `no ${key}` };
    if (method === 'POST') return order(key, action === 'start');
    if (object?.task !== undefined) return { status: 409, message: `${key} is locked by a task` };
    if (method === 'PUT') objects.set(key, body as Stored);
    else objects.delete(key);
    return { status: 200 };
  }
  function order(vm: string, running: boolean): CloudAnswer {
    const object = objects.get(vm);
    if (!object) return { status: 404, message: `no ${vm}` };
    const id = `task-${tasks.size + 1}`;
    orders.push(`${running ? 'start' : 'stop'} ${vm}`);
    tasks.set(id, { doneAt: clock.now() + taskMs, vm, running });
    objects.set(vm, { ...object, task: id });
    return { status: 200, body: { task: id } };
  }
  function serveTask(id: string, action: string | undefined): CloudAnswer {
    const task = tasks.get(id);
    if (!task) return { status: 404, message: `no task ${id}` };
    if (action === 'cancel' && !task.ended) {
      tasks.set(id, { ...task, ended: 'cancelled' });
      release(task.vm, {});
    }
    return { status: 200, body: { state: tasks.get(id)?.ended ?? 'running' } };
  }

  return {
    requests,
    orders,
    objects,
    inject: (fault) =>
      new Promise((resolve) => {
        faults.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1, struck: resolve });
      }),
    heal() {
      faults = [];
    },
    async send(request) {
      // A copy both ways, as over a wire.
      const sent = structuredClone(request);
      requests.push(sent);
      for (const entry of faults) {
        if (!meets(entry.fault, sent) || entry.times === 0) continue;
        if (entry.skip > 0) {
          entry.skip -= 1;
          continue;
        }
        entry.times -= 1;
        entry.struck();
        return strike(entry.fault, sent, () => serve(sent));
      }
      return structuredClone(serve(sent));
    },
  };
}

function meets({ on = 'any' }: Fault, { method, path }: CloudRequest): boolean {
  if (on === 'any') return true;
  if (on === 'order') return method === 'POST' && path.startsWith('vms/');
  return (on === 'read') === (method === 'GET');
}

function strike(
  { kind }: Fault,
  { token }: CloudRequest,
  serve: () => CloudAnswer,
): Promise<CloudAnswer> | CloudAnswer {
  switch (kind) {
    case 'rate-limited':
      return { status: 429, message: 'too many requests', retryAfterMs: 1_000 };
    case 'unavailable':
      return { status: 503, message: 'down for a moment', retryAfterMs: 1_000 };
    case 'connection':
      return { status: 0, message: 'connection refused', sent: false };
    case 'lost-answer':
      serve();
      return { status: 0, message: 'connection reset' };
    case 'invalid':
      return { status: 400, message: `this makes no sense (token ${token})` };
    case 'forbidden':
      return { status: 403, message: `token ${token} may not do this` };
    case 'unauthenticated':
      return { status: 401, message: `the token ${token} has expired` };
    case 'hang':
      return new Promise(() => undefined);
    case 'hang-after':
      serve();
      return new Promise(() => undefined);
  }
}
