import type { CallOptions, Clock } from '@vmgpu/core';
import {
  type Provider,
  type Step,
  type StepContext,
  type StepOutcome,
  sameJson,
  VmgpuError,
} from '@vmgpu/core';
import { type PollOptions, retryCall, withinDeadline } from '@vmgpu/core/resilience';
import type { MemoryClient } from './client.ts';
import { type MemorySnapshot, type MemoryVm, memoryTranslator, pick } from './translate.ts';

/** The parts of the memory provider, so that the suite's own tests can break one of them. */
export interface MemoryParts {
  readonly client: MemoryClient;
  readonly clock: Clock;
  /** Names of pools and VMs, which the platform does not list. */
  readonly names: () => readonly string[];
}

/** A provider that keeps the contract: an example to read, and what the suite is tested with. */
export function createMemoryProvider({
  client,
  clock,
  names,
}: MemoryParts): Provider<MemorySnapshot, MemoryVm> {
  const within = <T>(options: CallOptions, what: string, work: (signal: AbortSignal) => Promise<T>) =>
    withinDeadline(clock, what, options, work);
  const get = (path: string, signal: AbortSignal) =>
    retryCall(() => client.read(path, signal), { clock, signal });

  return {
    specVersion: 'v1',
    platform: 'memory',
    capabilities: {
      gpuModes: ['passthrough'],
      selectors: ['id'],
      attach: true,
      stepKinds: {
        'memory.pool': { scope: 'platform', undo: true, task: false },
        'memory.vm': { scope: 'vm', undo: true, task: false },
        'memory.power': { scope: 'vm', undo: true, task: true },
      },
    },
    translate: memoryTranslator,
    snapshot: (_scope, options = {}) =>
      within(options, 'reading the platform', async (signal) => {
        const all = names();
        const vms: Record<string, MemoryVm> = {};
        for (const path of all.filter((name) => name.startsWith('vms/'))) {
          const vm = await get(path, signal);
          if (vm) vms[String(vm.name)] = vm as unknown as MemoryVm;
        }
        const pools = all
          .filter((name) => name.startsWith('pools/'))
          .map((name) => name.slice(6).replace('-', ':'));
        return { version: '1', pools, vms };
      }),
    describe: (vm, options = {}) =>
      within(options, `reading VM ${vm.name}`, async (signal) => {
        const native = await get(`vms/${vm.name}`, signal);
        if (!native) throw new VmgpuError('not-found', `there is no VM ${vm.name}`);
        return native as unknown as MemoryVm;
      }),
    doStep: (step, context) =>
      step.kind === 'memory.power' ? doPower(client, step, context) : doObject(client, step, context),
    undoStep: (step, outcome, context) =>
      step.kind === 'memory.power'
        ? undoPower(client, step, outcome, context)
        : undoObject(client, step, outcome, context),
  };
}

function pathOf({ kind, target }: Step): string {
  return `${kind === 'memory.pool' ? 'pools' : 'vms'}/${target.name}`;
}

function readObject(client: MemoryClient, path: string, { retry, signal }: StepContext) {
  return retry.call(() => client.read(path, signal));
}

async function doObject(client: MemoryClient, step: Step, context: StepContext): Promise<StepOutcome> {
  const path = pathOf(step);
  const wish = step.after as Record<string, unknown>;
  const now = await readObject(client, path, context);
  const managed = now && pick(now, wish);
  if (sameJson(managed, wish)) return { status: 'unchanged', after: managed };
  refuseStale(step, managed);
  await context.note({ before: now });
  await context.retry.call(() => client.write('PUT', path, { ...now, ...wish }, context.signal));
  const after = await readObject(client, path, context);
  return { status: now === null ? 'created' : 'updated', before: now, after };
}

/** Somebody was here since the plan was made: what they did is not ours to overwrite. */
function refuseStale(step: Step, found: unknown): void {
  if (step.before === undefined || sameJson(step.before, found)) return;
  throw new VmgpuError('conflict', `${step.id} is not what the plan expects; make a new plan`, {
    found: JSON.stringify(found),
    expected: JSON.stringify(step.before),
  });
}

async function undoObject(
  client: MemoryClient,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const path = pathOf(step);
  const now = await readObject(client, path, context);
  if (sameJson(now, outcome.before)) return;
  const { retry, signal } = context;
  if (outcome.before === null) await retry.call(() => client.write('DELETE', path, undefined, signal));
  else await retry.call(() => client.write('PUT', path, outcome.before, signal));
}

async function doPower(client: MemoryClient, step: Step, context: StepContext): Promise<StepOutcome> {
  const vm = await readObject(client, pathOf(step), context);
  if (!vm) throw new VmgpuError('not-found', `there is no VM ${step.target.name}`);
  // A process that died may have left a task behind, noted or not.
  const handle = (context.noted?.handle ?? vm.task) as string | undefined;
  const before = { running: vm.running === true };
  if (handle === undefined && before.running) return { status: 'unchanged', after: before };
  if (handle === undefined) await context.note({ before });
  const task = await runTask(client, step, 'start', context, handle);
  return { status: 'updated', before, after: { running: true }, handle: task };
}

async function undoPower(
  client: MemoryClient,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const vm = await readObject(client, pathOf(step), context);
  if (typeof vm?.task === 'string') await waitFor(client, vm.task, step, context);
  const now = vm && (await readObject(client, pathOf(step), context));
  const { running } = outcome.before as { running: boolean };
  if (now && (now.running === true) !== running) await runTask(client, step, 'stop', context, undefined);
}

function runTask(
  client: MemoryClient,
  step: Step,
  action: 'start' | 'stop',
  context: StepContext,
  handle: string | undefined,
): Promise<string> {
  return context.retry.dispatch({
    ...(handle === undefined ? {} : { handle }),
    dispatch: async () => {
      const answer = await client.order(`${pathOf(step)}/${action}`, context.signal);
      return String(answer.task);
    },
    onDispatched: (task) => context.note({ handle: task }),
    wait: (task) => waitFor(client, task, step, context),
  });
}

async function waitFor(
  client: MemoryClient,
  task: string,
  step: Step,
  context: StepContext,
): Promise<string> {
  const { retry, signal, emit } = context;
  let looks = 0;
  const options: Omit<PollOptions, 'signal' | 'clock'> = { what: `Task ${task} of ${step.id}` };
  try {
    return await retry.poll(async () => {
      const answer = await client.read(`tasks/${task}`, signal);
      const state = String(answer?.state);
      if (state === 'cancelled') throw new VmgpuError('refused', `task ${task} was cancelled`);
      looks += 1;
      emit({ fraction: state === 'done' ? 1 : looks / (looks + 4), message: state });
      return state === 'done' ? { done: true, value: task } : { done: false, seen: state };
    }, options);
  } catch (error) {
    // Whoever cancels does not want the task to go on without anybody who waits for it.
    if (signal.aborted) {
      await client.order(`tasks/${task}/cancel`);
      await context.note({ handle: undefined });
    }
    throw error;
  }
}
