import { createKubePort, type KubePortOptions } from '../client/create-port.ts';
import type { KubePort } from '../client/port.ts';
import { lazyTransport } from '../client/transport.ts';
import { type Kubeconfig, loadCluster } from './kubeconfig.ts';
import { createNodeTransport } from './node-transport.ts';

export type { Kubeconfig } from './kubeconfig.ts';

/**
 * A KubePort for a cluster that a kubeconfig names: `$KUBECONFIG`, `~/.kube/config` or the service account of the pod when
 * nothing is given. Loads `@kubernetes/client-node` with the first request. Its errors are those of `KubePort`, and
 * `bad-input` for a kubeconfig that cannot be used.
 */
export function connectKube(kubeconfig: Kubeconfig = {}, options: KubePortOptions = {}): KubePort {
  return createKubePort(
    lazyTransport(async () => createNodeTransport(() => loadCluster(kubeconfig))),
    options,
  );
}

/** The same as a transport, for a port of one's own. */
export async function kubeconfigTransport(kubeconfig: Kubeconfig = {}) {
  return createNodeTransport(() => loadCluster(kubeconfig));
}
