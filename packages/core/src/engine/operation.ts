import type { Clock } from '../resilience/clock.ts';
import type { ErrorSummary, OperationEvent } from '../spec/v1/events.ts';
import type { StepStatus } from '../spec/v1/provider.ts';
import type { JournalPort, OperationState, OperationStatus } from './state.ts';

/**
 * What a cancellation does to the step that runs: `finish-step` lets it end, `cancel-task` asks the provider to stop
 * waiting and to cancel what it ordered. Either way nothing further is begun and nothing is undone.
 */
export type InFlightPolicy = 'finish-step' | 'cancel-task';

export interface OperationOptions {
  /** Aborting cancels the operation, by `inFlight`. */
  readonly signal?: AbortSignal;
  /** Default `finish-step`. */
  readonly inFlight?: InFlightPolicy;
  readonly journal?: JournalPort;
  /**
   * Sees each event as it happens. It cannot break the work: what it throws is caught, and said once in the result's
   * warnings.
   */
  readonly onEvent?: (event: OperationEvent) => unknown;
  /** Limit for one step, in milliseconds; none by default. Passing it fails the step with `timeout`. */
  readonly stepTimeoutMs?: number;
  /** How long a step that was asked to stop may take before it is given up; default 10 s. */
  readonly graceMs?: number;
  readonly clock?: Clock;
  /** For the jitter of retries and for ids. */
  readonly random?: () => number;
}

export interface ApplyOptions extends OperationOptions {
  /** Name of the operation in events and journal; made from the VM's name and the time by default. */
  readonly id?: string;
  /**
   * When a step fails: `undo` (default) takes back what was done, last first; `keep` leaves it, for `resume`.
   */
  readonly onFailure?: 'undo' | 'keep';
  /** Limit for all steps together, in milliseconds; none by default. Taking back is not limited by it. */
  readonly timeoutMs?: number;
}

/** A change that is still on the platform although the operation failed or was taken back. */
export interface LeftChange {
  readonly step: string;
  readonly summary: string;
  readonly why: string;
}

/** `details` of an `apply-failed`. */
export interface ApplyFailedDetails {
  readonly operation: string;
  /** The step that failed, and why; absent when an undo could not take everything back. */
  readonly failed?: string;
  readonly failure?: ErrorSummary;
  readonly done: readonly string[];
  readonly undone: readonly string[];
  readonly left: readonly LeftChange[];
}

/** `details` of an `aborted`. */
export interface CancelledDetails extends ApplyFailedDetails {
  /** Steps that are still to be done. */
  readonly remaining: readonly string[];
}

export interface OperationResult {
  readonly operation: string;
  /** In the order in which they were done. */
  readonly steps: readonly { readonly step: string; readonly status: StepStatus | 'undone' }[];
  /** False when everything was as wanted already. */
  readonly changed: boolean;
  /** What went wrong beside the work, such as an observer that threw. */
  readonly warnings: readonly string[];
}

/**
 * A running apply, resume or undo. Await it for the result; it rejects with a VmgpuError:
 * - `apply-failed`: a step failed; `details` is an `ApplyFailedDetails`, the cause is the step's error
 * - `aborted`: it was cancelled; `details` is a `CancelledDetails`, and `resume` goes on
 * - `blocked`, `bad-input`, `unsupported`: it was not begun, and nothing was called
 *
 * Iterate it for its events, any number of times, from the first. (Returning it from an async function awaits it.)
 */
export interface Operation extends PromiseLike<OperationResult>, AsyncIterable<OperationEvent> {
  readonly id: string;
  readonly status: OperationStatus;
  /** Begins nothing further. A second call with `cancel-task` also stops the step that a first one let end. */
  cancel(options?: { readonly inFlight?: InFlightPolicy; readonly reason?: unknown }): void;
  /** What a journal would hold now; see `resume`. */
  toJSON(): OperationState;
}
