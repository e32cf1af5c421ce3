import {
  isVmgpuError,
  type Step,
  type StepContext,
  type StepOutcome,
  sameJson,
  VmgpuError,
} from '@vmgpu/core';
import type { HostWork, StepEnv, StepHandler } from './env.ts';
import { waitForReports } from './reported.ts';

/** Whether the plan has seen in the configuration it was given that all is there already. */
function isInPlace({ before, after }: Step): boolean {
  const { sections: now } = (before ?? {}) as { sections?: unknown };
  return now !== undefined && sameJson(now, (after as { sections?: unknown }).sections);
}

/** OpenStack has no API for its configuration: who can write files on hosts does it, or the operator has done it. */
export const configStep: StepHandler = {
  async do(env: StepEnv, step, context) {
    const { hostWork } = env;
    if (isInPlace(step)) return { status: 'unchanged' };
    if (hostWork) {
      const outcome = await hostWork.doStep(step, context);
      if (outcome.status === 'unchanged') return outcome;
      // Somebody schedules by it in the next step: what Placement does not have now would fail there, with no cause told.
      await waitForReports(env, step, context).catch(async (error) => {
        // Without report_in_placement a nova-compute that has reported a device would not start again (Nova 34).
        if (!step.reversible) throw error;
        throw await takenBack(hostWork, step, outcome, context, error);
      });
      return outcome;
    }
    throw new VmgpuError('unsupported', `${step.summary}: no API of OpenStack can do this`, {
      hint: 'write the files out (vmgpu render), put them in place and restart the services; then plan with that configuration, or with scope vm',
    });
  },
  async undo({ hostWork }, step, outcome, context) {
    if (!hostWork?.undoStep) {
      throw new VmgpuError(
        'unsupported',
        `${step.target.name} is configured by files, which stay as they are`,
      );
    }
    await hostWork.undoStep(step, outcome, context);
  },
};

/** The error after what was configured is as it was before; says so where that failed. */
async function takenBack(
  hostWork: HostWork,
  step: Step,
  outcome: StepOutcome,
  context: StepContext,
  error: unknown,
): Promise<unknown> {
  try {
    await hostWork.undoStep?.(step, outcome, context);
    return error;
  } catch (reason) {
    if (!isVmgpuError(error)) return error;
    return new VmgpuError(error.code, `${error.message}; taking it back failed: ${String(reason)}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
