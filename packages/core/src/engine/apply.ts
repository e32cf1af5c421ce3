import { apiVersion } from '../model/platform.ts';
import { systemClock } from '../resilience/clock.ts';
import type { Plan } from '../spec/v1/plan.ts';
import type { Provider } from '../spec/v1/provider.ts';
import type { ApplyOptions, Operation, OperationOptions } from './operation.ts';
import { type RunHooks, run } from './run.ts';
import { createSession } from './session.ts';
import { type OperationState, parseOperationState } from './state.ts';

/**
 * Carries out a plan, one step after the other: each reads, compares, and writes only a difference, so that a second run
 * says `unchanged` everywhere. Begins at once; see `Operation` for what it resolves to and how it fails.
 */
export function apply(plan: Plan, provider: Provider, options: ApplyOptions = {}): Operation {
  return startOperation(newState(plan, options), provider, options);
}

/** `apply` with the hooks of `applyMany`. */
export function applyWith(plan: Plan, provider: Provider, options: ApplyOptions, hooks: RunHooks): Operation {
  return startOperation(newState(plan, options), provider, options, hooks);
}

/**
 * Goes on where a journal ends: after a kill, a cancellation or a failure. Forward, or, when the operation was already
 * taking its changes back, back. An operation that had ended well ends well again without a call. Throws `bad-input` for
 * what is not a journal.
 */
export function resume(
  state: OperationState,
  provider: Provider,
  options: OperationOptions & Pick<ApplyOptions, 'timeoutMs'> = {},
): Operation {
  const { failure, ...rest } = parseOperationState(state);
  // A failure that began a taking-back stays its reason; one that stopped a forward run is to be overcome.
  const keepFailure = failure !== undefined && rest.goal === 'undo';
  return startOperation(keepFailure ? { ...rest, failure } : rest, provider, options);
}

/** Takes back what an operation has changed, last first; rejects with `apply-failed` when something has to stay. */
export function undo(state: OperationState, provider: Provider, options: OperationOptions = {}): Operation {
  const { failure: _failure, ...rest } = parseOperationState(state);
  const status = rest.goal === 'undo' ? rest.status : 'running';
  return startOperation({ ...rest, goal: 'undo', status }, provider, options);
}

function newState(plan: Plan, options: ApplyOptions): OperationState {
  const { clock = systemClock, random = Math.random, onFailure = 'undo' } = options;
  const now = clock.now();
  const suffix = Math.floor(random() * 36 ** 4)
    .toString(36)
    .padStart(4, '0');
  return {
    apiVersion,
    kind: 'Operation',
    id: options.id ?? `${plan.vm}-${now.toString(36)}-${suffix}`,
    revision: 0,
    goal: 'apply',
    status: 'running',
    onFailure,
    plan,
    steps: {},
    startedAt: now,
    updatedAt: now,
  };
}

function startOperation(
  state: OperationState,
  provider: Provider,
  options: ApplyOptions,
  hooks: RunHooks = {},
): Operation {
  const session = createSession(state, options);
  const result = run({ session, provider, timeoutMs: options.timeoutMs, hooks });
  // Whoever only iterates over the events learns of a failure from the last one.
  result.catch(() => undefined);
  let settled = false;
  const settle = () => {
    settled = true;
  };
  result.then(settle, settle);
  return {
    id: state.id,
    get status() {
      const { status } = session.state;
      return settled && status === 'running' ? 'failed' : status;
    },
    cancel({ inFlight = options.inFlight ?? 'finish-step', reason = new Error('cancelled') } = {}) {
      session.cancel(inFlight, reason);
    },
    toJSON: () => session.state,
    // biome-ignore lint/suspicious/noThenProperty: an operation is awaitable on purpose
    then: (onDone, onFailed) => result.then(onDone, onFailed),
    [Symbol.asyncIterator]: () => session.events.iterate(),
  };
}
