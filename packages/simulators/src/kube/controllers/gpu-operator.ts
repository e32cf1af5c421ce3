import { type Cluster, ids, referenceTo, withCondition } from '../cluster.ts';
import { dicts } from '../json.ts';
import type { Hardware } from '../scenario.ts';
import type { KubeObject } from '../types.ts';
import { operandPhase } from './node-agent.ts';
import { applyVgpuConfig } from './vgpu-config.ts';

const operands: Readonly<Record<string, readonly string[]>> = {
  container: [
    'driver',
    'container-toolkit',
    'device-plugin',
    'dcgm',
    'dcgm-exporter',
    'gpu-feature-discovery',
    'node-status-exporter',
    'operator-validator',
  ],
  'vm-passthrough': ['vfio-manager', 'sandbox-device-plugin', 'sandbox-validator'],
  'vm-vgpu': ['vgpu-manager', 'vgpu-device-manager', 'sandbox-device-plugin', 'sandbox-validator'],
};

const daemonSets: Readonly<Record<string, string>> = {
  'vfio-manager': 'nvidia-vfio-manager',
  'sandbox-device-plugin': 'nvidia-sandbox-device-plugin-daemonset',
  'sandbox-validator': 'nvidia-sandbox-validator',
  'vgpu-manager': 'nvidia-vgpu-manager-daemonset',
  'vgpu-device-manager': 'nvidia-vgpu-device-manager',
  driver: 'nvidia-driver-daemonset',
  'device-plugin': 'nvidia-device-plugin-daemonset',
  'operator-validator': 'nvidia-operator-validator',
};

const deploy = 'nvidia.com/gpu.deploy.';
const stateLabel = 'nvidia.com/vgpu.config.state';
const namespace = 'gpu-operator';

/**
 * What the NVIDIA GPU Operator (v26.7.0) and its operands do on a node, seen from the API: deploy labels by workload,
 * DaemonSet pods, vGPU configuration, and the resources that the device plugin publishes.
 */
