import type { Step, StepContext, StepOutcome } from '@vmgpu/core';
import { deleteName, hasName, type PlacementName, putName } from '../client/placement.ts';
import { type StepEnv, type StepHandler, settle } from './env.ts';

/** A custom resource class or trait: it is there, or it is not. */
function nameStep(kind: PlacementName): StepHandler {
  return {
    async do({ os }: StepEnv, { target }: Step, context: StepContext): Promise<StepOutcome> {
      const { name } = target;
      return settle(context, async (options) => {
        if (await hasName(os, kind, name, options)) return { status: 'unchanged' };
        await context.note({ before: null });
        await putName(os, kind, name, options);
        return { status: 'created', before: null, after: { name } };
      });
    },
    // A name that a provider carries by now stays: Placement answers 409, and so it is told as left.
    undo: ({ os }, { target }, _outcome, context) =>
      settle(context, (options) => deleteName(os, kind, target.name, options)),
  };
}

export const resourceClassStep = nameStep('resource_classes');
export const traitStep = nameStep('traits');
