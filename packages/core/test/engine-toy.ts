import type { Plan, Provider, Step, StepContext, StepOutcome } from '../src/index.ts';

/** A provider over a plain object, for tests of the engine alone. */
export interface Toy {
  readonly provider: Provider;
  readonly things: Record<string, unknown>;
  /** doStep and undoStep calls, in order: `do a`, `undo a`. */
  readonly calls: string[];
}

type Script = (
  step: Step,
  context: StepContext,
  normally: () => Promise<StepOutcome>,
) => Promise<StepOutcome>;

/** `scripts` replace what doStep does for single steps. */
export function toy(scripts: Readonly<Record<string, Script>> = {}, changes: Partial<Provider> = {}): Toy {
  const things: Record<string, unknown> = {};
  const calls: string[] = [];
  const put = (id: string, value: unknown) => {
    if (value === null) delete things[id];
    else things[id] = value;
  };
  const provider: Provider = {
    specVersion: 'v1',
    platform: 'toy',
    capabilities: {
      gpuModes: [],
      selectors: [],
      attach: false,
      stepKinds: { 'toy.thing': { scope: 'vm', undo: true, task: false } },
    },
    translate: {
      specVersion: 'v1',
      platform: 'toy',
      plan: () => toyPlan([]),
      render: () => [],
      toIntent: () => {
        throw new Error('not used');
      },
    },
    snapshot: async () => ({}),
    describe: async () => ({}),
    async doStep(step, context) {
      calls.push(`do ${step.id}`);
      const normally = async (): Promise<StepOutcome> => {
        const before = things[step.id] ?? null;
        if (before === step.after) return { status: 'unchanged' };
        await context.note({ before });
        put(step.id, step.after);
        return { status: before === null ? 'created' : 'updated', before, after: step.after };
      };
      return scripts[step.id]?.(step, context, normally) ?? normally();
    },
    async undoStep(step, { before }) {
      calls.push(`undo ${step.id}`);
      put(step.id, before);
    },
    ...changes,
  };
  return { provider, things, calls };
}

export function toyPlan(steps: readonly (string | Partial<Step>)[], changes: Partial<Plan> = {}): Plan {
  return {
    apiVersion: 'vmgpu/v1',
    kind: 'Plan',
    platform: 'toy',
    platformVersion: '1',
    vm: 'train-1',
    diagnostics: [],
    requirements: [],
    steps: steps.map((part) => {
      const given = typeof part === 'string' ? { id: part } : part;
      const id = given.id ?? 'step';
      return {
        id,
        kind: 'toy.thing',
        target: { type: 'thing', name: id },
        after: `made ${id}`,
        scope: 'vm',
        risk: 'none',
        reversible: true,
        summary: `make ${id}`,
        ...given,
      };
    }),
    ...changes,
  };
}
