import {
  apiVersion,
  deepFreeze,
  type GpuVm,
  nearest,
  type Plan,
  type PlanOptions,
  type Step,
} from '@vmgpu/core';
import { checkResources } from './checks.ts';
import { createReport, type Report } from './diagnostics.ts';
import { at, isObject, type Manifest } from './manifest.ts';
import { type KubeVirtOptions, kubeVirtOptions } from './options.ts';
import { permittedDevices, settingsPath } from './permitted.ts';
import { platformSteps } from './platform-steps.ts';
import { hostRequirements } from './requirements.ts';
import { type ResolvedGpu, resolveGpu } from './resolve.ts';
import { configObject, type KubeVirtSnapshot } from './snapshot.ts';
import { vmSteps } from './vm-steps.ts';

/** Kinds of steps of this adapter. */
export type KubeVirtStepKind =
  | 'kubevirt.config'
  | 'kubevirt.gpu-operator'
  | 'kubevirt.vgpu-manager-image'
  | 'kubevirt.vgpu-config'
  | 'kubevirt.node-labels'
  | 'kubevirt.object'
  | 'kubevirt.virtual-machine'
  /** The same, done also when the VM waits for devices to become free. */
  | 'kubevirt.waiting-virtual-machine';

/**
 * The steps that give an intent its VM on this cluster. Platform steps that the snapshot shows as done are left out.
 * Throws `bad-input` for unknown keys in `providerOptions.kubevirt`.
 */
export function plan(intent: GpuVm, snapshot: KubeVirtSnapshot, options: PlanOptions = {}): Plan {
  const own = kubeVirtOptions(intent);
  const { diagnostics, report } = createReport();
  const context = {
    snapshot,
    options: own,
    catalog: options.catalog,
    permitted: permittedDevices(configObject(snapshot).existing),
    report,
  };
  const resolved = (intent.spec.gpus ?? [])
    .map((request, index) => [request, `spec.gpus[${index}]`] as const)
    .map(
      ([request, path]): ResolvedGpu =>
        own.claims?.[request.name] === undefined
          ? resolveGpu(request, path, context)
          : { request, path, permit: [], ids: [] },
    );
  checkNames(own, resolved, report);
  const platform = platformSteps(intent, snapshot, own, resolved, options, report);
  const vm = vmSteps(intent, snapshot, own, resolved, options, report);
  const preparesNodes = platform.some(({ kind }) => kind !== 'kubevirt.config');
  const target = vm.at(-1)?.target;
  const holdsGpus =
    snapshot.virtualMachines?.some(
      ({ metadata }) => metadata?.name === target?.name && metadata?.namespace === target?.in,
    ) ?? false;
  checkResources(
    resolved,
    snapshot,
    { preparesNodes, holdsGpus, mayWait: own.acceptWaiting === true },
    report,
  );
  if (resolved.length > 0) checkKnown(resolved, snapshot, platform, options, report);
  const steps = [...platform, ...vm].filter(
    ({ scope }) => options.scope === undefined || scope === options.scope,
  );
  const ids = new Set(steps.map(({ id }) => id));
  return deepFreeze({
    apiVersion,
    kind: 'Plan',
    platform: 'kubevirt',
    platformVersion: snapshot.version,
    vm: target?.name ?? intent.metadata.name,
    steps: steps.map((step) => withNeeds(step, ids)),
    diagnostics,
    requirements: hostRequirements(intent, resolved),
  });
}

/** What a plan of scope `vm` cannot bring about itself, and what nobody could look at. */
function checkKnown(
  resolved: readonly ResolvedGpu[],
  snapshot: KubeVirtSnapshot,
  platform: readonly Step[],
  { scope }: PlanOptions,
  report: Report,
): void {
  const { existing, kind, name, namespace } = configObject(snapshot);
  const config = platform.find((step) => step.kind === 'kubevirt.config');
  if (scope === 'vm' && existing && config) {
    const message = `${kind} ${namespace}/${name} has to be changed first: ${config.summary}`;
    report(
      'blocked',
      'not-permitted',
      'spec.gpus',
      message,
      'an administrator applies the plan of scope platform',
    );
  }
  // A list that is absent permits everything. Harvester writes its own entries.
  const list = existing && at(existing, ...settingsPath(existing), 'permittedHostDevices');
  if (isObject(list) && snapshot.provider !== 'harvester') {
    const known = [...permittedDevices(existing), ...permittedDevices(config?.after as Manifest | undefined)];
    const names = [...new Set(known.map(({ resourceName }) => resourceName))];
    for (const { resource, path } of resolved) {
      if (resource === undefined || names.includes(resource)) continue;
      const near = nearest(resource, names);
      const message = `${kind} ${namespace}/${name} does not permit ${resource}${near.length > 0 ? `; nearest: ${near.join(', ')}` : ''}`;
      report(
        'blocked',
        'not-permitted',
        path,
        message,
        'check the name, or say device.id so that it can be permitted',
      );
    }
  }
  for (const { what, why } of snapshot.gaps ?? []) {
    report(
      'approximated',
      'not-read',
      'spec.gpus',
      `${what} could not be read, so nothing is checked against them: ${why}`,
    );
  }
}

function withNeeds({ needs = [], ...step }: Step, ids: ReadonlySet<string>): Step {
  const kept = needs.filter((id) => ids.has(id));
  return structuredClone(kept.length > 0 ? { ...step, needs: kept } : step);
}

/** Options that speak of a GPU by name must speak of one that is there. */
function checkNames(options: KubeVirtOptions, resolved: readonly ResolvedGpu[], report: Report): void {
  const names = new Set(resolved.map(({ request }) => request.name));
  const spoken = [
    ...Object.keys(options.resources ?? {}),
    ...Object.keys(options.claims ?? {}),
    ...(options.hostDevices ?? []),
  ];
  for (const name of new Set(spoken)) {
    if (names.has(name)) continue;
    const message = `the options speak of a GPU ${name}, which the intent does not have`;
    report('approximated', 'option-without-gpu', 'spec.providerOptions.kubevirt', message);
  }
}
