import type { GpuVm } from '../model/gpu-vm.ts';
import type { Diagnostic, DiagnosticKind } from '../spec/v1/diagnostic.ts';
import type { Plan } from '../spec/v1/plan.ts';
import type { PlanOptions, Reading, Translator } from '../spec/v1/translator.ts';
import { deepFreeze } from '../util/freeze.ts';
import { leaveGpu, type SourceNames } from './leave-gpu.ts';
import { leaveOptions } from './leave-options.ts';
import { leaveDisks, leaveNetworks, type TargetNames } from './leave-places.ts';
import { createSay, type Say } from './say.ts';

export interface MigrationOptions extends Omit<PlanOptions, 'vm'>, Partial<SourceNames & TargetNames> {}

/** A VM read from one platform and planned on another. */
export interface Migration {
  readonly from: string;
  readonly to: string;
  /** The VM in neutral words, as it goes to the target. */
  readonly intent: GpuVm;
  readonly plan: Plan;
  /** Everything that is lost, approximated or open on the way, what stands in the way first. */
  readonly report: readonly Diagnostic[];
}

/**
 * Plans a VM that was read from one platform on another. Pure. Whatever only the source platform knows is named in the
 * report, key by key: nothing is left behind silently.
 */
export function planMigration<Snapshot>(
  from: string,
  reading: Reading,
  target: Translator<Snapshot, never>,
  snapshot: Snapshot,
  options: MigrationOptions = {},
): Migration {
  const { devices = {}, profiles = {}, images = {}, networks = {}, ...planOptions } = options;
  const { diagnostics, say } = createSay();
  const intent = leave(from, reading.intent, { devices, profiles, images, networks }, options, say);
  const plan = target.plan(intent, snapshot, planOptions);
  // A reader says of each native setting that it was kept; here all of them are named once more, as left behind.
  const read = reading.diagnostics.filter(({ code }) => code !== `${from}.kept-native`);
  return deepFreeze({
    from,
    to: target.platform,
    intent,
    plan,
    report: byWeight([...read, ...diagnostics, ...plan.diagnostics]),
  });
}

/** The intent without what belongs to the source platform; `say` hears of each thing left behind. */
function leave(
  from: string,
  intent: GpuVm,
  names: SourceNames & TargetNames,
  { catalog }: MigrationOptions,
  say: Say,
): GpuVm {
  const { providerOptions = {}, gpus, disks = [], networks = [], ...rest } = intent.spec;
  const { [from]: left = {}, ...others } = providerOptions;
  leaveOptions(from, left, say);
  const placed = leaveDisks(from, disks, names.images, say);
  const connected = leaveNetworks(from, networks, names.networks, say);
  const moved = gpus?.map((gpu, index) => leaveGpu(gpu, `spec.gpus[${index}]`, names, catalog, say));
  return {
    ...intent,
    spec: {
      ...rest,
      ...(intent.spec.disks === undefined ? {} : { disks: placed }),
      ...(intent.spec.networks === undefined ? {} : { networks: connected }),
      ...(moved === undefined ? {} : { gpus: moved }),
      ...(Object.keys(others).length === 0 ? {} : { providerOptions: others }),
    },
  };
}

const weights: readonly DiagnosticKind[] = [
  'blocked',
  'unsupported',
  'lossy',
  'insecure',
  'repaired',
  'approximated',
  'deprecated',
];

/** What a person must decide first; within one kind, the order in which it was found. */
function byWeight(report: readonly Diagnostic[]): readonly Diagnostic[] {
  return [...report].sort((a, b) => weights.indexOf(a.kind) - weights.indexOf(b.kind));
}
