import { type CallOptions, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { pveErrorKind } from '../client/errors.ts';
import { createVm, getVmConfig, type VmConfigAnswer, type VmPlace } from '../client/vms.ts';
import type { VmStepState } from '../translate/steps.ts';
import { isUnanswered, lostSight, read, type StepEnv, settle } from './env.ts';
import { type FoundVm, findById, findByName, onlyNode, tagList } from './find-vm.ts';
import { awaitOthers, awaitTask } from './run-task.ts';
import { describeDifference, differenceOf, isEmpty, valuesOf } from './vm-options.ts';

/**
 * What is noted before a VM is ordered: its id, and the UUID of its SMBIOS, which we choose. Whoever takes the step up again
 * orders the same id, so that there can be only one VM, and knows by the UUID whether the one that is there is ours.
 */
export interface VmClaim extends VmPlace {
  readonly marker: string;
  /** The task, once the order was taken. */
  readonly upid?: string;
}

/** The UUID in an `smbios1` option, in lower case. */
export function uuidOf(smbios1: string | undefined): string | undefined {
  return /(?:^|,)uuid=([0-9a-f-]{36})(?:,|$)/i.exec(smbios1 ?? '')?.[1]?.toLowerCase();
}

/** The VM of a claim, when it is there and ours. Orders that are still being carried out are waited for. */
export async function findClaimed(
  env: StepEnv,
  context: StepContext,
  claim: VmClaim,
  options: CallOptions,
): Promise<VmConfigAnswer | undefined> {
  await awaitOthers(env, context, claim, ['qmcreate', 'qmdestroy']);
  const config = await getVmConfig(env.pve, claim, options);
  return config && uuidOf(config.options.smbios1) === claim.marker ? config : undefined;
}

/** Other claims on an id can go on for a while when many create VMs at once. */
const mostIds = 50;

/** Creates the VM, or finds it made: by an earlier try of this step, or by an earlier run of the plan. */
export async function createStep(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome> {
  const wish = step.after as VmStepState;
  const noted = context.noted?.handle as VmClaim | undefined;
  if (noted === undefined) {
    const found = await findMade(env, step, context);
    if (found) return unchangedOrConflict(env, step, found);
  }
  const what = `Unable to create VM ${nameOf(step)}`;
  const claim = noted?.upid === undefined ? await order(env, step, context, noted) : noted;
  const { upid, ...handleWithout } = claim;
  if (upid !== undefined) {
    const task = { upid, what: `${what} (${claim.vmid})`, timeoutMs: env.timeouts.taskMs, handleWithout };
    await awaitTask(env, context, task).catch((error) => {
      throw lostSight(error, task.what);
    });
  }
  const config = await readBack(env, context, claim);
  env.known.set(step.target.name, {
    node: claim.node,
    vmid: claim.vmid,
    options: config?.options ?? wish.options,
  });
  return {
    status: 'created',
    before: null,
    handle: claim,
    after: {
      node: claim.node,
      vmid: claim.vmid,
      ...(config ? { options: valuesOf(Object.keys(wish.options), config.options) } : {}),
    },
  };
}

function nameOf(step: Step): string {
  return (step.after as VmStepState).options.name ?? step.target.name;
}

/** The VM of an earlier run of the plan: under its id, or under its name with its tags. */
async function findMade(env: StepEnv, step: Step, context: StepContext): Promise<FoundVm | undefined> {
  const { vmid, node, options } = step.after as VmStepState;
  if (vmid !== undefined) return findById(env, context, vmid, node);
  const item = await findByName(env, context, nameOf(step), tagList(options.tags));
  return item && findById(env, context, item.vmid, item.node);
}

function unchangedOrConflict(env: StepEnv, step: Step, { place, config }: FoundVm): StepOutcome {
  const difference = differenceOf(step.after as VmStepState, config.options);
  env.known.set(step.target.name, { ...place, options: config.options });
  if (isEmpty(difference)) return { status: 'unchanged', after: place };
  throw new VmgpuError(
    'conflict',
    `VM ${place.vmid} is there already and is not what the plan wants: ${describeDifference(difference, config.options)}`,
    { hint: `make a new plan: it will change VM ${place.vmid}, or choose another name or id` },
  );
}

/**
 * Orders the VM, or finds that an earlier order was taken. After an answer that was lost the same id is ordered again: the
 * platform then takes at most one of the two.
 */
async function order(
  env: StepEnv,
  step: Step,
  context: StepContext,
  noted: VmClaim | undefined,
): Promise<VmClaim> {
  const wish = step.after as VmStepState;
  const node = wish.node ?? noted?.node ?? (await onlyNode(env, context));
  const wanted = uuidOf(wish.options.smbios1);
  const marker = noted?.marker ?? wanted ?? env.newMarker();
  const smbios1 = wanted
    ? wish.options.smbios1
    : [`uuid=${marker}`, wish.options.smbios1].filter(Boolean).join(',');
  let claim = noted;
  let maybeOrdered = noted !== undefined;
  const ordered = settle(context, async (options) => {
    for (let ids = 0; ids < mostIds; ids += 1) {
      if (claim && maybeOrdered && (await findClaimed(env, context, claim, options))) return claim;
      if (!claim) {
        claim = { vmid: wish.vmid ?? (await env.vmids.claim(options)), node, marker };
        await context.note({ before: null, handle: claim });
      }
      const mayHaveBeen = maybeOrdered;
      maybeOrdered = true;
      try {
        const upid = await createVm(env.pve, claim, { ...wish.options, smbios1: smbios1 ?? '' }, options);
        const taken = { ...claim, upid };
        await context.note({ handle: taken });
        return taken;
      } catch (error) {
        if (pveErrorKind(error) !== 'exists') {
          maybeOrdered = mayHaveBeen || isUnanswered(error);
          throw error;
        }
        if (await findClaimed(env, context, claim, options)) return claim;
        if (wish.vmid !== undefined) throw idTaken(wish.vmid, error);
        env.vmids.taken(claim.vmid);
        claim = undefined;
        maybeOrdered = false;
      }
    }
    throw new VmgpuError('conflict', `no free id for VM ${nameOf(step)} after ${mostIds} tries`, {
      hint: 'set providerOptions.proxmox.vmid',
    });
  });
  return ordered.catch((error) => {
    throw maybeOrdered ? lostSight(error, `VM ${nameOf(step)} was ordered`) : error;
  });
}

function idTaken(vmid: number, cause: unknown): VmgpuError {
  return new VmgpuError('already-exists', `there is another VM with the id ${vmid}`, {
    cause,
    hint: 'choose another id, or none for the next free one',
  });
}

/**
 * That the VM was made is known from its task. A reading that fails, for lack of VM.Audit or otherwise, does not unmake it: it
 * is told, and what was made is taken from the order.
 */
async function readBack(env: StepEnv, context: StepContext, claim: VmClaim): Promise<VmConfigAnswer | null> {
  try {
    return await read(context, (options) => getVmConfig(env.pve, claim, options));
  } catch (error) {
    if (context.signal.aborted) throw error;
    context.emit({
      message: `VM ${claim.vmid} was made but could not be read back: ${(error as Error).message}`,
    });
    return null;
  }
}
