import type { CallOptions } from '@vmgpu/core';
import { listAt, type Manifest, objectAt, textAt } from '../translate/manifest.ts';
import type { KubeVirtNode } from '../translate/snapshot.ts';
import { isDevice, isFinished, isReady } from './gpu-node.ts';
import type { KubePort } from './port.ts';
import { resources } from './resources.ts';

/** A node without its use. */
export type BareNode = Omit<KubeVirtNode, 'allocated'>;

/** Every node with its devices, page by page; of each object only this is kept. */
export async function readNodes(port: KubePort, options: CallOptions): Promise<readonly BareNode[]> {
  const nodes: BareNode[] = [];
  for await (const { metadata, status } of port.list(resources.nodes, options)) {
    nodes.push({
      name: metadata?.name ?? '',
      ready: isReady(status),
      labels: metadata?.labels ?? {},
      allocatable: devicesOf(objectAt(status, 'allocatable')),
    });
  }
  return nodes;
}

function devicesOf(allocatable: object): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(allocatable).flatMap(([name, amount]) => (isDevice(name) ? [[name, String(amount)]] : [])),
  );
}

/** Devices in use, by node. */
export type Allocated = ReadonlyMap<string, Readonly<Record<string, number>>>;

/** Up to so many nodes with devices their pods are asked for node by node; with more, all pods of the cluster. */
const fewNodes = 16;

/**
 * What unfinished pods hold: the only measure of use, since `allocatable` does not go down. Asks for nothing when no node
 * has devices.
 */
export async function readAllocated(
  port: KubePort,
  nodes: readonly BareNode[],
  options: CallOptions,
): Promise<Allocated> {
  const interesting = nodes.filter(({ allocatable }) =>
    Object.values(allocatable).some((amount) => Number(amount) > 0),
  );
  const allocated = new Map<string, Record<string, number>>();
  const unfinished = 'status.phase!=Succeeded,status.phase!=Failed';
  const add = async (fieldSelector: string) => {
    for await (const pod of port.list(resources.pods, { ...options, fieldSelector })) addPod(allocated, pod);
  };
  if (interesting.length > fewNodes) await add(unfinished);
  else await Promise.all(interesting.map(({ name }) => add(`spec.nodeName=${name},${unfinished}`)));
  return allocated;
}

function addPod(allocated: Map<string, Record<string, number>>, pod: Manifest): void {
  const node = textAt(pod, 'spec', 'nodeName');
  if (node === undefined || isFinished(pod)) return;
  for (const container of listAt(pod, 'spec', 'containers')) {
    for (const [name, amount] of Object.entries(objectAt(container, 'resources', 'limits'))) {
      if (!isDevice(name)) continue;
      const sums = allocated.get(node) ?? {};
      sums[name] = (sums[name] ?? 0) + Number(amount);
      allocated.set(node, sums);
    }
  }
}
