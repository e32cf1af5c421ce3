import { badInput } from '../errors/vmgpu-error.ts';
import type { Plan, Step } from '../spec/v1/plan.ts';

/**
 * The plan's steps in an order that respects `needs`, else as the plan has them. A need that the plan does not hold is
 * taken as met: a plan of scope `vm` builds on what an administrator's plan has done. Throws `bad-input` when an id is
 * there twice or steps need each other in a circle.
 */
export function orderSteps(plan: Plan): readonly Step[] {
  const byId = new Map(plan.steps.map((step) => [step.id, step]));
  if (byId.size < plan.steps.length) {
    const twice = plan.steps.find((step) => byId.get(step.id) !== step);
    throw badInput('two steps of the plan have the same id', { found: twice?.id ?? '' });
  }
  const ordered: Step[] = [];
  const placed = new Set<string>();
  let waiting = plan.steps;
  while (waiting.length > 0) {
    const next = waiting.find((step) => (step.needs ?? []).every((id) => placed.has(id) || !byId.has(id)));
    if (!next) {
      throw badInput('steps of the plan need each other in a circle', {
        found: waiting.map((step) => step.id).join(', '),
      });
    }
    ordered.push(next);
    placed.add(next.id);
    waiting = waiting.filter((step) => step !== next);
  }
  return ordered;
}
