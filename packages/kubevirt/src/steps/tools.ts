import { isVmgpuError, type Step, type StepContext, type StepOutcome } from '@vmgpu/core';
import { isRetryable } from '@vmgpu/core/resilience';
import type { KubePort, ObjectRef } from '../client/port.ts';
import type { KubeResource } from '../client/resources.ts';
import { isNotFound, isWriteConflict } from '../client/status.ts';
import type { Manifest } from '../translate/manifest.ts';

/** Time limits of waits, in milliseconds; 0 does not wait. */
export interface WaitTimes {
  /** A labelled node until the GPU Operator has prepared it: drivers may be built, images pulled. Default 20 min. */
  readonly prepareMs: number;
  /** A permitted device until some node publishes it. Default 5 min. */
  readonly advertiseMs: number;
  /** A VM until it runs. Default 10 min. */
  readonly runningMs: number;
  /** A VM that is deleted until it is gone. Default 3 min. */
  readonly goneMs: number;
  /** A known trouble (unschedulable, not permitted, an image that cannot be pulled) before it is taken as final. Default 30 s. */
  readonly troubleMs: number;
}

/** What the steps of this adapter work with. */
export interface StepTools {
  readonly port: KubePort;
  readonly times: WaitTimes;
  /** Restart a running VM whose change takes effect only then. */
  readonly restart: 'when-needed' | 'never';
  /** A VM that waits for free devices is as good as one that runs. */
  readonly mayWait?: boolean;
  readonly context: StepContext;
}

/** One kind of step. */
export interface StepHandler {
  run(step: Step, tools: StepTools): Promise<StepOutcome>;
  undo(step: Step, outcome: StepOutcome, tools: StepTools): Promise<void>;
}

/** An object on the cluster. */
export interface Subject {
  readonly resource: KubeResource;
  readonly ref: ObjectRef;
}

/** null when there is none. */
export async function readOrNull(
  { port, context }: StepTools,
  { resource, ref }: Subject,
): Promise<Manifest | null> {
  try {
    return await port.get(resource, ref, { signal: context.signal });
  } catch (error) {
    // A missing CRD is something else than a missing object.
    if (isNotFound(error) && isVmgpuError(error) && error.details?.kindAbsent !== true) return null;
    throw error;
  }
}

/** Tries enough for a server that restarts, which takes some seconds. */
const patience = { tries: 12, baseMs: 50, maxMs: 4_000 } as const;

/** Read, compare and write as one piece of work that may be done again: after a lost answer, and when somebody was quicker. */
export function persist<T>({ context }: StepTools, work: () => Promise<T>): Promise<T> {
  return context.retry.call(work, {
    ...patience,
    retryable: (error) => isRetryable(error) || isWriteConflict(error),
  });
}
