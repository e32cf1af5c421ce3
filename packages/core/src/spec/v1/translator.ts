import type { Catalog } from '../../model/gpu-board.ts';
import type { GpuVm } from '../../model/gpu-vm.ts';
import type { Scope } from '../../model/platform.ts';
import type { Diagnostic } from './diagnostic.ts';
import type { Artifact, Plan } from './plan.ts';

export interface PlanOptions {
  /** Only the steps of this scope; both scopes when not given. */
  readonly scope?: Scope;
  /** An existing VM to change (its name or id on the platform) instead of making one. */
  readonly vm?: string;
  /** Needed to resolve board names and to check profiles against boards; `@vmgpu/core/catalog` has one. */
  readonly catalog?: Catalog;
}

export interface ReadOptions {
  /** Tells what a device or type is where neither the native VM nor the snapshot does. */
  readonly catalog?: Catalog;
}

/** The way back: what a native VM says in neutral words, and what could not be said. */
export interface Reading {
  readonly intent: GpuVm;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * The pure half of an adapter: no clock, no randomness, no network, no environment. The same bytes out for the same
 * bytes in, frozen.
 */
export interface Translator<Snapshot, Native> {
  readonly specVersion: 'v1';
  readonly platform: string;
  plan(intent: GpuVm, snapshot: Snapshot, options?: PlanOptions): Plan;
  /** The plan's steps as native files. */
  render(plan: Plan): readonly Artifact[];
  toIntent(native: Native, snapshot?: Snapshot, options?: ReadOptions): Reading;
}
