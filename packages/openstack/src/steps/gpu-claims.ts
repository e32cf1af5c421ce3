import { type StepContext, VmgpuError } from '@vmgpu/core';
import { hasCode } from '../client/errors.ts';
import { type Allocations, getAllocations, hasCandidate, listProviders } from '../client/placement.ts';
import type { NovaFlavor } from '../translate/snapshot.ts';
import { read, type StepEnv } from './env.ts';

type Specs = Readonly<Record<string, string>>;

const baseClasses = ['VCPU', 'PCPU', 'MEMORY_MB', 'DISK_GB'];

/** What a flavor asks of Placement besides CPUs, memory and disk: amounts by resource class. */
export function classesOf(specs: Specs = {}): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [key, value] of Object.entries(specs)) {
    const name = /^resources[\w-]*:([A-Z0-9_]+)$/.exec(key)?.[1];
    if (name === undefined || baseClasses.includes(name)) continue;
    sums[name] = (sums[name] ?? 0) + Number(value);
  }
  return sums;
}

/** The query with which Nova will ask Placement for this flavor. Source: Nova 26, nova/scheduler/utils.py, ResourceRequest. */
export function candidateQuery({
  vcpus,
  ram,
  disk,
  extra_specs = {},
}: NovaFlavor): Readonly<Record<string, string>> {
  const groups = new Map<string, string[]>();
  const traits = new Map<string, string[]>();
  const add = (map: Map<string, string[]>, suffix: string, value: string) =>
    map.set(suffix, [...(map.get(suffix) ?? []), value]);
  const cpus = extra_specs['hw:cpu_policy'] === 'dedicated' ? 'PCPU' : 'VCPU';
  for (const [name, amount] of [
    [cpus, vcpus],
    ['MEMORY_MB', ram],
    ['DISK_GB', disk],
  ] as const) {
    if (amount > 0 && extra_specs[`resources:${name}`] === undefined) add(groups, '', `${name}:${amount}`);
  }
  for (const [key, value] of Object.entries(extra_specs)) {
    const [, kind, suffix = '', name = ''] = /^(resources|trait)([\w-]*):([A-Z0-9_]+)$/.exec(key) ?? [];
    if (kind === 'resources' && Number(value) > 0) add(groups, suffix, `${name}:${value}`);
    if (kind === 'trait') add(traits, suffix, value === 'forbidden' ? `!${name}` : name);
  }
  const query: Record<string, string> = {};
  // Placement wants suffixes as `resources1`, `resources_NAME`.
  for (const [suffix, list] of groups) query[`resources${suffix}`] = list.join(',');
  for (const [suffix, list] of traits) query[`required${suffix}`] = list.join(',');
  const suffixes = [...groups.keys()].filter((suffix) => suffix !== '');
  if (suffixes.length > 1) query.group_policy = extra_specs.group_policy ?? 'none';
  return query;
}

/** Runs a question to Placement that a tenant may not ask; undefined then, and from then on. */
async function whereAllowed<T>(env: StepEnv, question: () => Promise<T>): Promise<T | undefined> {
  if (env.closed.has('placement')) return undefined;
  try {
    return await question();
  } catch (error) {
    if (!hasCode(error, 'permission-denied', 'not-found', 'unsupported')) throw error;
    env.closed.add('placement');
    return undefined;
  }
}

/**
 * Asks, before anything is ordered, whether some host could take the flavor now. Only flavors whose GPU Placement knows are
 * worth the question. Rejects with `capacity`, or `host-not-ready` when no host offers such GPUs at all.
 */
export async function askCapacity(
  env: StepEnv,
  context: StepContext,
  name: string,
  flavor: NovaFlavor,
): Promise<void> {
  const classes = Object.entries(classesOf(flavor.extra_specs));
  if (classes.length === 0) return;
  const query = candidateQuery(flavor);
  const possible = await whereAllowed(env, () =>
    read(context, (options) => hasCandidate(env.os, query, options)),
  );
  if (possible !== false) return;
  const details = { stage: 'placement', query, retryable: false };
  for (const [resource, amount] of classes) {
    const offer = (count: number) =>
      read(context, (options) => listProviders(env.os, { resources: `${resource}:${count}` }, options)).catch(
        (error) => {
          // 400: Placement has never heard of the class.
          if (hasCode(error, 'refused')) return [];
          throw error;
        },
      );
    if ((await offer(amount)).length > 0) continue;
    const some = amount > 1 && (await offer(1)).length > 0;
    throw new VmgpuError(
      'capacity',
      `${name} would find no host: ${some ? `no provider has ${amount} of ${resource} free at once` : `no free ${resource} is reported to Placement`}`,
      {
        hint: some
          ? 'ask for fewer, or in groups of their own (count spread over several requests)'
          : 'delete a server that holds one; if there never was one: is nova-compute configured for it, and up?',
        details: { ...details, resource },
      },
    );
  }
  throw new VmgpuError(
    'capacity',
    `${name} would find no host that has its GPUs together with its CPUs, memory, disk and traits`,
    {
      hint: 'ask for less, or compare the traits of the flavor with those of the hosts (vmgpu inventory)',
      details,
    },
  );
}

/**
 * Looks whether an ACTIVE server really holds what its flavor asks of Placement: Nova boots a server without its vGPU when
 * mdev_class and the flavor's class do not fit. Undefined when the caller may not see it.
 */
export async function missingClaim(
  env: StepEnv,
  context: StepContext,
  server: string,
  specs: Specs | undefined,
): Promise<string | undefined> {
  const wanted = Object.entries(classesOf(specs));
  if (wanted.length === 0) return undefined;
  const held = await whereAllowed(env, () =>
    read(context, (options) => getAllocations(env.os, server, options)),
  );
  if (!held) return undefined;
  const lacking = wanted.find(([name, amount]) => amountOf(held, name) < amount);
  return lacking && `${lacking[1]} of ${lacking[0]}, but holds ${amountOf(held, lacking[0])}`;
}

function amountOf(allocations: Allocations, name: string): number {
  return Object.values(allocations).reduce((sum, { resources }) => sum + (resources[name] ?? 0), 0);
}
