import type { PlanOptions, Step } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { nodeLabels, operatorNamespace, operatorSettings, vgpuConfigMap } from './gpu-operator.ts';
import type { Manifest } from './manifest.ts';
import { holds, sameFields } from './merge.ts';
import type { KubeVirtOptions } from './options.ts';
import type { ResolvedGpu } from './resolve.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

/** What the GPU Operator needs: image, vGPU table, settings, node labels. Steps that are done already are left out. */
export function operatorSteps(
  snapshot: KubeVirtSnapshot,
  own: KubeVirtOptions,
  resolved: readonly ResolvedGpu[],
  options: PlanOptions,
  report: Report,
): readonly Step[] {
  const steps: Step[] = [];
  const platform = { scope: 'platform', reversible: true } as const;
  const modes = new Set(resolved.map(({ request }) => request.mode));
  if (modes.size > 1) {
    const message =
      'the GPU Operator prepares a node either for passthrough or for vGPUs, and a VM runs on one node';
    report('blocked', 'mixed-modes', 'spec.gpus', message, 'ask for one kind of GPU in a VM');
  }
  const policy = snapshot.clusterPolicy;
  const configMap = vgpuConfigMap(resolved, own, options.catalog, report);
  if (configMap !== undefined) {
    const name = configMap.metadata?.name ?? '';
    steps.push({
      ...platform,
      id: 'vgpu-config',
      kind: 'kubevirt.vgpu-config',
      target: { type: 'ConfigMap', name, in: operatorNamespace },
      after: configMap,
      risk: 'none',
      summary: `configure the vGPU types in ConfigMap ${operatorNamespace}/${name}`,
    });
  }
  const spec = operatorSettings(resolved, snapshot, own, report);
  const name = policy?.metadata?.name ?? 'cluster-policy';
  const after = { apiVersion: 'nvidia.com/v1', kind: 'ClusterPolicy', metadata: { name }, spec };
  const { repository, version, image = 'vgpu-manager', osTag, cudaVersion } = own.vgpuManager ?? {};
  if (modes.has('vgpu') && repository !== undefined && osTag !== undefined) {
    const tag = `${version}-${osTag}`;
    steps.push({
      ...platform,
      id: 'vgpu-manager-image',
      kind: 'kubevirt.vgpu-manager-image',
      target: { type: 'image', name: `${repository}/${image}:${tag}` },
      after: { repository, image, version, osTag, ...(cudaVersion === undefined ? {} : { cudaVersion }) },
      risk: 'none',
      summary: `build the vGPU manager image ${repository}/${image}:${tag}`,
    });
  }
  if (!holds(policy, after as Manifest)) {
    steps.push({
      ...platform,
      id: 'gpu-operator',
      kind: 'kubevirt.gpu-operator',
      // In DaoCloud's virtnest the operator is a sub-chart, and its values stand one level deeper.
      target: {
        type: 'ClusterPolicy',
        name,
        ...(snapshot.distribution === 'virtnest' ? { in: 'gpu-operator' } : {}),
      },
      ...(policy === undefined ? {} : { before: policy && sameFields(policy, after) }),
      after,
      risk: 'none',
      summary: 'let the GPU Operator prepare nodes for virtual machines',
      needs: ['vgpu-config', 'vgpu-manager-image'],
    });
  }
  const labels = nodeLabels(resolved, own);
  for (const node of own.nodes ?? []) {
    const known = snapshot.nodes?.find((candidate) => candidate.name === node);
    if (known !== undefined && Object.entries(labels).every(([key, value]) => known.labels[key] === value))
      continue;
    const before =
      known && Object.fromEntries(Object.keys(labels).map((key) => [key, known.labels[key] ?? null]));
    steps.push({
      ...platform,
      id: `node/${node}`,
      kind: 'kubevirt.node-labels',
      target: { type: 'Node', name: node },
      ...(before === undefined ? {} : { before }),
      after: labels,
      risk: 'vm-restart',
      summary: `label node ${node} for ${labels['nvidia.com/gpu.workload.config']}`,
      needs: ['gpu-operator', 'vgpu-config'],
    });
  }
  return steps;
}
