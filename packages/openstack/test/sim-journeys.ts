/** The journeys on which kills and faults meet the provider: a server is made, gets other GPUs, is taken back. */
import { type OperationState, type Plan, type Provider, VmgpuError } from '@vmgpu/core';
import { apply, type JournalPort, type Operation, resume, undo } from '@vmgpu/core/engine';
import { canaryScenario, configFor, fullSpec, type SimBench, simBench } from './sim-bench.ts';
import { vm } from './support.ts';

/** With a limit and a trait, so that every kind of step that talks is among them. */
const spec = {
  ...fullSpec,
  providerOptions: {
    openstack: {
      limits: { 'class:CUSTOM_VGPU_P4_1Q': 4 },
      flavor: { extraSpecs: { 'trait:CUSTOM_SHARED': 'forbidden' } },
    },
  },
};
const train = vm(spec);
const smaller = vm({ gpus: fullSpec.gpus?.slice(0, 1) ?? [] });

export interface Journey {
  readonly name: string;
  /** The cloud before it, as the simulator keeps it. */
  readonly before: string;
  start(provider: Provider, journal: JournalPort): Operation;
  resume(state: OperationState, provider: Provider): Operation;
}

export interface Journeys {
  readonly bench: SimBench;
  readonly journeys: readonly Journey[];
}

export const journeyNames = ['make', 'resize', 'take the resize back', 'take back'] as const;

export async function prepareJourneys(): Promise<Journeys> {
  const bench = await simBench({ scenario: canaryScenario(26, configFor(26, train)) });
  const { sim, clock } = bench;
  // Somebody else's image property, flavor and limit are there before, and have to be there after.
  sim.state.images = sim.state.images.map((image) => ({ ...image, properties: { their_key: 'yes' } }));
  const options = { clock, random: () => 0.5 };
  const provider = bench.connect();
  const planOf = async (intent: typeof train, plan: { readonly vm?: string } = {}): Promise<Plan> =>
    provider.translate.plan(intent, await provider.snapshot('platform', { vm: { name: 'train-1' } }), plan);

  const empty = sim.snapshotState();
  const making = await planOf(train);
  const made = apply(making, provider, options);
  await made;
  const running = sim.snapshotState();
  const changing = await planOf(smaller, { vm: 'train-1' });
  const changed = apply(changing, provider, options);
  await changed;
  const resized = sim.snapshotState();
  const blocked = [...making.diagnostics, ...changing.diagnostics].filter(({ kind }) => kind === 'blocked');
  if (blocked.length > 0) {
    throw new VmgpuError('internal', `a journey's plan is blocked: ${JSON.stringify(blocked)}`);
  }
  const applying = (name: string, plan: Plan, before: string): Journey => ({
    name,
    before,
    start: (again, journal) => apply(plan, again, { ...options, journal }),
    resume: (state, again) => resume(state, again, options),
  });
  const undoing = (name: string, done: Operation, before: string): Journey => ({
    name,
    before,
    start: (again, journal) => undo(done.toJSON(), again, { ...options, journal }),
    resume: (state, again) => resume(state, again, options),
  });
  return {
    bench,
    journeys: [
      applying('make', making, empty),
      applying('resize', changing, running),
      undoing('take the resize back', changed, resized),
      undoing('take back', made, running),
    ],
  };
}

export const noJournal: JournalPort = { save: async () => {} };

export async function endOf(operation: Operation): Promise<string> {
  return operation.then(
    () => 'succeeded',
    (error: VmgpuError) => error.code,
  );
}
