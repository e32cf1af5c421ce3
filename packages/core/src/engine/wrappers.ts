import { VmgpuError } from '../errors/vmgpu-error.ts';
import type { Step } from '../spec/v1/plan.ts';
import type { Provider, StepOutcome } from '../spec/v1/provider.ts';
import { sameJson } from '../util/stable-json.ts';

/**
 * The provider, but steps change nothing: each tells what it would do as far as the plan itself knows (`updated` when the
 * plan does not know what is there). Reading still reads.
 */
export function dryRun<S, N>(provider: Provider<S, N>): Provider<S, N> {
  return derive(provider, {
    doStep: async (step) => foretell(step),
    undoStep: async () => undefined,
  });
}

function foretell({ before, after }: Step): StepOutcome {
  if (before !== undefined && sameJson(before, after)) return { status: 'unchanged' };
  if (after === null) return { status: 'deleted', before };
  return {
    status: before === null ? 'created' : 'updated',
    ...(before === undefined ? {} : { before }),
    after,
  };
}

/** One call that a provider got. */
export interface ProviderCall {
  readonly method: ProviderMethod;
  /** Of doStep and undoStep. */
  readonly step?: string;
}
export type ProviderMethod = 'snapshot' | 'describe' | 'doStep' | 'undoStep' | 'close';

/** The provider, and a list that grows with each call it gets. */
export function recording<S, N>(
  provider: Provider<S, N>,
): {
  readonly provider: Provider<S, N>;
  readonly calls: readonly ProviderCall[];
} {
  const calls: ProviderCall[] = [];
  const recorded = intercept(provider, (method, step, call) => {
    calls.push({ method, ...(step ? { step: step.id } : {}) });
    return call();
  });
  return { provider: recorded, calls };
}

/** A fault to put into a provider. Without `step`, any step; without `times`, once. */
export interface ProviderFault {
  readonly method: ProviderMethod;
  /** Id or kind of the step. */
  readonly step?: string;
  /** `before`: nothing was done; `after`: it was done and the answer is lost. Default `before`. */
  readonly when?: 'before' | 'after';
  readonly times?: number;
  /** Default: `unreachable`. */
  readonly error?: unknown;
}

/** The provider, with faults. */
export function withFaults<S, N>(provider: Provider<S, N>, faults: readonly ProviderFault[]): Provider<S, N> {
  const left = faults.map((fault) => ({ ...fault, times: fault.times ?? 1 }));
  return intercept(provider, async (method, step, call) => {
    const fault = left.find(
      (candidate) =>
        candidate.times > 0 &&
        candidate.method === method &&
        (candidate.step === undefined || candidate.step === step?.id || candidate.step === step?.kind),
    );
    if (!fault) return call();
    fault.times -= 1;
    if (fault.when === 'after') await call();
    throw (
      fault.error ?? new VmgpuError('unreachable', 'a fault was injected', { details: { retryable: false } })
    );
  });
}

type Interceptor = <T>(method: ProviderMethod, step: Step | undefined, call: () => Promise<T>) => Promise<T>;

function intercept<S, N>(provider: Provider<S, N>, around: Interceptor): Provider<S, N> {
  const { undoStep, close } = provider;
  return derive(provider, {
    snapshot: (scope, options) => around('snapshot', undefined, () => provider.snapshot(scope, options)),
    describe: (vm, options) => around('describe', undefined, () => provider.describe(vm, options)),
    doStep: (step, context) => around('doStep', step, () => provider.doStep(step, context)),
    ...(undoStep && {
      undoStep: (step, outcome, context) =>
        around('undoStep', step, () => undoStep.call(provider, step, outcome, context)),
    }),
    ...(close && { close: () => around('close', undefined, () => close.call(provider)) }),
  });
}

/** A provider like another one but for some methods; the rest keeps its own `this`. */
function derive<S, N>(provider: Provider<S, N>, changes: Partial<Provider<S, N>>): Provider<S, N> {
  const { specVersion, platform, capabilities, translate } = provider;
  return {
    specVersion,
    platform,
    capabilities,
    translate,
    snapshot: (scope, options) => provider.snapshot(scope, options),
    describe: (vm, options) => provider.describe(vm, options),
    doStep: (step, context) => provider.doStep(step, context),
    ...(provider.undoStep && {
      undoStep: (step, outcome, context) => provider.undoStep?.(step, outcome, context) ?? Promise.resolve(),
    }),
    ...(provider.close && { close: () => provider.close?.() ?? Promise.resolve() }),
    ...changes,
  };
}
