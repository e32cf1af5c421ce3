import type { Clock, GpuVm, Provider } from '@vmgpu/core';

/** What can go wrong between a provider and its platform. */
export type FaultKind =
  /** Answered 429 with a wait; nothing was done. */
  | 'rate-limited'
  /** Answered 503 with a wait; nothing was done. */
  | 'unavailable'
  /** No connection; nothing was sent. */
  | 'connection'
  /** The work was done, and the connection broke before the answer. */
  | 'lost-answer'
  /** The platform's answer that the request makes no sense. */
  | 'invalid'
  /** That the caller may not. */
  | 'forbidden'
  /** That the credentials are wrong. */
  | 'unauthenticated'
  /** No answer ever; nothing was done. */
  | 'hang'
  /** No answer ever; it was done. */
  | 'hang-after';

export interface Fault {
  readonly kind: FaultKind;
  /** Requests that it meets; default `any`. `order`: those that begin work when they are sent twice, twice. */
  readonly on?: 'any' | 'read' | 'write' | 'order';
  /** Requests of that sort that pass first; default 0. */
  readonly skip?: number;
  /** How many are met; default 1. */
  readonly times?: number;
}

/** One provider on one platform of its own. */
export interface Fixture<Snapshot = unknown, Native = unknown> {
  readonly provider: Provider<Snapshot, Native>;
  /** The platform's and the provider's time. */
  readonly clock: Clock;
  /** Number of requests that the platform got. */
  requests(): number;
  /** Number of requests that were to change something. */
  writes(): number;
  /** Orders that the platform took, in order: requests that must not be sent twice, such as starting a VM. */
  orders(): readonly string[];
  /** All that lies on the platform, as JSON, without times and without ids that are new in each run. */
  state(): Promise<unknown>;
  /** Puts a fault between provider and platform; resolves when it has struck for the first time. */
  inject(fault: Fault): Promise<void>;
  /** As after a kill: a new provider on the same platform, without the faults. */
  restart(): Promise<Provider<Snapshot, Native>>;
  /** Puts something of somebody else where the plan works: another field of the same object, an object beside it. */
  addForeign(): Promise<void>;
  /** Changes what the plan is about behind the plan's back, so that its `before` is no longer true. */
  disturb(): Promise<void>;
  /** The credentials in use, as they go onto the wire. */
  readonly secrets: readonly string[];
  close?(): Promise<void>;
}

/** What an adapter brings to be tested. */
export interface Harness<Snapshot = unknown, Native = unknown> {
  create(): Promise<Fixture<Snapshot, Native>>;
  /**
   * A VM with GPUs that the platform does not have yet. Its plan has at least three steps; one of them orders a task and
   * tells its progress.
   */
  readonly intent: GpuVm;
  /** The same VM, otherwise. */
  readonly changed: GpuVm;
  /** Something that the platform cannot say: its plan must carry a diagnostic. */
  readonly impossible: GpuVm;
}

/** What differs between providers that are all right. Limits change what is expected; none of them skips a group. */
export interface Limits {
  /** Whether the provider takes changes back. When it says no, everything must be reported as left. Default true. */
  readonly undo?: boolean;
  /** Fields of `intent.spec` that do not survive the way there and back; each must have a diagnostic. Default none. */
  readonly lost?: readonly string[];
  /** Kills at this many points, evenly spread, instead of at every one: for platforms that are slow. */
  readonly killPoints?: number;
  /** A cancelled step ends within this time, in milliseconds; default 5 s. */
  readonly stopsWithinMs?: number;
}
