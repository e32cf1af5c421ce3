import {
  type GpuVm,
  isVmgpuError,
  type Plan,
  type PlanOptions,
  type Provider,
  type VmgpuError,
} from '@vmgpu/core';
import { type ApplyOptions, apply, type CancelledDetails, type OperationResult } from '@vmgpu/core/engine';
import type { Fixture, Harness, Limits } from './harness.ts';
import type { Runner } from './runner.ts';

/** What each test gets: a platform of its own and the few things that tests do with one. */
export interface Bench {
  readonly fixture: Fixture;
  readonly provider: Provider;
  readonly harness: Harness;
  readonly limits: Required<Limits>;
  readonly assert: Runner['assert'];
  /** Options of an operation on this platform's time. */
  readonly options: ApplyOptions;
  plan(intent?: GpuVm, options?: PlanOptions): Promise<Plan>;
  /** Plans the harness's intent, or another one, and applies it. */
  applyIntent(intent?: GpuVm, options?: ApplyOptions): Promise<OperationResult>;
  /** The typed error of something that has to fail. */
  failureOf(work: PromiseLike<unknown>): Promise<VmgpuError>;
  /** Of an operation that has to fail: what it says about it. */
  reportOf(work: PromiseLike<unknown>): Promise<FailureReport>;
}

/** The details of an `apply-failed` or `aborted`, and which of the two it was. */
export type FailureReport = CancelledDetails & { readonly code: string };

export interface Suite {
  test(name: string, body: (bench: Bench) => Promise<void>): void;
}
export type Group = (suite: Suite) => void;

const defaults: Required<Limits> = {
  undo: true,
  lost: [],
  killPoints: Number.POSITIVE_INFINITY,
  stopsWithinMs: 5_000,
};

export function createSuite(runner: Runner, harness: Harness, limits: Limits): Suite {
  return {
    test(name, body) {
      runner.it(name, async () => {
        const fixture = await harness.create();
        try {
          await body(createBench(runner.assert, harness, fixture, { ...defaults, ...limits }));
        } finally {
          await fixture.provider.close?.();
          await fixture.close?.();
        }
      });
    },
  };
}

function createBench(
  assert: Runner['assert'],
  harness: Harness,
  fixture: Fixture,
  limits: Required<Limits>,
): Bench {
  const { provider, clock } = fixture;
  const options: ApplyOptions = { clock, random: () => 0.5 };
  const bench: Bench = {
    fixture,
    provider,
    harness,
    limits,
    assert,
    options,
    async plan(intent = harness.intent, planOptions = {}) {
      const name = planOptions.vm ?? intent.metadata.name;
      const snapshot = await provider.snapshot('platform', { vm: { name } });
      return provider.translate.plan(intent, snapshot, planOptions);
    },
    async applyIntent(intent, more) {
      return apply(await bench.plan(intent), provider, { ...options, ...more });
    },
    async failureOf(work) {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!isVmgpuError(error)) throw new Error(`expected a VmgpuError, got ${String(error)}`);
      return error;
    },
    async reportOf(work) {
      const { code, details } = await bench.failureOf(work);
      return { ...(details as unknown as CancelledDetails), code };
    },
  };
  return bench;
}

/** The same value after a way through JSON. */
export function throughJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
