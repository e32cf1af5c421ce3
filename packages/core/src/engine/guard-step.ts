import { redact } from '../errors/redact.ts';
import { isVmgpuError, VmgpuError } from '../errors/vmgpu-error.ts';
import { startDeadline } from '../resilience/deadline.ts';
import { dispatchThenWait } from '../resilience/dispatch.ts';
import { poll } from '../resilience/poll.ts';
import { type RetryNotice, retryCall } from '../resilience/retry.ts';
import type { Step } from '../spec/v1/plan.ts';
import type { StepContext, StepNote } from '../spec/v1/provider.ts';
import { JournalFailure, type Session, summarize } from './session.ts';

export interface GuardedStep<T> {
  readonly step: Step;
  readonly noted: StepNote | undefined;
  /** Besides the session's own: a time limit for all steps. */
  readonly signal?: AbortSignal;
  readonly work: (context: StepContext) => Promise<T>;
  readonly saveNote: (note: StepNote) => Promise<void>;
}

export type GuardedResult<T> =
  | { readonly ok: true; readonly value: T; readonly note: StepNote | undefined }
  | {
      readonly ok: false;
      readonly error: unknown;
      readonly note: StepNote | undefined;
      /** It did not stop when asked; its end is not known. */
      readonly abandoned: boolean;
    };

const defaultGraceMs = 10_000;

/**
 * Runs one call of a provider with all that it may lean on, and comes back in any case: a step that goes on after its
 * signal has aborted is given up after a time of grace. Journal failures are thrown.
 */
export async function guardStep<T>(session: Session, guarded: GuardedStep<T>): Promise<GuardedResult<T>> {
  const { step, saveNote, work } = guarded;
  const { clock, random, options } = session;
  const deadline = startDeadline(clock, `Step ${step.id}`, options.stepTimeoutMs, [
    session.stop,
    guarded.signal,
  ]);
  const { signal } = deadline;
  const ended = new AbortController();
  let note = guarded.noted;
  let journalFailure: JournalFailure | undefined;

  const notice = ({ attempt, delayMs, error }: RetryNotice) => {
    if (ended.signal.aborted) return;
    session.emit({ type: 'step-retry', step: step.id, attempt, delayMs, error: summarize(error) });
  };
  const observed = (options?: { onRetry?: (notice: RetryNotice) => void }) => ({
    signal,
    clock,
    random,
    onRetry: (retry: RetryNotice) => {
      notice(retry);
      options?.onRetry?.(retry);
    },
  });
  const context: StepContext = {
    signal,
    clock,
    noted: guarded.noted,
    retry: {
      call: (call, options) => retryCall(call, { ...options, ...observed(options) }),
      dispatch: (options) => dispatchThenWait({ ...options, ...observed(options) }),
      poll: (probe, options) => poll(probe, { ...options, signal, clock }),
    },
    async note(addition) {
      if (ended.signal.aborted)
        throw new VmgpuError('internal', `step ${step.id} has ended; its note comes too late`);
      // The first `before` is the true one: a step that is taken up again may read its own work.
      note = toJson({ ...note, ...addition, ...(note?.before === undefined ? {} : { before: note.before }) });
      await saveNote(note).catch((error) => {
        if (error instanceof JournalFailure) journalFailure = error;
        throw error;
      });
    },
    emit({ fraction, message }) {
      if (ended.signal.aborted) return;
      session.emit({
        type: 'step-progress',
        step: step.id,
        ...(fraction === undefined ? {} : { fraction: Math.min(1, Math.max(0, fraction)) }),
        ...(message === undefined ? {} : { message: redact(message) }),
      });
    },
  };

  let abandoned = false;
  const giveUp = new Promise<never>((_, reject) => {
    const startGrace = () => {
      clock.sleep(options.graceMs ?? defaultGraceMs, ended.signal).then(
        () => {
          abandoned = true;
          reject(signal.reason);
        },
        () => undefined,
      );
    };
    if (signal.aborted) startGrace();
    else signal.addEventListener('abort', startGrace, { once: true });
  });
  try {
    signal.throwIfAborted();
    const value = await Promise.race([work(context), giveUp]);
    if (journalFailure) throw journalFailure;
    return { ok: true, value: toJson(value), note };
  } catch (error) {
    if (journalFailure) throw journalFailure;
    return { ok: false, error: stopReason(signal, error), note, abandoned };
  } finally {
    ended.abort('ended');
    deadline.release();
  }
}

/** Libraries throw errors of their own when their signal aborts; the reason is what the caller has to hear. */
function stopReason(signal: AbortSignal, error: unknown): unknown {
  if (!signal.aborted || isVmgpuError(error)) return error;
  if (isVmgpuError(signal.reason)) return signal.reason;
  return new VmgpuError('aborted', 'the step was cancelled', { cause: signal.reason });
}

/** Journals are JSON; what is not JSON would be missing after a restart, so it is missing at once. */
function toJson<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}
