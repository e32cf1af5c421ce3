import { apply, type OperationState } from '@vmgpu/core/engine';
import type { FaultKind } from '../harness.ts';
import type { Bench, Group } from '../suite.ts';

/** Everything of an error that a log may print, its causes included. */
function textOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return `${JSON.stringify(error)} ${String(error)}`;
  const { message, stack, cause } = error;
  return [message, stack, JSON.stringify(error), cause && depth < 5 ? textOf(cause, depth + 1) : ''].join(
    '\n',
  );
}

export const redaction: Group = ({ test }) => {
  const check = ({ fixture, assert }: Bench, what: string, text: string) => {
    for (const secret of fixture.secrets) assert.ok(!text.includes(secret), `no secret in ${what}`);
  };

  test('no secret in snapshots, plans, native VMs, events, journals and results', async (bench) => {
    const { plan, provider, options, harness } = bench;
    const told: unknown[] = [];
    const journal: OperationState[] = [];
    const made = await plan();
    const result = await apply(made, provider, {
      ...options,
      onEvent: (event) => told.push(event),
      journal: { save: async (state) => void journal.push(state) },
    });
    const { name } = harness.intent.metadata;
    const parts = {
      plan: made,
      files: provider.translate.render(made),
      events: told,
      journal,
      result,
      snapshot: await provider.snapshot('platform'),
      native: await provider.describe({ name }),
      capabilities: provider.capabilities,
    };
    for (const [what, part] of Object.entries(parts)) check(bench, what, JSON.stringify(part));
  });

  for (const kind of [
    'invalid',
    'forbidden',
    'unauthenticated',
    'connection',
  ] as const satisfies readonly FaultKind[]) {
    test(`no secret in errors, events and journals when the platform says ${kind}`, async (bench) => {
      const { plan, provider, options, fixture, harness, failureOf } = bench;
      const told: unknown[] = [];
      const made = await plan();
      void fixture.inject({ kind, on: 'write', times: 999 });
      const operation = apply(made, provider, { ...options, onEvent: (event) => told.push(event) });
      check(bench, 'errors', textOf(await failureOf(operation)));
      check(bench, 'events', JSON.stringify(told));
      check(bench, 'the journal', JSON.stringify(operation));
      void fixture.inject({ kind, on: 'read', times: 999 });
      const reading = provider.describe({ name: harness.intent.metadata.name });
      check(bench, 'errors of reading', textOf(await reading.catch((error) => error)));
    });
  }
};
