import { type Step, sameJson, VmgpuError } from '@vmgpu/core';
import { type GpuNode, gpuNode, isVmResource } from '../client/gpu-node.ts';
import { resources } from '../client/resources.ts';
import { type Judgement, waitUntil } from '../client/wait.ts';
import type { Manifest } from '../translate/manifest.ts';
import { restorePatch, stale } from './compare.ts';
import { persist, readOrNull, type StepHandler, type StepTools } from './tools.ts';

type Labels = Readonly<Record<string, string | null>>;

const configLabel = 'nvidia.com/vgpu.config';
const stateLabel = 'nvidia.com/vgpu.config.state';

/** Labels of a node, and the GPU Operator's answer to them. */
export const nodeLabelsStep: StepHandler = {
  async run(step, tools) {
    const wish = step.after as Labels;
    const { port, context } = tools;
    let labelled: Manifest | undefined;
    const outcome = await persist(tools, async () => {
      const node = await readNode(step, tools);
      const now = labelsOf(node, wish);
      if (sameJson(now, wish)) return { status: 'unchanged', after: now } as const;
      if (step.before !== undefined && !sameJson(now, step.before)) throw stale(step);
      await context.note({ before: now });
      const body = { metadata: { labels: wish, resourceVersion: node.metadata?.resourceVersion } };
      labelled = await port.patch(
        resources.nodes,
        { name: step.target.name },
        { type: 'merge', body: body as Manifest },
        {
          signal: context.signal,
        },
      );
      return { status: 'updated', before: now, after: wish } as const;
    });
    await untilPrepared(step, tools, labelled);
    return outcome;
  },

  undo: (step, { before }, tools) =>
    persist(tools, async () => {
      const node = await readOrNull(tools, { resource: resources.nodes, ref: { name: step.target.name } });
      const labels = restorePatch(before, step.after as Labels);
      if (!node || sameJson(labelsOf(node, labels), labels)) return;
      const body = { metadata: { labels, resourceVersion: node.metadata?.resourceVersion } };
      await tools.port.patch(
        resources.nodes,
        { name: step.target.name },
        { type: 'merge', body: body as Manifest },
        {
          signal: tools.context.signal,
        },
      );
    }),
};

async function readNode({ target }: Step, tools: StepTools): Promise<Manifest> {
  const node = await readOrNull(tools, { resource: resources.nodes, ref: { name: target.name } });
  if (!node) throw new VmgpuError('not-found', `there is no node ${target.name}`);
  return node;
}

/** The values of the wish's labels; null for one that is not set. */
function labelsOf({ metadata }: Manifest, wish: object): Labels {
  return Object.fromEntries(Object.keys(wish).map((key) => [key, metadata?.labels?.[key] ?? null]));
}

/**
 * Waits until the operator's pods have bound the GPUs or made the vGPUs, and their plugin publishes them. The watch goes on
 * from the node as it was labelled: a list might come when the operator is done already, and would not show that it was at work.
 */
async function untilPrepared(
  { target, after }: Step,
  { port, context, times }: StepTools,
  labelled: Manifest | undefined,
) {
  if (times.prepareMs === 0) return;
  const { emit, signal, clock } = context;
  const judge = prepared(after as Labels, labelled !== undefined);
  await waitUntil(port, resources.nodes, {
    what: `Preparing node ${target.name}`,
    fieldSelector: `metadata.name=${target.name}`,
    signal,
    clock,
    timeoutMs: times.prepareMs,
    troubleMs: times.troubleMs,
    ...(labelled ? { from: labelled } : {}),
    keep: gpuNode,
    judge: (nodes) => judge([...nodes.values()][0]),
    onSeen: (message) => emit({ message }),
  });
}

/**
 * Judges one node. `vgpu.config.state` does not say which configuration it is about, so `success` counts only after
 * another state was seen, or when the node publishes the type by its name (vgpu-device-manager v0.5.0).
 */
function prepared(wish: Labels, changed: boolean) {
  const config = wish[configLabel];
  let moved = !changed;
  return (node: GpuNode | undefined): Judgement<void> => {
    if (!node) return { done: false, seen: 'the node is gone' };
    const published = Object.entries(node.gpus).filter(([name, count]) => isVmResource(name) && count > 0);
    const names = published.map(([name]) => name);
    if (typeof config !== 'string') {
      if (names.length > 0) return { done: true, value: undefined };
      return { done: false, seen: 'no GPU for VMs is published yet', ...troubleOf(node) };
    }
    const state = node.labels[stateLabel];
    if (state !== undefined && state !== 'success') moved = true;
    const ready =
      names.some((name) => name.endsWith(config)) || (moved && state === 'success' && names.length > 0);
    if (ready) return { done: true, value: undefined };
    return { done: false, seen: `vGPU configuration ${config}: ${state ?? 'not begun'}`, ...troubleOf(node) };
  };
}

function troubleOf({ name, labels }: GpuNode): { readonly trouble?: VmgpuError } {
  if (labels['nvidia.com/gpu.deploy.driver'] === 'pre-installed') {
    const message = `node ${name} has a GPU driver of its own, so the GPU Operator leaves its devices alone`;
    const hint = 'remove that driver from the host and reboot it';
    return { trouble: new VmgpuError('host-not-ready', message, { hint }) };
  }
  if (labels[stateLabel] === 'failed') {
    const message = `vgpu-device-manager could not make ${labels[configLabel]} on node ${name}`;
    const hint = 'see the log of its pod: unknown configuration, a type the GPU does not have, or one in use';
    return { trouble: new VmgpuError('host-not-ready', message, { hint }) };
  }
  return {};
}
