import type { VmgpuErrorCode } from '../../errors/vmgpu-error.ts';
import type { StepRisk } from './plan.ts';
import type { StepStatus } from './provider.ts';

/** An error as it stands in events and journals: short, and without secrets. */
export interface ErrorSummary {
  readonly code: VmgpuErrorCode;
  readonly message: string;
  readonly hint?: string;
}

interface EventOf<T extends string> {
  readonly type: T;
  /** From 1, without gaps, within one operation. */
  readonly sequence: number;
  /** Milliseconds since 1970, by the operation's clock. */
  readonly time: number;
  readonly operation: string;
}

interface StepEventOf<T extends string> extends EventOf<T> {
  readonly step: string;
}

/** Whether an operation makes the plan's changes or takes them back. */
export type OperationGoal = 'apply' | 'undo';

export interface OperationStartEvent extends EventOf<'operation-start'> {
  readonly goal: OperationGoal;
  readonly platform: string;
  readonly vm: string;
  /** Steps in all, and how many an earlier process had done. */
  readonly steps: number;
  readonly alreadyDone: number;
}

export interface StepStartEvent extends StepEventOf<'step-start'> {
  /** From 1, for "3 of 7". */
  readonly position: number;
  readonly steps: number;
  readonly summary: string;
  readonly risk: StepRisk;
}

export interface StepProgressEvent extends StepEventOf<'step-progress'> {
  /** From 0 to 1; absent when the platform does not say. */
  readonly fraction?: number;
  readonly message?: string;
}

export interface StepRetryEvent extends StepEventOf<'step-retry'> {
  /** The try that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: ErrorSummary;
}

export interface StepEndEvent extends StepEventOf<'step-end'> {
  readonly status: StepStatus | 'failed';
  readonly error?: ErrorSummary;
}

export interface UndoStartEvent extends StepEventOf<'undo-start'> {
  readonly summary: string;
}

export interface UndoEndEvent extends StepEventOf<'undo-end'> {
  readonly status: 'undone' | 'failed';
  readonly error?: ErrorSummary;
}

export interface OperationEndEvent extends EventOf<'operation-end'> {
  readonly status: 'succeeded' | 'failed' | 'cancelled';
  readonly error?: ErrorSummary;
}

/**
 * What an operation tells while it runs. Every start has exactly one end of the same step; `step-progress` and
 * `step-retry` come between them; `operation-end` is the last. New types may be added in a minor release.
 */
export type OperationEvent =
  | OperationStartEvent
  | StepStartEvent
  | StepProgressEvent
  | StepRetryEvent
  | StepEndEvent
  | UndoStartEvent
  | UndoEndEvent
  | OperationEndEvent;
