import { VmgpuError } from '../errors/vmgpu-error.ts';
import { acceptProvider } from '../spec/v1/accept-provider.ts';
import type { Plan, Step } from '../spec/v1/plan.ts';
import type { Provider } from '../spec/v1/provider.ts';
import { orderSteps } from './order.ts';
import type { OperationState } from './state.ts';

/** Finds everything that can be known to be wrong before the first call; returns the steps in order. */
export function preflight({ plan, goal }: OperationState, provider: Provider): readonly Step[] {
  acceptProvider(provider);
  if (plan.platform !== provider.platform) {
    throw new VmgpuError('bad-input', 'the plan was made for another platform', {
      found: plan.platform,
      expected: provider.platform,
    });
  }
  const unknown = plan.steps.find((step) => !Object.hasOwn(provider.capabilities.stepKinds, step.kind));
  if (unknown) {
    throw new VmgpuError('unsupported', `the provider does not know the kind of step ${unknown.id}`, {
      found: unknown.kind,
      expected: Object.keys(provider.capabilities.stepKinds).join(', '),
    });
  }
  if (goal === 'apply') refuseBlocked(plan);
  return orderSteps(plan);
}

function refuseBlocked(plan: Plan): void {
  const blocked = plan.diagnostics.filter((diagnostic) => diagnostic.kind === 'blocked');
  const [first] = blocked;
  if (!first) return;
  throw new VmgpuError('blocked', `The plan for ${plan.vm} cannot be applied yet: ${first.message}`, {
    where: { path: first.path },
    ...(first.remedy === undefined ? {} : { hint: first.remedy }),
    details: { diagnostics: blocked },
  });
}
