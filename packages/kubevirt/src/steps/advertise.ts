import { nearest, VmgpuError } from '@vmgpu/core';
import { type GpuNode, gpuNode, isReady, isVmResource } from '../client/gpu-node.ts';
import { resources } from '../client/resources.ts';
import { type KubeObjects, waitUntil } from '../client/wait.ts';
import type { StepTools } from './tools.ts';

/** Waits until some node publishes each of the resources; says why not when none does. */
export async function untilAdvertised(names: readonly string[], tools: StepTools): Promise<void> {
  const { port, context, times } = tools;
  if (times.advertiseMs === 0 || names.length === 0) return;
  const { emit, signal, clock } = context;
  try {
    await waitUntil(port, resources.nodes, {
      what: `Waiting for nodes to publish ${names.join(', ')}`,
      signal,
      clock,
      timeoutMs: times.advertiseMs,
      troubleMs: times.troubleMs,
      keep: gpuNode,
      judge: (nodes) => {
        const missing = missingOf(names, nodes);
        const [first] = missing;
        if (first === undefined) return { done: true, value: undefined };
        const trouble = diagnose(first, [...nodes.values()]);
        return {
          done: false,
          seen: `no node publishes ${missing.join(', ')} yet`,
          ...(trouble && { trouble }),
        };
      },
      onSeen: (message) => emit({ message }),
    });
  } catch (error) {
    throw await withPlugin(error, tools);
  }
}

function missingOf(names: readonly string[], nodes: KubeObjects<GpuNode>): readonly string[] {
  const published = new Set<string>();
  for (const { gpus } of nodes.values()) {
    for (const [name, count] of Object.entries(gpus)) if (count > 0) published.add(name);
  }
  return names.filter((name) => !published.has(name));
}

const workloadLabel = 'nvidia.com/gpu.workload.config';

/** Why no node publishes a resource, from the most telling sign to the least; undefined when there is none. */
export function diagnose(resource: string, nodes: readonly GpuNode[]): VmgpuError | undefined {
  const say = (message: string, hint: string, nodeNames: readonly string[] = []) =>
    new VmgpuError('host-not-ready', `no node publishes ${resource}: ${message}`, {
      hint,
      details: { retryable: false, resource, nodes: nodeNames },
    });
  const namesOf = (some: readonly GpuNode[]) => some.map(({ name }) => name);
  const zero = nodes.filter(({ gpus }) => gpus[resource] === 0);
  if (zero.length > 0) {
    const where = namesOf(zero);
    return say(
      `${where.join(', ')} know it, but have none that works`,
      'restart the device plugin pod on it',
      where,
    );
  }
  const published = [
    ...new Set(nodes.flatMap(({ gpus }) => Object.keys(gpus).filter((name) => isVmResource(name)))),
  ];
  const near = nearest(resource, published).slice(0, 2);
  if (near.length > 0) {
    return say(
      `the nearest names are ${near.join(' and ')}`,
      'the name depends on the release of the device plugin: permit the one that is published',
    );
  }
  if (!resource.startsWith('nvidia.com/')) return undefined;
  const gpuNodes = nodes.filter(({ labels }) => labels['nvidia.com/gpu.present'] === 'true');
  if (gpuNodes.length === 0) return undefined;
  const installed = gpuNodes.filter(
    ({ labels }) => labels['nvidia.com/gpu.deploy.driver'] === 'pre-installed',
  );
  if (installed.length > 0) {
    const where = namesOf(installed);
    return say(
      `${where.join(', ')} have a GPU driver of their own, so the GPU Operator leaves the devices alone`,
      'remove that driver from the hosts and reboot them',
      where,
    );
  }
  const unlabelled = gpuNodes.filter(({ labels }) => labels[workloadLabel] === undefined);
  if (unlabelled.length === gpuNodes.length) {
    const where = namesOf(unlabelled);
    return say(
      `none of the GPU nodes ${where.join(', ')} has the label ${workloadLabel}`,
      'name the nodes in spec.providerOptions.kubevirt.nodes',
      where,
    );
  }
  const wanted = /^nvidia\.com\/(NVIDIA|GRID)_/.test(resource) ? 'vm-vgpu' : 'vm-passthrough';
  const others = gpuNodes.filter(({ labels }) => labels[workloadLabel] !== wanted);
  if (others.length < gpuNodes.length) return undefined;
  const modes = others.map(({ name, labels }) => `${name} is ${labels[workloadLabel] ?? 'without a label'}`);
  return say(
    `it needs a node in mode ${wanted}, and ${modes.join(', ')}`,
    'label a node for it',
    namesOf(others),
  );
}

const pluginLabel =
  'app in (nvidia-sandbox-device-plugin-daemonset,nvidia-kata-sandbox-device-plugin-daemonset)';

/** A wait that ended without a reason may lack the plugin's pods: one look, if we may. */
async function withPlugin(error: unknown, { port, context }: StepTools): Promise<unknown> {
  if (!(error instanceof VmgpuError) || error.code !== 'timeout' || context.signal.aborted) return error;
  try {
    const found: string[] = [];
    for await (const { metadata, spec, status } of port.list(resources.pods, {
      labelSelector: pluginLabel,
      signal: context.signal,
    })) {
      const node = (spec as { nodeName?: string } | undefined)?.nodeName ?? 'no node';
      found.push(`${metadata?.name} on ${node}: ${isReady(status) ? 'ready' : 'not ready'}`);
    }
    const why = found.length > 0 ? found.slice(0, 5).join('; ') : 'no pod of the KubeVirt device plugin runs';
    return new VmgpuError('host-not-ready', `${error.message}: ${why}`, {
      hint: 'see the GPU Operator: its ClusterPolicy must have sandboxWorkloads.enabled',
      cause: error,
    });
  } catch {
    return error;
  }
}
