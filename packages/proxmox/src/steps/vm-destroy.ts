import { type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import { destroyVm, getVmStatus, type VmConfigAnswer } from '../client/vms.ts';
import { isDrive } from '../translate/option-text.ts';
import type { VmStepState } from '../translate/steps.ts';
import { type StepEnv, settle } from './env.ts';
import { awaitTask } from './run-task.ts';
import { findClaimed, type VmClaim } from './vm-create.ts';
import { describeDifference, differenceOf, isEmpty } from './vm-options.ts';

interface DestroyHandle {
  readonly upid?: string;
}

/**
 * Destroys the VM that the step has created: only while it carries our UUID, is stopped, and nobody has changed it. Gone is
 * done, and so is a VM that was never ordered.
 */
export async function undoCreate(
  env: StepEnv,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
): Promise<void> {
  const claim = outcome.handle as VmClaim | undefined;
  if (claim === undefined) return;
  const noted = context.noted?.handle as DestroyHandle | undefined;
  const what = `Unable to destroy VM ${step.target.name} (${claim.vmid})`;
  const wait = (upid: string) => awaitTask(env, context, { upid, what, timeoutMs: env.timeouts.taskMs });
  if (noted?.upid !== undefined) await wait(noted.upid);
  env.known.delete(step.target.name);
  await settle(context, async (options) => {
    const config = await findClaimed(env, context, claim, options);
    if (!config) return;
    refuseForeign(step, claim, config);
    if ((await getVmStatus(env.pve, claim, options)) === 'running') {
      throw new VmgpuError('conflict', `VM ${claim.vmid} was started by somebody else; it is not destroyed`, {
        hint: 'stop it, then undo again',
      });
    }
    const upid = await destroyVm(env.pve, claim, options);
    await context.note({ handle: { upid } });
    await wait(upid);
  });
}

/** What somebody has put into our VM would be lost with it. */
function refuseForeign(step: Step, { vmid }: VmClaim, { options: now }: VmConfigAnswer): void {
  const wish = step.after as VmStepState;
  const difference = differenceOf(wish, now);
  const added = Object.keys(now).filter(
    (key) => (isDrive(key) || /^(hostpci|unused)\d+$/.test(key)) && wish.options[key] === undefined,
  );
  if (isEmpty(difference) && added.length === 0) return;
  const why = [describeDifference(difference, now), added.map((key) => `${key} was added`).join('; ')];
  throw new VmgpuError(
    'conflict',
    `VM ${vmid} was changed by somebody else since; it is not destroyed: ${why.filter(Boolean).join('; ')}`,
    { hint: `look at it, and destroy it by hand: qm destroy ${vmid}` },
  );
}
