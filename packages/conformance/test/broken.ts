import {
  deepFreeze,
  isVmgpuError,
  type Plan,
  type Provider,
  type Step,
  type StepOutcome,
  VmgpuError,
} from '@vmgpu/core';
import type { GroupName } from '../src/index.ts';
import { createMemoryProvider, type MemoryParts, type MemorySnapshot, type MemoryVm } from '../src/index.ts';

type MemoryProvider = Provider<MemorySnapshot, MemoryVm>;
type Change = (parts: MemoryParts) => MemoryProvider;

const change =
  (alter: (good: MemoryProvider, parts: MemoryParts) => Partial<MemoryProvider>): Change =>
  (parts) => {
    const good = createMemoryProvider(parts);
    return { ...good, ...alter(good, parts) };
  };

/** Changes what the client does under an unchanged provider. */
const changeClient =
  (alter: (client: MemoryParts['client']) => Partial<MemoryParts['client']>): Change =>
  (parts) =>
    createMemoryProvider({ ...parts, client: { ...parts.client, ...alter(parts.client) } });

const changePlan = (alter: (plan: Plan) => Plan): Change =>
  change(({ translate }) => ({
    translate: { ...translate, plan: (...input) => alter(translate.plan(...input)) },
  }));

const changeError = (alter: (error: VmgpuError) => unknown): Change =>
  changeClient((client) => {
    const altered =
      <A extends unknown[], R>(call: (...input: A) => Promise<R>) =>
      (...input: A) =>
        call(...input).catch((error) => {
          throw isVmgpuError(error) ? alter(error) : error;
        });
    return { read: altered(client.read), write: altered(client.write), order: altered(client.order) };
  });

export const withoutUndo: Change = (parts) => {
  const { undoStep: _undoStep, ...good } = createMemoryProvider(parts);
  const { capabilities, translate } = good;
  const kinds = Object.entries(capabilities.stepKinds).map(([name, kind]) => [
    name,
    { ...kind, undo: false },
  ]);
  return {
    ...good,
    capabilities: { ...capabilities, stepKinds: Object.fromEntries(kinds) },
    translate: {
      ...translate,
      plan(...input) {
        const plan = translate.plan(...input);
        return deepFreeze({ ...plan, steps: plan.steps.map((step) => ({ ...step, reversible: false })) });
      },
    },
  };
};

const later = (step: Step, kind: string, outcome: StepOutcome, altered: Partial<StepOutcome>): StepOutcome =>
  step.kind === kind ? { ...outcome, ...altered } : outcome;

let counter = 0;

