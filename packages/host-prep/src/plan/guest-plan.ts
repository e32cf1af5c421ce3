import { type Catalog, deepFreeze, isUnknown, VmgpuError } from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { type DriverRule, driverPackages, driverRule, type GuestOptions } from './guest.ts';
import type { HostDiagnostic, HostGoal, HostPlan } from './host-plan.ts';
import { planHost } from './index.ts';

/** What a guest, or any machine that uses its GPUs itself, is to become. */
export interface GuestGoal extends Pick<GuestOptions, 'branch' | 'runFile'>, Pick<HostGoal, 'consent'> {
  /** Container runtimes that shall know the GPU: `containerd`, `docker`, `crio`. */
  readonly runtimes?: readonly string[];
}

/**
 * The driver, the container toolkit and CDI inside a guest, as a host plan in mode `container`: applied, rendered, judged
 * and taken back as every other. A guest that has its driver already keeps it. `catalog` tells GPUs that only the
 * proprietary or only the open modules drive. Throws `not-found` where there is no NVIDIA GPU.
 */
export function planGuest(facts: HostFacts, goal: GuestGoal = {}, catalog?: Catalog): HostPlan {
  const { branch, runFile, runtimes, consent } = goal;
  const gpus = facts.gpus.filter(({ vendor }) => vendor === 'nvidia');
  if (gpus.length === 0)
    throw new VmgpuError('not-found', `${facts.host} has no NVIDIA GPU`, {
      found: facts.gpus.map(({ id }) => id).join(', ') || 'no GPU',
      hint: 'look at the VM from outside: vmgpu read shows whether a GPU is attached to it',
    });
  const options: HostGoal = {
    mode: 'container',
    devices: gpus.map(({ address }) => address),
    ...(runtimes === undefined ? {} : { runtimes }),
    ...(consent === undefined ? {} : { consent }),
  };
  if (runFile !== undefined) return planHost(facts, { ...options, driver: { runFile } });
  const { os } = facts.system;
  const names = isUnknown(os) ? [] : [os.id, ...os.idLike];
  const distribution = (['ubuntu', 'debian'] as const).find((name) => names.includes(name));
  // For others the plan says that a driver must be named.
  if (distribution === undefined || typeof facts.nvidia.flavour === 'string') return planHost(facts, options);
  const rules = gpus.flatMap(({ id }) =>
    (catalog?.boardsById(id) ?? []).flatMap((board) => driverRule(board) ?? []),
  );
  const rule = strictest(rules);
  const packages = driverPackages({
    distribution,
    ...(branch === undefined ? {} : { branch }),
    ...(rule === undefined ? {} : { rule }),
  });
  const plan = planHost(facts, { ...options, driver: { packages } });
  return distribution === 'debian'
    ? deepFreeze({ ...plan, diagnostics: [...plan.diagnostics, debianComponents] })
    : plan;
}

function strictest(rules: readonly DriverRule[]): DriverRule | undefined {
  return rules.find(({ modules }) => modules !== 'either') ?? rules[0];
}

const debianComponents: HostDiagnostic = {
  kind: 'approximated',
  code: 'host.debian-components',
  path: '',
  message: "Debian keeps NVIDIA's driver in its components contrib, non-free and non-free-firmware.",
  remedy: 'Have them in the package sources of the guest before the plan is applied.',
};
