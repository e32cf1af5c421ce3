import { type Catalog, tryParseVgpuProfile, type VgpuRequest } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { at, compact, type Json, type Manifest } from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';
import type { ResolvedGpu } from './resolve.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';
import { atLeast } from './version.ts';

/** Namespace that NVIDIA's chart and documents use. */
export const operatorNamespace = 'gpu-operator';

/**
 * ClusterPolicy `spec`, the same keys as the chart's values (gpu-operator v26.7.0): for passthrough the one switch, for
 * vGPUs the manager image and the device manager's table too.
 */
export function operatorSettings(
  resolved: readonly ResolvedGpu[],
  snapshot: KubeVirtSnapshot,
  options: KubeVirtOptions,
  report: Report,
): Json {
  const sandboxWorkloads = { enabled: true };
  const vgpu = resolved.find(({ request }) => request.mode === 'vgpu');
  if (vgpu === undefined) return { sandboxWorkloads };
  const { repository, version, image = 'vgpu-manager', imagePullSecrets } = options.vgpuManager ?? {};
  const policy = snapshot.clusterPolicy;
  if (repository === undefined && !at(policy, 'spec', 'vgpuManager', 'repository')) {
    report(
      policy ? 'blocked' : 'approximated',
      'vgpu-manager-image',
      vgpu.path,
      'the vGPU manager image is not known: NVIDIA publishes none, it is built from the driver of the licensing portal',
      'say repository and version in spec.providerOptions.kubevirt.vgpuManager',
    );
  }
  const { configMap } = options.vgpuConfig ?? {};
  return {
    sandboxWorkloads,
    vgpuManager: compact({
      enabled: true,
      repository,
      image: repository === undefined ? undefined : image,
      version,
      imagePullSecrets,
    }),
    vgpuDeviceManager: compact({
      enabled: true,
      config: configMap === undefined ? undefined : { name: configMap, default: 'default' },
    }),
  };
}

/** Labels that make the operator prepare a node for these requests. */
export function nodeLabels(
  resolved: readonly ResolvedGpu[],
  options: KubeVirtOptions,
): Readonly<Record<string, string>> {
  const vgpu = resolved.find(({ request }) => request.mode === 'vgpu');
  if (vgpu === undefined) return { 'nvidia.com/gpu.workload.config': 'vm-passthrough' };
  return {
    'nvidia.com/gpu.workload.config': 'vm-vgpu',
    'nvidia.com/vgpu.config': options.vgpuConfig?.name ?? shortProfile(vgpu.request as VgpuRequest),
  };
}

/** The type as vgpu-device-manager spells it: the last word of the full name. */
export function shortProfile({ profile }: VgpuRequest): string {
  return tryParseVgpuProfile(profile)?.short ?? profile;
}

/**
 * True when the operator's own table has a configuration for the type: series C and Q, and since v24.9.0 no Maxwell or
 * Pascal boards (gpu-operator v26.7.0, assets/state-vgpu-device-manager/0500_configmap.yaml).
 */
export function inDefaultTable(profile: string): boolean {
  const name = tryParseVgpuProfile(profile);
  return name !== undefined && (name.series === 'C' || name.series === 'Q') && !/^[MP]\d/.test(name.board);
}

/** The ConfigMap of vgpu-device-manager for these requests; undefined when the operator's own table will do. */
export function vgpuConfigMap(
  resolved: readonly ResolvedGpu[],
  options: KubeVirtOptions,
  catalog: Catalog | undefined,
  report: Report,
): Manifest | undefined {
  const vgpus = resolved.filter(({ request }) => request.mode === 'vgpu');
  const first = vgpus[0];
  if (first === undefined) return undefined;
  const { configMap, name, devices } = options.vgpuConfig ?? {};
  const profiles = [...new Set(vgpus.map(({ request }) => shortProfile(request as VgpuRequest)))];
  const missing = profiles.filter((profile) => !inDefaultTable(profile));
  if (configMap === undefined) {
    if (missing.length > 0) {
      report(
        'blocked',
        'vgpu-config',
        first.path,
        `the GPU Operator's own table has no configuration for ${missing.join(', ')}`,
        'name a ConfigMap of your own in spec.providerOptions.kubevirt.vgpuConfig.configMap',
      );
    }
    return undefined;
  }
  const counts = devices ?? Object.fromEntries(profiles.map((profile) => [profile, mostPerGpu(profile)]));
  const migBacked = Object.keys(counts).map((type) => tryParseVgpuProfile(type)?.slices !== undefined);
  if (new Set(migBacked).size > 1) {
    const message = 'time-sliced and MIG-backed vGPUs cannot share one GPU';
    report(
      'blocked',
      'vgpu-config-mixed',
      first.path,
      message,
      'make two configurations, for different GPUs',
    );
  }
  const lines = Object.entries(counts).map(
    ([type, count]) => `            ${JSON.stringify(type)}: ${count}`,
  );
  const config = [
    'version: v1',
    'vgpu-configs:',
    ...[...new Set([name ?? profiles[0] ?? 'default', 'default'])].flatMap((key) => [
      `    ${JSON.stringify(key)}:`,
      '        - devices: all',
      '          vgpu-devices:',
      ...lines,
    ]),
    '',
  ].join('\n');
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: configMap, namespace: operatorNamespace },
    data: { 'config.yaml': config },
  };

  function mostPerGpu(profile: string): number {
    const most = catalog?.profilesByName(profile)[0]?.maxPerGpu;
    if (most !== undefined) return most;
    const wanted = vgpus.filter(({ request }) => shortProfile(request as VgpuRequest) === profile);
    const count = wanted.reduce((sum, { request }) => sum + (request.count ?? 1), 0);
    const message = `how many ${profile} fit on one GPU is not known here; ${count} are configured`;
    report(
      'approximated',
      'vgpu-count',
      first?.path ?? '',
      message,
      'say vgpuConfig.devices, or give a catalogue',
    );
    return count;
  }
}

/** Release of the plugin that an operator release ships: before v1.6.0 (operator v26.7) it hands out whole IOMMU groups. */
export function handsOutGroups({ operatorVersion }: KubeVirtSnapshot): boolean {
  return operatorVersion !== undefined && !atLeast(operatorVersion, '26.7');
}
