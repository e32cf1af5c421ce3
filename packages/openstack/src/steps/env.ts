import {
  type CallOptions,
  isVmgpuError,
  type Step,
  type StepContext,
  type StepOutcome,
  VmgpuError,
} from '@vmgpu/core';
import { isRetryable, wasNeverSent } from '@vmgpu/core/resilience';
import type { OsPort } from '../client/port.ts';
import type { NovaFlavor } from '../translate/snapshot.ts';
import type { ServerLooks } from './server-looks.ts';

/** Limits, in milliseconds. */
export interface OpenStackTimeouts {
  /** One try of one request; default 60 s: Placement may compute long. */
  readonly requestMs?: number;
  /** A server until it is ACTIVE; default 20 min: the image has to reach the host. */
  readonly buildMs?: number;
  /** A server until it is gone; default 5 min. */
  readonly deleteMs?: number;
  /** A resize until it can be confirmed; default 60 min: the disk may travel. */
  readonly resizeMs?: number;
  /** A GPU until Placement shows it, after nova-compute was restarted; default 2 min. */
  readonly reportMs?: number;
}

/**
 * Carries out what no API of OpenStack can: writing configuration files on hosts and restarting what reads them. Steps of the
 * kinds `openstack.config` and `openstack.provider-config` are handed to it.
 */
export interface HostWork {
  doStep(step: Step, context: StepContext): Promise<StepOutcome>;
  undoStep?(step: Step, outcome: StepOutcome, context: StepContext): Promise<void>;
}

/** What steps of one provider share. */
export interface StepEnv {
  readonly os: OsPort;
  readonly timeouts: Required<OpenStackTimeouts>;
  /** The release, for what faults mean. */
  readonly release: (options: CallOptions) => Promise<string>;
  /** Flavors that steps of this process have read or made, by id. */
  readonly flavors: Map<string, NovaFlavor>;
  /** Set once Placement has refused us: a tenant's login asks it only once. */
  readonly closed: Set<'placement'>;
  readonly looks: ServerLooks;
  /** Ids of images and networks by kind and name, as they were a moment ago. */
  readonly ids: Map<string, { readonly until: number; readonly id: string }>;
  readonly hostWork: HostWork | undefined;
  /** A new UUID. */
  readonly newMarker: () => string;
}

/** One kind of step, to and fro. */
export interface StepHandler {
  do(env: StepEnv, step: Step, context: StepContext): Promise<StepOutcome>;
  undo(env: StepEnv, step: Step, outcome: StepOutcome, context: StepContext): Promise<void>;
}

/** A read, again after failures that pass. */
export function read<T>(
  { retry, signal }: StepContext,
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  return retry.call(() => call({ signal }), patience);
}

/** Restarting a service takes half a minute. */
const patience = { tries: 10, baseMs: 300, maxMs: 8_000 };

/**
 * A round of look, compare and write that may be gone through again after any failure behind which the write may or may not
 * have been done: the next round begins with a look, and writes only what is still missing.
 */
export function settle<T>(
  { retry, signal }: StepContext,
  round: (options: CallOptions) => Promise<T>,
): Promise<T> {
  return retry.call(() => round({ signal }), {
    ...patience,
    retryable: (error) => isRetryable(error) || isUnanswered(error),
  });
}

/** True when the request may have been carried out although no answer says so. */
export function isUnanswered(error: unknown): boolean {
  if (!isVmgpuError(error) || wasNeverSent(error) || error.details?.method === undefined) return false;
  return error.code === 'unreachable' || error.code === 'timeout';
}

/**
 * The error of a request about something that was ordered already: how that ended is not known, so what is noted of it has to
 * stand for an undo or a resume to find it. Errors that say how it ended are passed on.
 */
export function lostSight(error: unknown, what: string): unknown {
  if (!isVmgpuError(error) || error.details?.method === undefined) return error;
  if (['unreachable', 'timeout', 'aborted'].includes(error.code)) return error;
  return new VmgpuError('unreachable', `${what}; how it ended is not known: ${error.message}`, {
    cause: error,
    hint: error.hint ?? 'settle the cause, then resume or undo the operation',
    details: { ...error.details, retryable: false },
  });
}

/** Somebody was there between plan and step. */
export function staleError(what: string, found: string, expected: string): VmgpuError {
  return new VmgpuError('conflict', `${what} is not what the plan expects`, {
    found,
    expected,
    hint: 'somebody changed it since the plan was made; make a new plan',
  });
}

/** Somebody was there between step and undo. */
export function changedMeanwhile(what: string, found: string): VmgpuError {
  return new VmgpuError('conflict', `${what} was changed by somebody else since: ${found}`, {
    hint: 'look at it, and take the change back by hand if it is still wanted',
  });
}
