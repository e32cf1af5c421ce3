import type { CallOptions, Step, StepContext, StepOutcome } from '@vmgpu/core';
import { pveErrorKind } from '../client/errors.ts';
import { startTimeoutMs } from '../client/start-timeout.ts';
import { getVmStatus, shutDownVm, startVm, type VmPlace } from '../client/vms.ts';
import { type KnownVm, type StepEnv, type StepHandler, settle } from './env.ts';
import { findById, findByName, noSuchVm } from './find-vm.ts';
import { awaitOthers, awaitTask } from './run-task.ts';

interface StartState {
  readonly status: 'running';
  readonly vmid?: number;
}
interface TaskHandle {
  readonly upid?: string;
}

/** Over what Proxmox VE itself allows a start: the task also waits for locks. */
const marginMs = 60_000;

/** Known from the step before, in this process; else by id, else by name, ours first. */
async function locate(env: StepEnv, step: Step, context: StepContext): Promise<KnownVm> {
  const { name, in: node } = step.target;
  const known = env.known.get(name);
  if (known) return known;
  const { vmid } = step.after as StartState;
  const item =
    vmid === undefined
      ? ((await findByName(env, context, name, ['vmgpu'])) ?? (await findByName(env, context, name, [])))
      : { vmid, node };
  const found = item && (await findById(env, context, item.vmid, item.node));
  if (!found) throw noSuchVm(step);
  return { ...found.place, options: found.config.options };
}

async function doStart(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const vm = await locate(env, step, context);
  const { node, vmid } = vm;
  const noted = context.noted?.handle as TaskHandle | undefined;
  let maybeOrdered = context.noted !== undefined;
  let ordered = noted?.upid;
  const wait = (upid: string) =>
    awaitTask(env, context, {
      upid,
      what: `Unable to start VM ${step.target.name} (${vmid})`,
      timeoutMs: startTimeoutMs(vm.options) + marginMs,
    });
  if (ordered !== undefined) await wait(ordered);
  const status = await settle(context, async (options) => {
    if (maybeOrdered) await awaitOthers(env, context, vm, ['qmstart']);
    const now = await statusOf(env, step, vm, options);
    if (now === 'running') return maybeOrdered ? 'updated' : 'unchanged';
    await context.note({ before: { status: now } });
    maybeOrdered = true;
    ordered = await startVm(env.pve, vm, options);
    await context.note({ handle: { upid: ordered } });
    try {
      await wait(ordered);
    } catch (error) {
      // An order whose answer was lost was faster.
      if (pveErrorKind(error) !== 'already-running') throw error;
    }
    return 'updated';
  });
  if (status === 'unchanged') return { status, after: { node, vmid, status: 'running' } };
  return {
    status,
    before: { status: 'stopped' },
    after: { node, vmid, status: 'running' },
    ...(ordered === undefined ? {} : { handle: { upid: ordered } }),
  };
}

async function statusOf(
  env: StepEnv,
  step: Step,
  place: VmPlace,
  options: CallOptions,
): Promise<'running' | 'stopped'> {
  const status = await getVmStatus(env.pve, place, options);
  if (status === null) throw noSuchVm(step);
  return status;
}

/** Stops the VM that the step has started: politely first, because a guest may have been at work for days. */
async function undoStart(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const { node, vmid } = (outcome.after ?? {}) as Partial<VmPlace>;
  const place =
    node !== undefined && vmid !== undefined
      ? { node, vmid }
      : await locate(env, step, context).catch((error) => {
          if (error?.code === 'not-found') return undefined;
          throw error;
        });
  if (!place) return;
  const { shutdownMs } = env.timeouts;
  const wait = (upid: string) =>
    awaitTask(env, context, {
      upid,
      what: `Unable to stop VM ${step.target.name} (${place.vmid})`,
      timeoutMs: shutdownMs + marginMs,
    });
  const noted = context.noted?.handle as TaskHandle | undefined;
  if (noted?.upid !== undefined) await wait(noted.upid);
  await settle(context, async (options) => {
    await awaitOthers(env, context, place, ['qmstart', 'qmshutdown', 'qmstop']);
    const status = await getVmStatus(env.pve, place, options);
    if (status !== 'running') return;
    const upid = await shutDownVm(env.pve, place, Math.ceil(shutdownMs / 1000), options);
    await context.note({ handle: { upid } });
    await wait(upid);
  });
}

export const vmStartStep: StepHandler = { do: doStart, undo: undoStart };
