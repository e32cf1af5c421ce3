import { VmgpuError } from '../errors/vmgpu-error.ts';
import { startDeadline } from '../resilience/deadline.ts';
import type { Step } from '../spec/v1/plan.ts';
import type { Provider, StepNote, StepOutcome } from '../spec/v1/provider.ts';
import { guardStep } from './guard-step.ts';
import type { OperationResult } from './operation.ts';
import { preflight } from './preflight.ts';
import { cancelledError, failedError, resultOf } from './report.ts';
import { asVmgpuError, JournalFailure, type Session, summarize } from './session.ts';
import { settleOutcome, standingChange } from './state.ts';

/** What `applyMany` adds from outside; not for users. */
export interface RunHooks {
  /** Lets steps on the same thing wait for each other. */
  readonly exclusive?: <T>(step: Step, work: () => Promise<T>) => Promise<T>;
  /** Why a step must not be undone although it could be. */
  readonly keep?: (step: Step) => string | undefined;
}

export interface Run {
  readonly session: Session;
  readonly provider: Provider;
  readonly timeoutMs: number | undefined;
  readonly hooks: RunHooks;
}

interface Ready extends Run {
  readonly order: readonly Step[];
  /** Steps of this run that did not stop when asked. */
  readonly abandoned: Set<string>;
}

/** Carries an operation to its end: forward to the goal, and back when a step fails. */
export async function run(base: Run): Promise<OperationResult> {
  const { session } = base;
  const { state } = session;
  session.emit({
    type: 'operation-start',
    goal: state.goal,
    platform: state.plan.platform,
    vm: state.plan.vm,
    steps: state.plan.steps.length,
    alreadyDone: Object.values(state.steps).filter((record) => record.state === 'done').length,
  });
  try {
    const result = await carryOut(base);
    session.emit({ type: 'operation-end', status: 'succeeded' });
    return result;
  } catch (error) {
    const status = session.state.status === 'cancelled' ? 'cancelled' : 'failed';
    session.emit({ type: 'operation-end', status, error: summarize(error) });
    throw asVmgpuError(error);
  } finally {
    session.events.end();
    session.release();
  }
}

async function carryOut(base: Run): Promise<OperationResult> {
  const { session } = base;
  const ready: Ready = { ...base, order: preflight(session.state, base.provider), abandoned: new Set() };
  if (session.state.status === 'succeeded') return resultOf(ready.order, session);
  let cause: unknown;
  try {
    await session.commit({ status: 'running' });
    if (session.state.goal === 'apply') cause = await forward(ready);
    if (isCancelled(ready)) return await endCancelled(ready, cause);
    if (session.state.goal === 'undo') await backward(ready);
    if (isCancelled(ready)) return await endCancelled(ready, cause);
    if (session.state.failure || isUnfinished(ready)) {
      await session.commit({ status: 'failed' });
      throw failedError(ready.order, session.state, cause);
    }
    await session.commit({ status: 'succeeded' });
    return resultOf(ready.order, session);
  } catch (error) {
    if (!(error instanceof JournalFailure)) throw error;
    const failure = {
      ...summarize(error.cause),
      message: `${error.message}: ${summarize(error.cause).message}`,
    };
    throw failedError(ready.order, { ...session.state, failure }, error.cause);
  }
}

async function endCancelled({ session, order }: Ready, cause: unknown): Promise<never> {
  await session.commit({ status: 'cancelled' });
  throw cancelledError(order, session.state, session.cancelled?.reason ?? cause);
}

/** Does what is not done yet. Returns the error that stopped it; the goal is then `undo`, if that was asked for. */
async function forward(ready: Ready): Promise<unknown> {
  const { session, order, timeoutMs } = ready;
  const limit = startDeadline(session.clock, `Applying the plan for ${session.state.plan.vm}`, timeoutMs);
  try {
    for (const [index, step] of order.entries()) {
      if (session.state.steps[step.id]?.state === 'done') continue;
      if (session.cancelled) return undefined;
      const failed = await forwardStep(ready, step, index + 1, limit.signal);
      if (!failed) continue;
      if (!session.cancelled) {
        await session.commit({
          failure: { ...summarize(failed.error), step: step.id },
          ...(session.state.onFailure === 'undo' ? { goal: 'undo' } : {}),
        });
      }
      return failed.error;
    }
    return undefined;
  } finally {
    limit.release();
  }
}

