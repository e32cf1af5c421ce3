import { redact } from '../errors/redact.ts';
import { isVmgpuError, VmgpuError } from '../errors/vmgpu-error.ts';
import { type Clock, systemClock } from '../resilience/clock.ts';
import type { ErrorSummary, OperationEvent } from '../spec/v1/events.ts';
import { createEventLog, type EventLog } from './event-log.ts';
import type { InFlightPolicy, OperationOptions } from './operation.ts';
import type { OperationState, StepRecord } from './state.ts';

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** An event without what the session fills in. */
export type EventBody = DistributiveOmit<OperationEvent, 'sequence' | 'time' | 'operation'>;

/** Everything one run of an operation shares: its state and journal, its events, its cancellation. */
export interface Session {
  readonly clock: Clock;
  readonly random: () => number;
  readonly options: OperationOptions;
  readonly events: EventLog;
  readonly warnings: readonly string[];
  readonly state: OperationState;
  /** Aborts the step that runs. */
  readonly stop: AbortSignal;
  /** Set once a cancellation was asked for. */
  readonly cancelled: { readonly reason: unknown } | undefined;
  cancel(policy: InFlightPolicy, reason: unknown): void;
  emit(event: EventBody): void;
  /** Changes the state and writes it down. Rejects with `JournalFailure`. */
  commit(change: Partial<OperationState>): Promise<void>;
  /** Same, for one step's record. */
  record(step: string, record: StepRecord): Promise<void>;
  /** Stops listening to the caller's signal. */
  release(): void;
}

/** The journal could not be written: nothing more may be dispatched, because nobody could take it up. */
export class JournalFailure extends Error {
  override readonly cause: unknown;
  constructor(cause: unknown) {
    super('the journal could not be written');
    this.cause = cause;
  }
}

export function createSession(initial: OperationState, options: OperationOptions): Session {
  const { clock = systemClock, random = Math.random, journal, signal, inFlight = 'finish-step' } = options;
  const events = createEventLog();
  const warnings: string[] = [];
  const stop = new AbortController();
  let state = initial;
  let cancelled: { reason: unknown } | undefined;
  let sequence = 0;
  let writing = Promise.resolve();

  function warnOfObserver(error: unknown): void {
    if (warnings.length === 0) warnings.push(`the onEvent observer failed: ${summarize(error).message}`);
  }

  const session: Session = {
    clock,
    random,
    options,
    events,
    warnings,
    get state() {
      return state;
    },
    stop: stop.signal,
    get cancelled() {
      return cancelled;
    },
    cancel(policy, reason) {
      cancelled ??= { reason };
      if (policy === 'cancel-task') stop.abort(cancelled.reason);
    },
    emit(body) {
      sequence += 1;
      const event = Object.freeze({
        ...body,
        sequence,
        time: clock.now(),
        operation: state.id,
      }) as OperationEvent;
      events.push(event);
      try {
        const answer = options.onEvent?.(event);
        if (answer instanceof Promise) answer.catch(warnOfObserver);
      } catch (error) {
        warnOfObserver(error);
      }
    },
    async commit(change) {
      state = { ...state, ...change, revision: state.revision + 1, updatedAt: clock.now() };
      const snapshot = state;
      if (!journal) return;
      // One after the other: an older state must not overwrite a newer one.
      writing = writing.then(() => journal.save(snapshot));
      await writing.catch((error) => {
        throw new JournalFailure(error);
      });
    },
    record: (step, record) => session.commit({ steps: { ...state.steps, [step]: record } }),
    release() {
      signal?.removeEventListener('abort', onAbort);
    },
  };

  const onAbort = () => session.cancel(inFlight, signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return session;
}

/** Any thrown value as a VmgpuError. What is not ours is a bug of whoever threw it. */
export function asVmgpuError(error: unknown): VmgpuError {
  if (isVmgpuError(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new VmgpuError('internal', message || 'an error without a message', { cause: error });
}

export function summarize(error: unknown): ErrorSummary {
  const { code, message, hint } = asVmgpuError(error);
  return { code, message: redact(message), ...(hint === undefined ? {} : { hint }) };
}
