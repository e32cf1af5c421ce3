import { apiVersion } from '../model/platform.ts';
import { check, choice, dictionary, integer, literal, optional, shape, text } from '../schema/index.ts';
import type { ErrorSummary, OperationGoal } from '../spec/v1/events.ts';
import type { Plan, Step } from '../spec/v1/plan.ts';
import type { StepNote, StepOutcome } from '../spec/v1/provider.ts';

/** Where one step of an operation stands. A step without a record was not begun. */
export type StepRecord =
  /** Handed to the provider; when the process died here, the note says how far it came. */
  | { readonly state: 'started'; readonly note?: StepNote }
  | { readonly state: 'failed'; readonly error: ErrorSummary; readonly note?: StepNote }
  | { readonly state: 'done'; readonly outcome: StepOutcome }
  | { readonly state: 'undoing'; readonly outcome: StepOutcome; readonly note?: StepNote }
  | { readonly state: 'undone'; readonly outcome: StepOutcome }
  /** Was to be undone and still stands. */
  | { readonly state: 'left'; readonly outcome: StepOutcome; readonly why: string };

export type OperationStatus = 'running' | 'succeeded' | 'failed' | 'cancelled';

/**
 * All that another process needs to go on: plain JSON. It holds the plan and native values as they are, so keep it where
 * you would keep the plan, readable by its owner alone.
 */
export interface OperationState {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'Operation';
  readonly id: string;
  /** Grows by one with each write. */
  readonly revision: number;
  /** `undo` from the moment when the changes are being taken back. */
  readonly goal: OperationGoal;
  readonly status: OperationStatus;
  readonly onFailure: 'undo' | 'keep';
  readonly plan: Plan;
  readonly steps: Readonly<Record<string, StepRecord>>;
  /** Why the apply failed. */
  readonly failure?: ErrorSummary & { readonly step?: string };
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly updatedAt: number;
}

/** Where operations are written down. */
export interface JournalPort {
  /**
   * Called before each dispatch, after each outcome and for each note; the work goes on when it has resolved. Calls come
   * one after the other. Write atomically (a new file, then rename). When it rejects, nothing more is dispatched.
   */
  save(state: OperationState): Promise<void>;
}

const schema = shape({
  apiVersion: literal(apiVersion),
  kind: literal('Operation'),
  id: text(),
  revision: integer(),
  goal: choice('apply', 'undo'),
  status: choice('running', 'succeeded', 'failed', 'cancelled'),
  onFailure: choice('undo', 'keep'),
  plan: shape({ kind: literal('Plan'), platform: text(), vm: text() }),
  steps: dictionary(
    shape({
      state: choice('started', 'failed', 'done', 'undoing', 'undone', 'left'),
      outcome: optional(shape({ status: choice('created', 'updated', 'deleted', 'unchanged') })),
    }),
  ),
});

/** Checks a journal read back from where it was kept. Throws `bad-input` that names each wrong place. */
export function parseOperationState(document: unknown): OperationState {
  return check(schema, document, 'not a journal of an operation') as unknown as OperationState;
}

/**
 * The change of a step that stands on the platform, as far as the journal knows; undefined when there is nothing to undo.
 * A step that ended without an outcome has changed something only if it had noted what was there before.
 */
export function standingChange(step: Step, record: StepRecord | undefined): StepOutcome | undefined {
  switch (record?.state) {
    case 'done':
      return record.outcome.status === 'unchanged' ? undefined : record.outcome;
    case 'undoing':
    case 'left':
      return record.outcome;
    case 'started':
    case 'failed':
      return record.note?.before === undefined
        ? undefined
        : { status: statusFrom(step, record.note.before), ...record.note };
    default:
      return undefined;
  }
}

/**
 * The outcome of a step with what was noted on the way. A step that is taken up after a kill finds its own work and says
 * `unchanged`; the note knows better.
 */
export function settleOutcome(step: Step, outcome: StepOutcome, note: StepNote | undefined): StepOutcome {
  if (note?.before === undefined) return outcome;
  const status = outcome.status === 'unchanged' ? statusFrom(step, note.before) : outcome.status;
  return { ...outcome, status, before: note.before };
}

function statusFrom(step: Step, before: unknown): StepOutcome['status'] {
  if (step.after === null) return 'deleted';
  return before === null ? 'created' : 'updated';
}
