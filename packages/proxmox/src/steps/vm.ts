import type { VmStepState } from '../translate/steps.ts';
import type { StepHandler } from './env.ts';
import { changeStep, undoChange } from './vm-change.ts';
import { createStep } from './vm-create.ts';
import { undoCreate } from './vm-destroy.ts';

/** Creates a VM or changes one. */
export const vmStep: StepHandler = {
  do: (env, step, context) =>
    (step.after as VmStepState).request === 'create'
      ? createStep(env, step, context)
      : changeStep(env, step, context),
  undo: (env, step, outcome, context) =>
    (step.after as VmStepState).request === 'create'
      ? undoCreate(env, step, outcome, context)
      : undoChange(env, step, outcome, context),
};