export function createGpuOperator(
  cluster: Cluster,
  hardware: Readonly<Record<string, Hardware>>,
  log: (line: string) => void,
) {
  const { loop, timings } = cluster;
  /** The vGPU config in force on a node, with what it made. */
  const inForce = new Map<string, { config: string; resources: Readonly<Record<string, number>> }>();
  const changing = new Set<string>();

  const policyOf = () => cluster.list(ids.clusterPolicies)[0];

  function node(name: string): void {
    const object = cluster.get(ids.nodes, undefined, name);
    const own = hardware[name];
    const policy = cluster.serves(ids.clusterPolicies) ? policyOf() : undefined;
    if (object === undefined || own === undefined) return;
    if (policy === undefined) return;
    const workload = workloadOf(object, policy);
    label(object, own, workload);
    loop.enqueue(`operands/${name}`, timings.operator, () => runOperands(name));
  }

  function workloadOf({ metadata }: KubeObject, { spec }: KubeObject): string {
    const sandbox = spec?.sandboxWorkloads ?? {};
    if (metadata.labels?.[`${deploy}operands`] === 'false') return 'none';
    if (!sandbox.enabled) return 'container';
    const usual = sandbox.defaultWorkload ?? 'container';
    const wanted = metadata.labels?.['nvidia.com/gpu.workload.config'];
    if (wanted === undefined || operands[wanted] !== undefined) return wanted ?? usual;
    log(`invalid GPU workload config "${wanted}" on node ${metadata.name}, using default "${usual}"`);
    return usual;
  }

  function label(object: KubeObject, own: Hardware, workload: string): void {
    const wanted = new Set(operands[workload] ?? []);
    cluster.change(ids.nodes, object, ({ metadata }) => {
      const labels: Record<string, string> = { ...metadata.labels, 'nvidia.com/gpu.present': 'true' };
      for (const key of Object.keys(labels)) {
        const operand = key.startsWith(deploy) ? key.slice(deploy.length) : '';
        if (operand && operand !== 'operands' && operand !== 'driver' && !wanted.has(operand))
          delete labels[key];
      }
      if (own.preInstalledDriver) labels[`${deploy}driver`] = 'pre-installed';
      else if (!wanted.has('driver')) delete labels[`${deploy}driver`];
      for (const operand of wanted) labels[deploy + operand] ||= 'true';
      metadata.labels = labels;
    });
  }

  /** Pods as the deploy labels say, then what they achieve. */
  function runOperands(name: string): void {
    const object = cluster.get(ids.nodes, undefined, name);
    const policy = policyOf();
    const own = hardware[name];
    if (object === undefined || policy === undefined || own === undefined) return;
    const workload = workloadOf(object, policy);
    const isStuck = (workload === 'vm-passthrough' && own.preInstalledDriver) || false;
    const noImage = workload === 'vm-vgpu' && !hasImage(policy);
    for (const [operand, set] of Object.entries(daemonSets)) {
      const isOn = object.metadata.labels?.[deploy + operand] === 'true';
      const waits = operand === 'sandbox-validator' && (isStuck || noImage || isFailed(object));
      const phase = operand === 'vgpu-manager' && noImage ? 'image' : waits ? 'init' : 'ready';
      operandPod(set, object, isOn ? phase : undefined);
    }
    if (workload === 'vm-vgpu' && !noImage) configureVgpu(object, policy, own);
    else inForce.delete(name);
    publish(name, workload, own, isStuck);
    report(policy);
  }

  const hasImage = ({ spec }: KubeObject) =>
    Boolean(spec?.vgpuManager?.enabled && spec.vgpuManager.repository && spec.vgpuManager.version);

  const isFailed = ({ metadata }: KubeObject) => metadata.labels?.[stateLabel] === 'failed';

  function operandPod(set: string, node: KubeObject, phase: 'ready' | 'init' | 'image' | undefined): void {
    const name = `${set}-${node.metadata.name}`;
    const before = cluster.get(ids.pods, namespace, name);
    if (phase === undefined) {
      if (before !== undefined) cluster.remove(ids.pods, before, 0);
      return;
    }
    const owner = daemonSet(set);
    const status = podStatus(phase, loop.timestamp());
    if (before !== undefined) {
      cluster.change(ids.pods, before, (draft) => {
        if (draft.metadata.annotations?.[operandPhase] === phase) return;
        draft.metadata.annotations = { [operandPhase]: phase };
        draft.status = status;
      });
      return;
    }
    cluster.create(ids.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        labels: { app: set },
        annotations: { [operandPhase]: phase },
        ownerReferences: [referenceTo(owner)],
      },
      spec: {
        nodeName: node.metadata.name,
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: set, image: `nvcr.io/nvidia/${set}` }],
      },
      status,
    });
  }

  function daemonSet(name: string): KubeObject {
    return (
      cluster.get(ids.daemonsets, namespace, name) ??
      cluster.create(ids.daemonsets, {
        apiVersion: 'apps/v1',
        kind: 'DaemonSet',
        metadata: { name, namespace, labels: { app: name } },
        spec: { selector: { matchLabels: { app: name } } },
      })
    );
  }

  /** The vGPU device manager: it watches the label by value. An unknown config fails without `pending`. */
  function configureVgpu(object: KubeObject, policy: KubeObject, own: Hardware): void {
    const { name, labels = {} } = object.metadata;
    const wanted = labels['nvidia.com/vgpu.config'];
    const before = inForce.get(name);
    if (changing.has(name) || (wanted === undefined && before !== undefined)) return;
    const config = wanted ?? policy.spec?.vgpuDeviceManager?.config?.default ?? 'default';
    const isSettled =
      labels[stateLabel] === 'failed' ? failedWith.get(name) === config : before?.config === config;
    if (isSettled) {
      if (before?.config === config) setState(object, 'success');
      return;
    }
    const outcome = applyVgpuConfig(cluster, policy, namespace, own, config);
    if (outcome.kind === 'unknown-config') {
      log(`specified vgpu config "${config}" is not in the config map`);
      failedWith.set(name, config);
      setState(object, 'failed');
      return;
    }
    changing.add(name);
    setState(object, 'pending', 'paused-for-vgpu-change');
    loop.enqueue(`vgpu/${name}`, timings.vgpuConfig, () => {
      changing.delete(name);
      if (outcome.kind === 'success') {
        inForce.set(name, { config, resources: outcome.resources });
        failedWith.delete(name);
      } else {
        log(outcome.log);
        failedWith.set(name, config);
        inForce.delete(name);
      }
      const live = cluster.get(ids.nodes, undefined, name);
      if (live) setState(live, outcome.kind, 'true');
    });
  }

  const failedWith = new Map<string, string>();

  function setState(object: KubeObject, state: string, plugin?: string): void {
    cluster.change(ids.nodes, object, ({ metadata }) => {
      metadata.labels = { ...metadata.labels, [stateLabel]: state };
      if (plugin === undefined) return;
      for (const operand of ['sandbox-device-plugin', 'sandbox-validator'])
        metadata.labels[deploy + operand] = plugin;
    });
  }

  /** kubelet's side: a resource whose plugin went away stays, with 0. */
  function publish(name: string, workload: string, own: Hardware, isStuck: boolean): void {
    const published: Record<string, number> = {};
    const add = (resource: string, count: number) => {
      published[resource] = (published[resource] ?? 0) + count;
    };
    for (const { resourceName, count } of own.cards) {
      if (workload === 'vm-passthrough' && !isStuck) add(resourceName, count);
      if (workload === 'container') add('nvidia.com/gpu', count);
    }
    if (workload === 'vm-vgpu' && !changing.has(name)) {
      for (const [resource, count] of Object.entries(inForce.get(name)?.resources ?? {}))
        add(resource, count);
    }
    const object = cluster.get(ids.nodes, undefined, name);
    if (object === undefined) return;
    cluster.change(ids.nodes, object, (draft) => {
      draft.status ??= {};
      for (const list of ['capacity', 'allocatable']) {
        const amounts: Record<string, string> = { ...draft.status[list] };
        for (const key of Object.keys(amounts)) if (key.startsWith('nvidia.com/')) amounts[key] = '0';
        for (const [key, count] of Object.entries(published)) amounts[key] = String(count);
        draft.status[list] = amounts;
      }
    });
  }

  function report(policy: KubeObject): void {
    const pods = cluster.list(ids.pods).filter(({ metadata }) => metadata.namespace === namespace);
    const isReady = ({ metadata }: KubeObject) => metadata.annotations?.[operandPhase] === 'ready';
    for (const set of cluster.list(ids.daemonsets)) {
      if (set.metadata.namespace !== namespace) continue;
      const own = pods.filter(({ metadata }) => metadata.labels?.app === set.metadata.name);
      const ready = own.filter(isReady).length;
      const desired = own.length;
      cluster.change(ids.daemonsets, set, (draft) => {
        draft.status = {
          desiredNumberScheduled: desired,
          currentNumberScheduled: desired,
          numberReady: ready,
          numberAvailable: ready,
          numberMisscheduled: 0,
        };
      });
    }
    const state = pods.every(isReady) ? 'ready' : 'notReady';
    cluster.change(ids.clusterPolicies, policy, (draft) => {
      const conditions = dicts(draft.status?.conditions);
      const status = state === 'ready' ? 'True' : 'False';
      const ready = { type: 'Ready', status, reason: state === 'ready' ? 'Reconciled' : 'OperandNotReady' };
      draft.status = {
        ...draft.status,
        state,
        namespace,
        conditions: withCondition(conditions, ready, loop.timestamp()),
      };
    });
  }

  return { node, all: () => Object.keys(hardware).forEach(node) };
}

function podStatus(phase: 'ready' | 'init' | 'image', now: string) {
  if (phase === 'ready') {
    const conditions = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
      type,
      status: 'True',
      lastTransitionTime: now,
    }));
    return { phase: 'Running', conditions };
  }
  const waiting =
    phase === 'image'
      ? { reason: 'ImagePullBackOff', message: 'Back-off pulling image' }
      : { reason: 'PodInitializing' };
  const conditions = [
    { type: 'Ready', status: 'False', reason: 'ContainersNotReady', lastTransitionTime: now },
  ];
  const containerStatuses = [{ name: 'main', ready: false, restartCount: 0, state: { waiting } }];
  return { phase: 'Pending', conditions, containerStatuses };
}