async function forwardStep(
  { session, provider, order, hooks, abandoned }: Ready,
  step: Step,
  position: number,
  signal: AbortSignal,
): Promise<{ error: unknown } | undefined> {
  const { id, summary, risk } = step;
  const before = session.state.steps[id];
  const noted = before?.state === 'started' || before?.state === 'failed' ? before.note : undefined;
  const { exclusive = (_step, work) => work() } = hooks;
  await session.record(id, { state: 'started', ...withNote(noted) });
  session.emit({ type: 'step-start', step: id, position, steps: order.length, summary, risk });
  const result = await exclusive(step, () =>
    guardStep(session, {
      step,
      noted,
      signal,
      work: async (context) => checkOutcome(await provider.doStep(step, context)),
      saveNote: (note) => session.record(id, { state: 'started', note }),
    }),
  );
  if (result.ok) {
    const outcome = settleOutcome(step, result.value, result.note);
    await session.record(id, { state: 'done', outcome });
    session.emit({ type: 'step-end', step: id, status: outcome.status });
    return undefined;
  }
  if (result.abandoned) abandoned.add(id);
  const error = summarize(result.error);
  session.emit({ type: 'step-end', step: id, status: 'failed', error });
  await session.record(id, { state: 'failed', error, ...withNote(openNote(result.note, error.code)) });
  return { error: result.error };
}

const statuses: readonly unknown[] = ['created', 'updated', 'deleted', 'unchanged'];

function checkOutcome(outcome: StepOutcome): StepOutcome {
  if (statuses.includes(outcome?.status)) return outcome;
  throw new VmgpuError('internal', 'the provider did not say what the step did', {
    found: String(outcome?.status),
    expected: statuses.join(', '),
  });
}

/** A handle is worth waiting for again only while the work behind it may still be running. */
function openNote(note: StepNote | undefined, code: string): StepNote | undefined {
  if (!note || ['timeout', 'aborted', 'unreachable', 'internal'].includes(code)) return note;
  return note.before === undefined ? undefined : { before: note.before };
}

function withNote(note: StepNote | undefined): { note?: StepNote } {
  return note === undefined ? {} : { note };
}

/** A cancellation that comes after the last step has nothing to cancel. */
function isCancelled(ready: Ready): boolean {
  return ready.session.cancelled !== undefined && isUnfinished(ready);
}

function isUnfinished({ session, order }: Ready): boolean {
  const { goal, steps } = session.state;
  return goal === 'apply'
    ? order.some((step) => steps[step.id]?.state !== 'done')
    : order.some((step) => standingChange(step, steps[step.id]) !== undefined);
}

/** Takes back what stands, last first. A step stays while one that needs it stays. */
async function backward(ready: Ready): Promise<void> {
  const { session, order } = ready;
  for (const step of [...order].reverse()) {
    const outcome = standingChange(step, session.state.steps[step.id]);
    if (!outcome) continue;
    if (session.cancelled) return;
    const why = whyNot(ready, step);
    if (why === undefined) await backwardStep(ready, step);
    else await session.record(step.id, { state: 'left', outcome, why });
  }
}

function whyNot({ session, provider, order, hooks, abandoned }: Ready, step: Step): string | undefined {
  const dependent = order.find(
    (other) =>
      other.needs?.includes(step.id) && standingChange(other, session.state.steps[other.id]) !== undefined,
  );
  if (dependent) return `${dependent.id}, which needs it, stays`;
  if (abandoned.has(step.id)) return 'it did not stop when asked, and how it ended is not known';
  if (!step.reversible) return 'it cannot be undone';
  if (!provider.undoStep) return `${provider.platform} undoes nothing`;
  return hooks.keep?.(step);
}

async function backwardStep({ session, provider, hooks }: Ready, step: Step): Promise<void> {
  const { id, summary } = step;
  const record = session.state.steps[id];
  const outcome = standingChange(step, record);
  if (!outcome) return;
  const noted = record?.state === 'undoing' ? record.note : undefined;
  const { exclusive = (_step, work) => work() } = hooks;
  await session.record(id, { state: 'undoing', outcome, ...withNote(noted) });
  session.emit({ type: 'undo-start', step: id, summary });
  const result = await exclusive(step, () =>
    guardStep(session, {
      step,
      noted,
      work: async (context) => provider.undoStep?.(step, outcome, context),
      saveNote: (note) => session.record(id, { state: 'undoing', outcome, note }),
    }),
  );
  if (result.ok) {
    await session.record(id, { state: 'undone', outcome });
    session.emit({ type: 'undo-end', step: id, status: 'undone' });
    return;
  }
  const error = summarize(result.error);
  session.emit({ type: 'undo-end', step: id, status: 'failed', error });
  await session.record(id, { state: 'left', outcome, why: `undoing it failed: ${error.message}` });
}
