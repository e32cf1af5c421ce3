/** The journeys on which kills and faults meet the provider: a VM is made and started, changed while it runs, taken back. */
import { applyJourney, type Journey, undoJourney } from '@vmgpu/conformance';
import { type Plan, VmgpuError } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import {
  canaryScenario,
  fullSpec,
  type ProviderBench,
  providerBench,
  rootTicket,
  started,
  vm,
} from './provider-bench.ts';

const theirs = [
  { id: 'theirs', map: ['node=pve2,path=0000:42:00.0,id=10de:1eb8'], mdev: 1 },
  // Of the mapping that the plan extends, another node's line is somebody else's.
  { id: 'gpu-10de-1d01', map: ['description=of somebody,id=10de:1d01,node=pve3,path=0000:26:00'] },
];

/** Without names of mappings: the plan extends the one that its own naming hits, and makes the other. */
const gpus = (fullSpec.gpus ?? []).map((gpu) => ({ ...gpu, device: { id: gpu.device?.id ?? '' } }));
const spec = started({ ...fullSpec, gpus });

export interface Journeys {
  readonly bench: ProviderBench;
  readonly journeys: readonly Journey[];
}

export const journeyNames = ['make and start', 'change while it runs', 'take back'] as const;

export async function prepareJourneys(): Promise<Journeys> {
  const bench = await providerBench({
    auth: rootTicket,
    scenario: { ...canaryScenario(), mappings: theirs },
  });
  const { pve, clock } = bench;
  const options = { clock, random: () => 0.5 };
  const provider = bench.connect();
  const planOf = async (intent: ReturnType<typeof vm>): Promise<Plan> =>
    provider.translate.plan(intent, await provider.snapshot('platform', { vm: { name: 'train-1' } }));

  const empty = pve.snapshotState();
  const making = await planOf(vm(spec));
  const made = apply(making, provider, options);
  await made;
  const running = pve.snapshotState();
  const changing = await planOf(vm({ ...spec, cpu: { cores: 8, model: 'host' }, gpus: gpus.slice(0, 1) }));
  if (making.diagnostics.concat(changing.diagnostics).some(({ kind }) => kind === 'blocked')) {
    throw new VmgpuError('internal', `a journey's plan is blocked: ${JSON.stringify(making.diagnostics)}`);
  }
  return {
    bench,
    journeys: [
      applyJourney('make and start', making, empty, options),
      applyJourney('change while it runs', changing, running, options),
      undoJourney('take back', made, running, options),
    ],
  };
}
