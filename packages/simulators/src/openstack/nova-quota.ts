/** What a project may have. Source: nova 26, nova/quota.py and nova/limit/placement.py; oslo.limit 1.6. */
import { refuse } from './failure.ts';
import { confOf, oneOf } from './nova-conf.ts';
import type { Answer, Call } from './route.ts';
import type { FlavorRecord } from './scenario.ts';

function usageOf({ state, token }: Call) {
  const own = state.servers.filter(({ project }) => project === token.project);
  const sum = (of: (flavor: FlavorRecord) => number) =>
    own.reduce((total, { flavor }) => total + of(flavor), 0);
  return { instances: own.length, cores: sum(({ vcpus }) => vcpus), ram: sum(({ ram }) => ram) };
}

/** Throws 403 when one more server of this flavor is too much. */
export function checkQuota(call: Call, flavor: FlavorRecord): void {
  const { state } = call;
  if (oneOf(confOf(state, 'nova-api'), 'quota', 'driver') === 'nova.quota.UnifiedLimitsDriver') {
    checkUnified(call, flavor);
    return;
  }
  const used = usageOf(call);
  const wanted = { instances: 1, cores: flavor.vcpus, ram: flavor.ram };
  for (const key of ['instances', 'cores', 'ram'] as const) {
    const limit = state.scenario.quota?.[key];
    if (limit === undefined || used[key] + wanted[key] <= limit) continue;
    throw refuse(
      403,
      `Quota exceeded for ${key}: Requested ${wanted[key]}, but already used ${used[key]} of ${limit} ${key}`,
    );
  }
}

/** A class without a registered limit counts as 0. */
function checkUnified({ state, token }: Call, { extraSpecs }: FlavorRecord): void {
  for (const [key, value] of Object.entries(extraSpecs)) {
    const name = /^resources[\w-]*:((?:VGPU|PGPU|CUSTOM_)\w*)$/.exec(key)?.[1];
    if (name === undefined) continue;
    const limit =
      state.registeredLimits.find((one) => one.resource_name === `class:${name}`)?.default_limit ?? 0;
    const used = state.servers
      .filter(({ project }) => project === token.project)
      .flatMap(({ id }) => Object.values(state.allocations[id] ?? {}))
      .reduce((sum, holds) => sum + (holds[name] ?? 0), 0);
    if (limit === -1 || used + Number(value) <= limit) continue;
    throw refuse(
      403,
      `Project ${token.project} is over a limit for [Resource class:${name} is over limit of ${limit} due to current usage ${used} and delta ${value}]`,
    );
  }
}

export function getLimits(call: Call): Answer {
  const { quota = {} } = call.state.scenario;
  const used = usageOf(call);
  return {
    status: 200,
    body: {
      limits: {
        rate: [],
        absolute: {
          maxServerMeta: 128,
          maxTotalInstances: quota.instances ?? -1,
          maxTotalCores: quota.cores ?? -1,
          maxTotalRAMSize: quota.ram ?? -1,
          maxTotalKeypairs: 100,
          maxServerGroups: 10,
          maxServerGroupMembers: 10,
          totalRAMUsed: used.ram,
          totalCoresUsed: used.cores,
          totalInstancesUsed: used.instances,
          totalServerGroupsUsed: 0,
        },
      },
    },
  };
}
