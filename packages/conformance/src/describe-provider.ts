import { abort } from './groups/abort.ts';
import { applying } from './groups/apply.ts';
import { capabilities } from './groups/capabilities.ts';
import { errors } from './groups/errors.ts';
import { events } from './groups/events.ts';
import { failure } from './groups/failure.ts';
import { idempotence } from './groups/idempotence.ts';
import { identity } from './groups/identity.ts';
import { planning } from './groups/planning.ts';
import { redaction } from './groups/redaction.ts';
import { resuming } from './groups/resume.ts';
import { retry } from './groups/retry.ts';
import { roundTrip } from './groups/round-trip.ts';
import { snapshot } from './groups/snapshot.ts';
import type { Harness, Limits } from './harness.ts';
import type { Runner } from './runner.ts';
import { createSuite, type Group } from './suite.ts';

/** Each group is one promise of the contract. */
const groups = {
  identity,
  capabilities,
  snapshot,
  planning,
  apply: applying,
  idempotence,
  failure,
  resume: resuming,
  abort,
  retry,
  errors,
  redaction,
  events,
  'round-trip': roundTrip,
} satisfies Record<string, Group>;

export type GroupName = keyof typeof groups;
export const groupNames = Object.keys(groups) as readonly GroupName[];

/**
 * Registers the tests that every provider passes. `runner` is the test runner's own describe, it and assert; `limits` say
 * what differs without being wrong.
 */
export function describeProvider<Snapshot, Native>(
  runner: Runner,
  harness: Harness<Snapshot, Native>,
  limits: Limits = {},
): void {
  // The groups never look into snapshots or native VMs.
  const suite = createSuite(runner, harness as Harness, limits);
  for (const [name, group] of Object.entries(groups)) runner.describe(name, () => group(suite));
}
