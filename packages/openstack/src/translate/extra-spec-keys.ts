import { parseBytes, stableJson } from '@vmgpu/core';
import type { Ask, AskInput } from './ask.ts';
import { note, type PlanContext } from './context.ts';
import { extraSpecProblem } from './extra-specs.ts';
import { isPlacementName } from './names.ts';
import { since } from './releases.ts';

/** A request together with what the flavor asks for it. */
export interface Asked {
  readonly input: AskInput;
  readonly asks: readonly Ask[];
}

/** Prefix of the extra specs that keep what Nova has no words for; namespaced, so that no filter reads them. */
export const annotation = 'vmgpu:gpu:';

/** Extra specs of an intent: its GPUs, and what else of the VM a flavor says. Sorted by key. */
export function extraSpecs(context: PlanContext, asked: readonly Asked[]): Readonly<Record<string, string>> {
  const { spec } = context.intent;
  const specs: Record<string, string> = {};
  const { cpu, hugepages, firmware } = spec;
  if (cpu?.sockets !== undefined) specs['hw:cpu_sockets'] = String(cpu.sockets);
  if (cpu?.threads !== undefined) specs['hw:cpu_threads'] = String(cpu.threads);
  if (cpu?.dedicated !== undefined) specs['hw:cpu_policy'] = cpu.dedicated ? 'dedicated' : 'shared';
  if (hugepages !== undefined) specs['hw:mem_page_size'] = pageSize(hugepages);
  if (firmware?.secureBoot !== undefined && knows(context, 'secureBoot')) {
    specs['os:secure_boot'] = firmware.secureBoot ? 'required' : 'disabled';
  }
  if (firmware?.tpm && knows(context, 'tpm')) {
    Object.assign(specs, { 'hw:tpm_model': 'tpm-crb', 'hw:tpm_version': '2.0' });
  }
  if (spec.hideHypervisor !== undefined && since(context.release, 'hideHypervisorFlavorKey')) {
    const key = since(context.release, 'scopedHideHypervisor')
      ? 'hw:hide_hypervisor_id'
      : 'hide_hypervisor_id';
    specs[key] = String(spec.hideHypervisor);
  }
  addGpus(context, specs, asked);
  addNuma(context, specs);
  for (const [key, value] of Object.entries(context.options.flavor?.extraSpecs ?? {})) {
    if (value === null) delete specs[key];
    else specs[key] = value;
  }
  for (const [key, value] of Object.entries(specs)) {
    const problem = extraSpecProblem(key, value);
    if (problem !== undefined) {
      note(
        context,
        'blocked',
        'extra-spec',
        'spec.providerOptions.openstack.flavor.extraSpecs',
        `${key} = ${value}: ${problem}`,
      );
    }
  }
  return Object.fromEntries(Object.entries(specs).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function knows(context: PlanContext, field: 'secureBoot' | 'tpm'): boolean {
  if (since(context.release, field)) return true;
  const path = `spec.firmware.${field}`;
  note(
    context,
    'unsupported',
    'firmware-too-new',
    path,
    `Nova ${context.release.nova} has no ${field} for its guests`,
  );
  return false;
}

function addGpus(context: PlanContext, specs: Record<string, string>, asked: readonly Asked[]): void {
  const aliases = new Map<string, number>();
  const classes = new Map<string, number>();
  for (const { input, asks } of asked) {
    for (const ask of asks) {
      const counts = ask.kind === 'alias' ? aliases : classes;
      counts.set(ask.name, (counts.get(ask.name) ?? 0) + ask.count);
      for (const trait of ask.kind === 'class' ? ask.traits : []) specs[`trait:${trait}`] = 'required';
    }
    const { name, ...rest } = input.request;
    const text = stableJson({ ...rest, as: asks.map((ask) => ask.name).join(',') });
    if (text.length <= 255) specs[annotation + name] = text;
    else
      note(
        context,
        'lossy',
        'annotation-too-long',
        input.path,
        'the request is too long to be kept in the flavor',
      );
  }
  if (aliases.size > 0) {
    specs['pci_passthrough:alias'] = [...aliases].map(([name, count]) => `${name}:${count}`).join(',');
  }
  addClasses(context, specs, classes, aliases.size > 0);
}

function addClasses(
  context: PlanContext,
  specs: Record<string, string>,
  classes: ReadonlyMap<string, number>,
  withAliases: boolean,
): void {
  const grouped = since(context.release, 'severalVgpuGroups');
  let group = 0;
  for (const [name, count] of classes) {
    if (!isPlacementName(name)) {
      note(context, 'blocked', 'placement-name', 'spec.gpus', `Placement refuses the name ${name}`);
    }
    if (count === 1 || !grouped) specs[`resources:${name}`] = String(count);
    else {
      for (let index = 0; index < count; index += 1) {
        group += 1;
        specs[`resources${group}:${name}`] = '1';
      }
    }
    if (count > 1 && !grouped) {
      note(
        context,
        'approximated',
        'several-vgpus',
        'spec.gpus',
        `before 33.0.0 Nova takes all ${count} of ${name} from one GPU or virtual function; NVIDIA’s driver gives a guest only one from each`,
        'Use one larger profile, or upgrade to 33.0.0 (2026.1).',
      );
    }
  }
  // Each group on a provider of its own; left out next to PCI groups, whose virtual functions may share one.
  if (group > 1 && !withAliases) specs.group_policy = 'isolate';
}

/** NUMA policies do nothing in a guest without NUMA topology, so that is asked for with them. */
function addNuma(context: PlanContext, specs: Record<string, string>): void {
  const affinity = context.intent.spec.numa?.gpuAffinity;
  if (affinity === undefined) return;
  const path = 'spec.numa.gpuAffinity';
  const byAlias = specs['pci_passthrough:alias'] !== undefined;
  if (!byAlias) {
    const kind = affinity === 'none' ? 'approximated' : 'unsupported';
    note(
      context,
      kind,
      'numa-needs-pci',
      path,
      'Nova places only PCI devices by NUMA node, not mediated vGPUs',
    );
    return;
  }
  if (affinity === 'none') {
    note(
      context,
      'approximated',
      'numa-none',
      path,
      'Nova has no word for it; nearest is "preferred", or no NUMA topology',
    );
    if (!hasTopology({ ...specs, ...context.options.flavor?.extraSpecs })) return;
  }
  const policy = affinity === 'none' ? 'preferred' : affinity;
  if (since(context.release, 'flavorNumaPolicy')) specs['hw:pci_numa_affinity_policy'] = policy;
  else {
    note(
      context,
      'approximated',
      'numa-in-alias',
      path,
      'before 21.0.0 the policy stands in the alias, for every flavor',
    );
  }
  if (!hasTopology({ ...specs, ...context.options.flavor?.extraSpecs })) specs['hw:numa_nodes'] = '1';
}

/** Whether these extra specs give the guest a NUMA topology. */
export function hasTopology(specs: Readonly<Record<string, string | null>>): boolean {
  return (
    (specs['hw:numa_nodes'] ?? undefined) !== undefined ||
    (specs['hw:mem_page_size'] ?? undefined) !== undefined ||
    ['dedicated', 'mixed'].includes(specs['hw:cpu_policy'] ?? '')
  );
}

function pageSize(text: string): string {
  const bytes = parseBytes(text);
  if (bytes % 2 ** 30 === 0) return `${bytes / 2 ** 30}GB`;
  if (bytes % 2 ** 20 === 0) return `${bytes / 2 ** 20}MB`;
  return String(Math.ceil(bytes / 1024));
}