/** Providers that break one promise each, and the group that has to notice. */
export const brokenProviders: readonly {
  readonly fault: string;
  readonly group: GroupName;
  readonly provider: Change;
}[] = [
  {
    fault: 'has diagnostics that are named after another platform',
    group: 'identity',
    provider: changePlan((plan) =>
      deepFreeze({
        ...plan,
        diagnostics: plan.diagnostics.map((diagnostic) => ({ ...diagnostic, code: 'other.field' })),
      }),
    ),
  },
  {
    fault: 'declares a wrong scope',
    group: 'capabilities',
    provider: change(({ capabilities }) => ({
      capabilities: {
        ...capabilities,
        stepKinds: {
          ...capabilities.stepKinds,
          'memory.vm': { scope: 'platform', undo: true, task: false },
        },
      },
    })),
  },
  {
    fault: 'drops what it cannot say without a word',
    group: 'capabilities',
    provider: changePlan((plan) => deepFreeze({ ...plan, diagnostics: [] })),
  },
  {
    fault: 'has a time stamp in its snapshots',
    group: 'snapshot',
    provider: change((good) => ({
      async snapshot(...input) {
        counter += 1;
        return { ...(await good.snapshot(...input)), version: `1.${counter}` };
      },
    })),
  },
  {
    fault: 'plans something else each time',
    group: 'planning',
    provider: changePlan((plan) => {
      counter += 1;
      return deepFreeze({ ...plan, platformVersion: String(counter) });
    }),
  },
  {
    fault: 'leaves its plans open to changes',
    group: 'planning',
    provider: changePlan((plan) => ({ ...plan })),
  },
  {
    fault: 'calls a creation an update',
    group: 'apply',
    provider: change((good) => ({
      async doStep(step, context) {
        const outcome = await good.doStep(step, context);
        return outcome.status === 'created'
          ? later(step, 'memory.vm', outcome, { status: 'updated' })
          : outcome;
      },
    })),
  },
  {
    fault: 'replaces what belongs to somebody else',
    group: 'apply',
    provider: changeClient((client) => ({
      write: (method, path, body, signal) => {
        const { notes: _notes, ...rest } = { ...(body as Record<string, unknown>) };
        const foreign = method === 'PUT' && rest.cores === 16;
        return client.write(method, path, foreign ? rest : body, signal);
      },
    })),
  },
  {
    fault: 'writes although nothing differs',
    group: 'idempotence',
    provider: change((good, { client }) => ({
      async doStep(step, context) {
        const outcome = await good.doStep(step, context);
        if (outcome.status !== 'unchanged' || step.kind !== 'memory.pool') return outcome;
        await context.retry.call(() =>
          client.write('PUT', `pools/${step.target.name}`, step.after, context.signal),
        );
        return outcome;
      },
    })),
  },
  {
    fault: 'says undone and undoes nothing',
    group: 'failure',
    provider: change((good) => ({
      undoStep: async (step, outcome, context) =>
        step.kind === 'memory.pool' &&
        outcome.handle === undefined &&
        context.noted === undefined &&
        step.id.endsWith('20b7')
          ? undefined
          : good.undoStep?.(step, outcome, context),
    })),
  },
  {
    fault: 'orders a task again after a kill',
    group: 'resume',
    provider: change((_good, parts) => {
      const forgetful = createMemoryProvider({
        ...parts,
        client: {
          ...parts.client,
          async read(path, signal) {
            const { task: _task, ...rest } = (await parts.client.read(path, signal)) ?? { absent: true };
            return 'absent' in rest ? null : rest;
          },
        },
      });
      return {
        doStep: (step, context) => forgetful.doStep(step, { ...context, noted: undefined }),
      };
    }),
  },
  {
    fault: 'notes nothing before it writes',
    group: 'resume',
    provider: change((good) => ({
      doStep: (step, context) =>
        good.doStep(step, {
          ...context,
          note: async ({ before, ...note }) => (before === undefined ? context.note(note) : undefined),
        }),
    })),
  },
  {
    fault: 'does not stop when asked',
    group: 'abort',
    provider: changeClient((client) => ({
      write: (method, path, body) => client.write(method, path, body),
    })),
  },
  {
    fault: 'leaves a listener on the signal',
    group: 'abort',
    provider: change((good) => ({
      snapshot(scope, options) {
        options?.signal?.addEventListener('abort', () => undefined);
        return good.snapshot(scope, options);
      },
    })),
  },
  {
    fault: 'gives up at the first 503',
    group: 'retry',
    provider: change((good) => ({
      doStep: (step, context) =>
        good.doStep(step, {
          ...context,
          retry: { ...context.retry, call: (call) => call(1) },
        }),
    })),
  },
  {
    fault: 'repeats what was refused',
    group: 'retry',
    provider: change((good) => ({
      doStep: (step, context) =>
        good.doStep(step, {
          ...context,
          retry: {
            ...context.retry,
            call: (call, options) => context.retry.call(call, { ...options, retryable: () => true }),
          },
        }),
    })),
  },
  {
    fault: 'sends an order again whose answer was lost',
    group: 'retry',
    provider: changeClient((client) => ({
      order: (path, signal) =>
        client.order(path, signal).catch((error) => {
          if (isVmgpuError(error) && error.message.includes('reset')) return client.order(path, signal);
          throw error;
        }),
    })),
  },
  {
    fault: 'throws errors without a code',
    group: 'errors',
    provider: change((good) => ({
      describe: (vm, options) =>
        good.describe(vm, options).catch((error) => {
          throw error.code === 'not-found' ? new Error('no such VM') : error;
        }),
    })),
  },
  {
    fault: 'calls a lack of rights a bad request',
    group: 'errors',
    provider: changeError((error) =>
      error.code === 'permission-denied'
        ? new VmgpuError('refused', error.message, { details: { retryable: false } })
        : error,
    ),
  },
  {
    fault: 'overwrites what somebody did since the plan was made',
    group: 'errors',
    provider: change((good) => ({
      doStep(step, context) {
        const { before: _before, ...blind } = step;
        return good.doStep(blind, context);
      },
    })),
  },
  {
    fault: 'tells its token in events',
    group: 'redaction',
    provider: change((good) => ({
      doStep(step, context) {
        context.emit({ message: 'logged in with canary-7f3a9c51d2' });
        return good.doStep(step, context);
      },
    })),
  },
  {
    fault: 'repeats the token of an error message',
    group: 'redaction',
    provider: changeError(
      (error) =>
        new VmgpuError(error.code, `${error.message} canary-7f3a9c51d2`, { details: { ...error.details } }),
    ),
  },
  {
    fault: 'lets progress go back',
    group: 'events',
    provider: change((good) => ({
      doStep(step, context) {
        context.emit({ fraction: 0.9 });
        context.emit({ fraction: 0.1 });
        return good.doStep(step, context);
      },
    })),
  },
  {
    fault: 'loses a field on the way back without a word',
    group: 'round-trip',
    provider: change(({ translate }) => ({
      translate: {
        ...translate,
        toIntent(...input) {
          const { intent, diagnostics } = translate.toIntent(...input);
          const { memory: _memory, ...spec } = intent.spec;
          return { intent: { ...intent, spec }, diagnostics };
        },
      },
    })),
  },
];
