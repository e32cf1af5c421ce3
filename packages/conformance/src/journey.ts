import type { Clock, OperationState, Plan, Provider, VmgpuError } from '@vmgpu/core';
import { apply, type JournalPort, type Operation, resume, undo } from '@vmgpu/core/engine';

/** One change of a platform, begun by a process and ended by it or by the next. */
export interface Journey {
  readonly name: string;
  /** The platform before it, as its simulator keeps it. */
  readonly before: string;
  start(provider: Provider, journal: JournalPort): Operation;
  resume(state: OperationState, provider: Provider): Operation;
}

export interface JourneyOptions {
  readonly clock: Clock;
  readonly random: () => number;
}

/** The journey that carries a plan out. */
export function applyJourney(name: string, plan: Plan, before: string, options: JourneyOptions): Journey {
  return {
    name,
    before,
    start: (provider, journal) => apply(plan, provider, { ...options, journal }),
    resume: (state, provider) => resume(state, provider, options),
  };
}

/** The journey that takes back what an operation did. */
export function undoJourney(name: string, done: Operation, before: string, options: JourneyOptions): Journey {
  return {
    name,
    before,
    start: (provider, journal) => undo(done.toJSON(), provider, { ...options, journal }),
    resume: (state, provider) => resume(state, provider, options),
  };
}

export const noJournal: JournalPort = { save: async () => {} };

/** `succeeded`, or the code of the error it ended with. */
export async function endOf(operation: Operation): Promise<string> {
  return operation.then(
    () => 'succeeded',
    (error: VmgpuError) => error.code,
  );
}
