import type { VmgpuError } from '../errors/vmgpu-error.ts';
import type { Plan, Step } from '../spec/v1/plan.ts';
import type { Provider } from '../spec/v1/provider.ts';
import { applyWith } from './apply.ts';
import type { ApplyOptions, OperationResult } from './operation.ts';
import type { RunHooks } from './run.ts';
import { asVmgpuError } from './session.ts';
import type { OperationState } from './state.ts';

export interface ApplyJob {
  readonly plan: Plan;
  readonly provider: Provider;
}

export interface ApplyManyOptions extends Omit<ApplyOptions, 'id'> {
  /** How many operations run at once; default 4. */
  readonly concurrency?: number;
  /** Begin no further operation once one has failed; default false. */
  readonly stopOnFailure?: boolean;
}

interface Ended {
  readonly plan: Plan;
  readonly state: OperationState;
}
export type ApplyManyResult =
  | (Ended & { readonly ok: true; readonly result: OperationResult; readonly error?: undefined })
  | (Ended & { readonly ok: false; readonly error: VmgpuError })
  /** Not begun: the batch was cancelled, or stopped at a failure. */
  | { readonly plan: Plan; readonly ok: false; readonly state?: undefined; readonly error?: undefined };

/**
 * Applies the plans of many VMs, a few at a time. Never rejects; results are in the order of the jobs. Steps of different
 * plans on the same thing (a shared mapping, a flavor) take turns, and are not undone when only one of the plans fails. One
 * journal serves all: states carry the operation's id.
 */
export async function applyMany(
  jobs: readonly ApplyJob[],
  { concurrency = 4, stopOnFailure = false, ...options }: ApplyManyOptions = {},
): Promise<readonly ApplyManyResult[]> {
  const hooks = shareSteps(jobs);
  const results: ApplyManyResult[] = jobs.map(({ plan }) => ({ plan, ok: false }));
  let next = 0;
  let stopped = false;

  async function work(): Promise<void> {
    while (next < jobs.length && !stopped && !options.signal?.aborted) {
      const index = next;
      next += 1;
      const job = jobs[index];
      if (!job) return;
      const { plan, provider } = job;
      const operation = applyWith(plan, provider, options, hooks);
      try {
        const result = await operation;
        results[index] = { plan, state: operation.toJSON(), ok: true, result };
      } catch (error) {
        results[index] = { plan, state: operation.toJSON(), ok: false, error: asVmgpuError(error) };
        stopped ||= stopOnFailure;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.floor(concurrency)) }, work));
  return results;
}

function shareSteps(jobs: readonly ApplyJob[]): RunHooks {
  const plansOf = new Map<string, number>();
  for (const { plan } of jobs) {
    for (const key of new Set(plan.steps.map(targetKey))) plansOf.set(key, (plansOf.get(key) ?? 0) + 1);
  }
  const turns = new Map<string, Promise<unknown>>();
  return {
    keep: (step) =>
      (plansOf.get(targetKey(step)) ?? 0) > 1 ? 'another plan of this batch shares it' : undefined,
    exclusive(step, work) {
      const key = targetKey(step);
      const turn = (turns.get(key) ?? Promise.resolve()).then(work, work);
      turns.set(key, turn);
      return turn;
    },
  };
}

function targetKey({ kind, target }: Step): string {
  return JSON.stringify([kind, target.type, target.in ?? '', target.name]);
}
