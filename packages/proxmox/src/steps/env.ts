import type { CallOptions, Step, StepContext, StepOutcome } from '@vmgpu/core';
import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import { isRetryable, wasNeverSent } from '@vmgpu/core/resilience';
import { pveErrorKind } from '../client/errors.ts';
import type { PvePort } from '../client/port.ts';
import type { VmPlace } from '../client/vms.ts';
import type { VmOptions } from '../translate/option-text.ts';
import type { VmidSource } from './vmids.ts';

/** Limits, in milliseconds. */
export interface ProxmoxTimeouts {
  /** One try of one request; default 60 s, because a node's report takes long. */
  readonly requestMs?: number;
  /** A task that makes, changes or destroys a VM; default 30 min: importing a disk copies it. */
  readonly taskMs?: number;
  /** How long a guest may take to shut down when its start is taken back, before it is switched off; default 60 s. */
  readonly shutdownMs?: number;
}

/** What steps of one provider share. */
export interface StepEnv {
  readonly pve: PvePort;
  readonly vmids: VmidSource;
  readonly timeouts: Required<ProxmoxTimeouts>;
  /** VMs that steps of this process have made or found, by the name in their target: spares the next step a search. */
  readonly known: Map<string, KnownVm>;
  /** A new UUID. */
  readonly newMarker: () => string;
}

export interface KnownVm extends VmPlace {
  readonly options: VmOptions;
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
  return retry.call(() => call({ signal }));
}

/**
 * A round of look, compare and write that may be gone through again after any failure behind which the write may or may not
 * have been done: the next round begins with a look, and writes only what is still missing.
 */
export function settle<T>(
  { retry, signal }: StepContext,
  round: (options: CallOptions) => Promise<T>,
): Promise<T> {
  return retry.call(() => round({ signal }), {
    tries: 8,
    baseMs: 300,
    maxMs: 10_000,
    retryable: mayLookAgain,
  });
}

function mayLookAgain(error: unknown): boolean {
  const kind = pveErrorKind(error);
  return isRetryable(error) || isUnanswered(error) || kind === 'digest-conflict' || kind === 'exists';
}

/** True when the request may have been carried out although no answer says so. */
export function isUnanswered(error: unknown): boolean {
  if (!isVmgpuError(error) || wasNeverSent(error)) return false;
  const { method, status } = error.details ?? {};
  // Neither of a request, nor one that Proxmox VE itself refused; a node behind it may have done what it was asked.
  if (method === undefined) return false;
  return status === undefined || Number(status) < 400 || error.code === 'unreachable';
}

/**
 * The error of work whose end is not known: what is noted of it has to stand, so that an undo or a resume finds it. Errors
 * that say how it ended, and those of a cancellation, are passed on.
 */
export function lostSight(error: unknown, what: string): unknown {
  if (!isVmgpuError(error) || error.details?.exitStatus !== undefined) return error;
  if (['unreachable', 'timeout', 'aborted', 'internal'].includes(error.code)) return error;
  return new VmgpuError('unreachable', `${what}; how it ended is not known: ${error.message}`, {
    cause: error,
    hint: error.hint ?? 'settle the cause, then resume or undo the operation',
    details: { ...error.details, retryable: false },
  });
}
