import { type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import {
  getVmConfig,
  getVmPending,
  type PendingItem,
  updateVm,
  updateVmInTask,
  type VmConfigAnswer,
  type VmPlace,
} from '../client/vms.ts';
import { isDrive, type VmOptions } from '../translate/option-text.ts';
import type { VmStepState } from '../translate/steps.ts';
import { read, type StepEnv, settle } from './env.ts';
import { findById, findByName, noSuchVm } from './find-vm.ts';
import { awaitTask } from './run-task.ts';
import {
  describeDifference,
  differenceOf,
  isEmpty,
  sameValue,
  touchedKeys,
  type VmDifference,
  valuesOf,
} from './vm-options.ts';

/** What the undo needs: the values of the touched options, null for those that were not set. */
interface VmBefore {
  readonly options: Readonly<Record<string, string | null>>;
}
interface ChangeHandle {
  readonly upid: string;
}

async function locate(env: StepEnv, step: Step, context: StepContext): Promise<VmPlace> {
  const { vmid, node } = step.after as VmStepState;
  if (vmid !== undefined && node !== undefined) return { node, vmid };
  const found =
    vmid === undefined
      ? await findByName(env, context, step.target.name, [])
      : (await findById(env, context, vmid, node))?.place;
  if (!found) throw noSuchVm(step);
  return { node: found.node, vmid: found.vmid };
}

/** Brings the options that the step manages to what it wants; others are not sent. */
export async function changeStep(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const wish = step.after as VmStepState;
  const place = await locate(env, step, context);
  const handle = context.noted?.handle as ChangeHandle | undefined;
  if (handle?.upid !== undefined) await awaitChange(env, context, place, handle.upid);
  let before: VmBefore | undefined;
  const now = await settle(context, async (options) => {
    const config = await getVmConfig(env.pve, place, options);
    if (!config) throw noSuchVm(step);
    const difference = differenceOf(wish, config.options);
    if (isEmpty(difference)) return config;
    refuseStale(step, difference, config.options);
    before ??= { options: valuesOf(touchedKeys(difference), config.options) };
    await context.note({ before });
    const change = { ...difference, digest: config.digest };
    if (wish.request === 'POST') {
      const upid = await updateVmInTask(env.pve, place, change, options);
      // Without a task when it was done at once.
      if (upid) {
        await context.note({ handle: { upid } });
        await awaitChange(env, context, place, upid);
      }
    } else await updateVm(env.pve, place, change, options);
    return config;
  });
  if (before === undefined) {
    env.known.set(step.target.name, { ...place, options: now.options });
    return { status: 'unchanged', after: place };
  }
  const after = await readPending(env, context, place);
  env.known.set(step.target.name, { ...place, options: after.options });
  const waiting = Object.keys(before.options).filter((key) => after.pending.includes(key));
  if (waiting.length > 0) {
    context.emit({
      message: `${waiting.join(', ')} of VM ${place.vmid} take effect when it is stopped and started again (a reboot inside the guest does not do)`,
    });
  }
  return {
    status: 'updated',
    before,
    after: {
      ...place,
      options: valuesOf(Object.keys(before.options), after.options),
      ...(waiting.length > 0 ? { pendingRestart: waiting } : {}),
    },
  };
}

function awaitChange(env: StepEnv, context: StepContext, { vmid }: VmPlace, upid: string): Promise<void> {
  return awaitTask(env, context, {
    upid,
    what: `Unable to change VM ${vmid}`,
    timeoutMs: env.timeouts.taskMs,
  });
}

function refuseStale(step: Step, difference: VmDifference, now: VmOptions): void {
  if (step.before === undefined || step.before === null) return;
  const { options: expected } = step.before as { readonly options: VmOptions };
  const changed = touchedKeys(difference).filter((key) => !sameValue(key, now[key], expected[key]));
  if (changed.length === 0) return;
  throw new VmgpuError('conflict', `VM ${step.target.name} is not what the plan expects`, {
    found: changed.map((key) => `${key}: ${now[key] ?? 'not set'}`).join('; '),
    expected: changed.map((key) => `${key}: ${expected[key] ?? 'not set'}`).join('; '),
    hint: 'somebody changed it since the plan was made; make a new plan',
  });
}

async function readPending(env: StepEnv, context: StepContext, place: VmPlace) {
  const items = await read(context, (options) => getVmPending(env.pve, place, options));
  const next = (item: PendingItem) => (item.delete ? undefined : (item.pending ?? item.value));
  return {
    options: Object.fromEntries(
      items.flatMap((item) => (next(item) === undefined ? [] : [[item.key, String(next(item))]])),
    ) as VmOptions,
    pending: items.filter((item) => item.delete || item.pending !== undefined).map(({ key }) => key),
  };
}

/** Puts the old values back. Stops when somebody has changed one of them to a third value since. */
export async function undoChange(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const wish = step.after as VmStepState;
  const old = (outcome.before as VmBefore).options;
  const place = await locate(env, step, context);
  const { upid } = (outcome.handle ?? {}) as Partial<ChangeHandle>;
  // However the change ended: what it did is looked at below.
  if (upid !== undefined)
    await awaitChange(env, context, place, upid).catch((error) => throwIfAborted(context, error));
  await settle(context, async (options) => {
    for (;;) {
      const config = await getVmConfig(env.pve, place, options);
      if (!config) throw noSuchVm(step);
      const back = backTo(old, wish, config);
      if (isEmpty(back.difference)) return;
      await updateVm(
        env.pve,
        place,
        { ...back.difference, ...(back.force ? { force: true } : {}), digest: config.digest },
        options,
      );
    }
  });
}

function throwIfAborted({ signal }: StepContext, error: unknown): void {
  if (signal.aborted) throw error;
}

/** What is still to be put back. Volumes that we made go first, in a request of their own that also removes them. */
function backTo(old: VmBefore['options'], wish: VmStepState, config: VmConfigAnswer) {
  const now = config.options;
  const wrong = Object.entries(old).filter(([key, value]) => !sameValue(key, now[key], value ?? undefined));
  const foreign = wrong.filter(([key]) => !sameValue(key, now[key], wish.options[key]));
  if (foreign.length > 0) {
    const difference = {
      options: Object.fromEntries(foreign.map(([key, value]) => [key, value ?? 'not set'])),
      delete: [],
    };
    throw new VmgpuError(
      'conflict',
      `VM was changed by somebody else since: ${describeDifference(difference, now)}`,
      {
        hint: 'look at it, and take the change back by hand if it is still wanted',
      },
    );
  }
  const volumes = wrong.filter(([key, value]) => value === null && isDrive(key)).map(([key]) => key);
  const difference: VmDifference =
    volumes.length > 0
      ? { options: {}, delete: volumes }
      : {
          options: Object.fromEntries(
            wrong.flatMap(([key, value]) => (value === null ? [] : [[key, value]])),
          ),
          delete: wrong.flatMap(([key, value]) => (value === null ? [key] : [])),
        };
  return { difference, force: volumes.length > 0 };
}
