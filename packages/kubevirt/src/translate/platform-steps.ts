import type { GpuVm, PlanOptions, Step } from '@vmgpu/core';
import { buildConfig } from './cluster-config.ts';
import type { Report } from './diagnostics.ts';
import { checkDra } from './dra.ts';
import type { Manifest } from './manifest.ts';
import { holds, sameFields } from './merge.ts';
import { operatorSteps } from './operator-steps.ts';
import type { KubeVirtOptions } from './options.ts';
import type { ResolvedGpu } from './resolve.ts';
import { configObject, type KubeVirtSnapshot } from './snapshot.ts';

/** An administrator's steps: prepare the nodes, then permit the devices. */
export function platformSteps(
  intent: GpuVm,
  snapshot: KubeVirtSnapshot,
  own: KubeVirtOptions,
  resolved: readonly ResolvedGpu[],
  options: PlanOptions,
  report: Report,
): readonly Step[] {
  if (resolved.length === 0) return [];
  if (snapshot.provider === 'dra') checkDra(snapshot.version, snapshot.distribution === 'openshift', report);
  const steps: Step[] = [];
  const inHostDevices = ({ request }: ResolvedGpu) => own.hostDevices?.includes(request.name) ?? false;
  const config = buildConfig(
    snapshot,
    {
      resolved,
      usesGpus: !resolved.every(inHostDevices),
      usesHostDevices: resolved.some(inHostDevices),
      usesNuma: (intent.spec.numa?.gpuAffinity ?? 'none') !== 'none',
      nodes: own.nodes ?? snapshot.hosts.map(({ host }) => host),
    },
    report,
  );
  const operator =
    snapshot.provider === 'nvidia-operator' ? operatorSteps(snapshot, own, resolved, options, report) : [];
  steps.push(...operator);
  const existing = configObject(snapshot).existing;
  if (config !== undefined && !wouldConflict(existing, config)) {
    const { kind, name, namespace } = configObject(snapshot);
    // New types make virt-handler remove the mediated devices of other types.
    const makesMdevs = /ediatedDeviceTypes"/.test(JSON.stringify(config));
    steps.push({
      id: 'config',
      kind: 'kubevirt.config',
      target: { type: kind, name, in: namespace },
      ...(existing === undefined ? {} : { before: existing && sameFields(existing, config) }),
      after: config,
      scope: 'platform',
      risk: makesMdevs ? 'vm-restart' : 'none',
      reversible: true,
      summary: `permit ${listResources(resolved)} in ${kind} ${namespace}/${name}`,
    });
  }
  return steps;
}

/** True when there is nothing to write: everything is there already, or a conflict has been reported. */
function wouldConflict(existing: Manifest | null | undefined, config: Manifest): boolean {
  try {
    return holds(existing, config);
  } catch {
    return true;
  }
}

function listResources(resolved: readonly ResolvedGpu[]): string {
  const names = [...new Set(resolved.flatMap(({ resource }) => resource ?? []))];
  return names.length > 0 ? names.join(', ') : 'the GPUs';
}
