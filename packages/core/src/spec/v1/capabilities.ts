import type { GpuRequest, GpuSelector } from '../../model/gpu-vm.ts';
import type { Scope } from '../../model/platform.ts';

/** What one step kind of an adapter can do. */
export interface StepKind {
  readonly scope: Scope;
  /** `undoStep` can bring back what was there. */
  readonly undo: boolean;
  /** It orders a long-running task, whose handle it notes: a killed wait is taken up again. */
  readonly task: boolean;
}

/** What an adapter can do, as plain data: it drives docs and the conformance suite. */
export interface Capabilities {
  readonly gpuModes: readonly GpuRequest['mode'][];
  /** Ways of naming a GPU that a plan can honour. */
  readonly selectors: readonly (keyof GpuSelector)[];
  /** Can change the GPUs of a VM that exists. */
  readonly attach: boolean;
  /** Every kind that `plan` may produce. */
  readonly stepKinds: Readonly<Record<string, StepKind>>;
}
