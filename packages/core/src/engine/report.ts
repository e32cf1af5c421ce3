import { VmgpuError } from '../errors/vmgpu-error.ts';
import type { Step } from '../spec/v1/plan.ts';
import type { ApplyFailedDetails, CancelledDetails, LeftChange, OperationResult } from './operation.ts';
import type { Session } from './session.ts';
import { type OperationState, standingChange } from './state.ts';

/** How a run ended, in the words of results and errors. */
export interface Report {
  /** Steps that are in effect, changed or found so. */
  readonly done: readonly string[];
  readonly undone: readonly string[];
  readonly left: readonly LeftChange[];
  readonly remaining: readonly string[];
}

export function reportOf(order: readonly Step[], state: OperationState, why: string): Report {
  const idsIn = (...states: string[]) =>
    order.filter((step) => states.includes(state.steps[step.id]?.state ?? 'waiting')).map((step) => step.id);
  return {
    done: idsIn('done'),
    undone: idsIn('undone'),
    left: order.flatMap((step) => {
      const record = state.steps[step.id];
      if (standingChange(step, record) === undefined) return [];
      const reason =
        record?.state === 'left' ? record.why : record?.state === 'done' ? why : 'it may be half done';
      return [{ step: step.id, summary: step.summary, why: reason }];
    }),
    remaining: idsIn('waiting', 'started', 'failed', 'undone'),
  };
}

export function resultOf(order: readonly Step[], session: Session): OperationResult {
  const { state } = session;
  const steps = order.flatMap((step): OperationResult['steps'] => {
    const record = state.steps[step.id];
    if (record?.state === 'done') return [{ step: step.id, status: record.outcome.status }];
    return record?.state === 'undone' ? [{ step: step.id, status: 'undone' }] : [];
  });
  return {
    operation: state.id,
    steps,
    changed: steps.some(({ status }) => status !== 'unchanged'),
    warnings: session.warnings,
  };
}

export function failedError(order: readonly Step[], state: OperationState, cause: unknown): VmgpuError {
  const { failure, goal, plan } = state;
  const report = reportOf(order, state, 'it was to be kept');
  const what = failure ? 'apply the plan' : 'undo the changes';
  const reason = failure
    ? `${failure.step === undefined ? '' : `step ${failure.step} failed: `}${failure.message}`
    : `${report.left.length} of them stay`;
  const parts = [
    `Unable to ${what} for ${plan.vm}: ${reason}`,
    report.undone.length > 0 ? `undone: ${report.undone.join(', ')}` : '',
    report.left.length > 0
      ? `left on the platform: ${report.left.map(({ step, why }) => `${step} (${why})`).join(', ')}`
      : '',
  ].filter(Boolean);
  const details: ApplyFailedDetails = {
    operation: state.id,
    ...(failure?.step === undefined ? {} : { failed: failure.step }),
    ...(failure ? { failure } : {}),
    done: report.done,
    undone: report.undone,
    left: report.left,
  };
  return new VmgpuError('apply-failed', parts.join('; '), {
    ...(cause === undefined ? {} : { cause }),
    hint: hintFor(goal, report, failure?.hint),
    details: { ...details },
  });
}

function hintFor(goal: OperationState['goal'], report: Report, hint: string | undefined): string {
  if (hint !== undefined) return hint;
  if (report.left.length === 0) return 'nothing is left behind; settle the cause and apply the plan again';
  return goal === 'undo'
    ? 'settle the cause, then resume the operation: it tries again to undo what is left'
    : 'settle the cause, then resume the operation, or undo it';
}

export function cancelledError(order: readonly Step[], state: OperationState, reason: unknown): VmgpuError {
  const { done, undone, left, remaining } = reportOf(order, state, 'it was done before the cancellation');
  const far =
    state.goal === 'apply' ? `${done.length} of ${order.length} steps` : `undoing ${undone.length} steps`;
  const details: CancelledDetails = {
    operation: state.id,
    ...(state.failure ? { failure: state.failure } : {}),
    done,
    undone,
    left,
    remaining,
  };
  return new VmgpuError('aborted', `The operation for ${state.plan.vm} was cancelled after ${far}`, {
    cause: reason,
    hint: 'resume the operation to go on, or undo it',
    details: { ...details },
  });
}
