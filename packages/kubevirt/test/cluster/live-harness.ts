import { readFileSync } from 'node:fs';
import type { Kubeconfig } from '../../src/index.ts';
import { startCluster } from './cluster.ts';

/** A cluster that the live suite runs on. */
export interface LiveCluster {
  readonly name: string;
  readonly kubeconfig: Kubeconfig;
  /** A node that may be labelled for the GPU Operator; none on a cluster of somebody else unless it is named. */
  readonly node: string | undefined;
  /** A KubeVirt object may be made where there is none. */
  readonly mayMake: boolean;
  /** PCI id of the GPU in it. */
  readonly device: string;
  /** Two-writer races to run on the KubeVirt object. */
  readonly races: number;
  /** Longest time for one wait, in milliseconds. */
  readonly patience: number;
  close(): Promise<void>;
}

/** The cluster that `VMGPU_LIVE_KUBECONFIG` points at, else the simulator with the rights of our two roles. */
export async function liveCluster(): Promise<LiveCluster> {
  const path = process.env.VMGPU_LIVE_KUBECONFIG;
  const device = process.env.VMGPU_LIVE_DEVICE ?? '10de:2236';
  if (path !== undefined) {
    readFileSync(path);
    const node = process.env.VMGPU_LIVE_NODE;
    return {
      name: path,
      kubeconfig: { path },
      node,
      mayMake: process.env.VMGPU_LIVE_MAKE_KUBEVIRT === '1',
      device,
      races: 20,
      patience: 10 * 60_000,
      close: async () => undefined,
    };
  }
  const cluster = await startCluster();
  const content = JSON.stringify(cluster.kube.kubeconfig('ops'));
  return {
    name: 'the simulator',
    kubeconfig: { content },
    node: 'gpu-1',
    mayMake: false,
    device,
    races: 100,
    patience: 20_000,
    close: cluster.close,
  };
}
