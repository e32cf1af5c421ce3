import type { Scope } from '../../model/platform.ts';
import type { Clock } from '../../resilience/clock.ts';
import type { DispatchOptions } from '../../resilience/dispatch.ts';
import type { PollOptions, Probe } from '../../resilience/poll.ts';
import type { RetryOptions } from '../../resilience/retry.ts';
import type { CallOptions } from './call-options.ts';
import type { Capabilities } from './capabilities.ts';
import type { Step } from './plan.ts';
import type { Translator } from './translator.ts';

/** A VM on its platform. */
export interface VmRef {
  /** Name or id. */
  readonly name: string;
  /** Namespace, node or project; the provider's own when not given. */
  readonly in?: string;
}

export interface SnapshotOptions extends CallOptions {
  /** A VM that the plan is going to change: the snapshot then says what it is now. */
  readonly vm?: VmRef;
}

/** What a step did, or found done. */
export type StepStatus = 'created' | 'updated' | 'deleted' | 'unchanged';

/** JSON. It goes into the journal as it is: what a later process needs for the undo must be in it. */
export interface StepOutcome {
  readonly status: StepStatus;
  /** The full native value that was there, for the undo; null when there was none. Not needed with `unchanged`. */
  readonly before?: unknown;
  /** What is there now, as read back. */
  readonly after?: unknown;
  /** What the platform calls the work: a task id, an operation id. */
  readonly handle?: unknown;
}

/** What a step puts into the journal while it runs; notes of one step are merged, later fields win. */
export interface StepNote {
  /**
   * The native value that is about to be changed, null when there is none. Noted BEFORE the first write: a process that
   * is killed after the write could read only its own work.
   */
  readonly before?: unknown;
  /**
   * Noted as soon as the platform has taken the order. Noting `handle: undefined` takes it back: the work behind it has
   * ended without effect, for instance because it was cancelled.
   */
  readonly handle?: unknown;
}

/** The three kinds of retry with the operation's clock, signal and events filled in. */
export interface StepRetry {
  call<T>(
    call: (attempt: number) => Promise<T>,
    options?: Omit<RetryOptions, 'signal' | 'clock' | 'random'>,
  ): Promise<T>;
  dispatch<Handle, T>(options: Omit<DispatchOptions<Handle, T>, 'signal' | 'clock' | 'random'>): Promise<T>;
  poll<T>(probe: () => Promise<Probe<T>>, options: Omit<PollOptions, 'signal' | 'clock'>): Promise<T>;
}

/** What the engine lends to one step. */
export interface StepContext {
  /**
   * Aborts at a time limit, and at a cancellation that asks for `cancel-task`. A step then stops waiting, asks the
   * platform to cancel what it ordered, and rejects with the reason (or resolves, when it was done already).
   */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly retry: StepRetry;
  /** What an earlier process noted for this step: a handle in it is waited for, never ordered again. */
  readonly noted: StepNote | undefined;
  /** Writes to the journal; go on only when it has resolved. */
  note(note: StepNote): Promise<void>;
  /** Tells how far it is. */
  emit(progress: { readonly fraction?: number; readonly message?: string }): void;
}

/**
 * The adapter of one platform, contract v1. Methods with `do` and `undo` are for the engine; users call `apply`.
 * Optional fields may be added to v1; a changed meaning makes a v2.
 */
export interface Provider<Snapshot = unknown, Native = unknown> {
  readonly specVersion: 'v1';
  /** Same as the translator's and the plans'. */
  readonly platform: string;
  readonly capabilities: Capabilities;
  readonly translate: Translator<Snapshot, Native>;
  /** What the platform has and allows now, as far as plans of this scope need it. */
  snapshot(scope: Scope, options?: SnapshotOptions): Promise<Snapshot>;
  /** The VM in the platform's own words. Rejects with `not-found`. */
  describe(vm: VmRef, options?: CallOptions): Promise<Native>;
  /**
   * One step: read, compare, write only a difference, read back. Touches nothing that the step does not manage. A step
   * that says what it expects (`before`) and finds neither that nor `after` rejects with `conflict`.
   */
  doStep(step: Step, context: StepContext): Promise<StepOutcome>;
  /**
   * Brings `outcome.before` back, as far as it is not there already: gone is done. When `outcome.handle` still runs, it is
   * waited for or cancelled first. Absent when nothing can be undone.
   */
  undoStep?(step: Step, outcome: StepOutcome, context: StepContext): Promise<void>;
  /** Lets go of connections. */
  close?(): Promise<void>;
}
