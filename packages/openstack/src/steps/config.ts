import { type Step, sameJson, VmgpuError } from '@vmgpu/core';
import type { StepEnv, StepHandler } from './env.ts';

/** Whether the plan has seen in the configuration it was given that all is there already. */
function isInPlace({ before, after }: Step): boolean {
  const { sections: now } = (before ?? {}) as { sections?: unknown };
  return now !== undefined && sameJson(now, (after as { sections?: unknown }).sections);
}

/** OpenStack has no API for its configuration: who can write files on hosts does it, or the operator has done it. */
export const configStep: StepHandler = {
  async do({ hostWork }: StepEnv, step, context) {
    if (isInPlace(step)) return { status: 'unchanged' };
    if (hostWork) return hostWork.doStep(step, context);
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
