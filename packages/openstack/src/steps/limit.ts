import { type CallOptions, type Step, type StepContext, type StepOutcome, VmgpuError } from '@vmgpu/core';
import {
  createRegisteredLimit,
  deleteRegisteredLimit,
  listComputeServices,
  listRegisteredLimits,
  type RegisteredLimit,
  updateRegisteredLimit,
} from '../client/limits.ts';
import { changedMeanwhile, read, type StepEnv, type StepHandler, settle } from './env.ts';

interface LimitState {
  readonly resource_name: string;
  readonly default_limit: number;
}

/** Which service the limit is of, and the limit as it stands. */
async function readLimit({ os }: StepEnv, { resource_name }: LimitState, options: CallOptions) {
  const [services, limits] = await Promise.all([
    listComputeServices(os, options),
    listRegisteredLimits(os, resource_name, options),
  ]);
  const [service, another] = services;
  if (!service || another) {
    throw new VmgpuError(
      another ? 'conflict' : 'not-found',
      'the compute service of the limit is not clear',
      {
        found:
          services.map(({ id, name }) => `${name ?? ''} ${id}`.trim()).join(', ') ||
          'no service of type compute',
        expected: 'one service of type compute in Keystone',
      },
    );
  }
  const now = limits.find((limit) => limit.service_id === service.id && (limit.region_id ?? null) === null);
  return { service: service.id, now: now ?? null };
}

export const limitStep: StepHandler = {
  async do(env, step, context): Promise<StepOutcome> {
    const wish = step.after as LimitState;
    let before = context.noted?.before as RegisteredLimit | null | undefined;
    return settle(context, async (options) => {
      const { service, now } = await readLimit(env, wish, options);
      if (now?.default_limit === wish.default_limit) return outcomeOf(before, now);
      if (before === undefined) {
        before = now;
        await context.note({ before: now });
      }
      if (now) await updateRegisteredLimit(env.os, now.id, wish.default_limit, options);
      else await createRegisteredLimit(env.os, { service_id: service, ...wish }, options);
      return { status: now ? 'updated' : 'created', before: now, after: wish };
    });
  },
  async undo(env: StepEnv, step: Step, outcome: StepOutcome, context: StepContext) {
    const wish = step.after as LimitState;
    const before = (outcome.before ?? null) as RegisteredLimit | null;
    const { now } = await read(context, (options) => readLimit(env, wish, options));
    if (now === null || now.default_limit === before?.default_limit) return;
    if (now.default_limit !== wish.default_limit) {
      throw changedMeanwhile(`the limit of ${wish.resource_name}`, `it is ${now.default_limit}`);
    }
    await settle(context, (options) =>
      before
        ? updateRegisteredLimit(env.os, now.id, before.default_limit, options)
        : deleteRegisteredLimit(env.os, now.id, options),
    );
  },
};

/** After a round whose answer was lost the limit is as wanted, and was changed all the same. */
function outcomeOf(before: RegisteredLimit | null | undefined, after: RegisteredLimit): StepOutcome {
  if (before === undefined) return { status: 'unchanged' };
  return { status: before ? 'updated' : 'created', before, after };
}
