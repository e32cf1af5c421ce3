/** The journeys on which kills and faults meet the provider: a server is made, gets other GPUs, is taken back. */
import { applyJourney, type Journey, undoJourney } from '@vmgpu/conformance';
import { type Plan, VmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
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
  return {
    bench,
    journeys: [
      applyJourney('make', making, empty, options),
      applyJourney('resize', changing, running, options),
      undoJourney('take the resize back', changed, resized, options),
      undoJourney('take back', made, running, options),
    ],
  };
}
