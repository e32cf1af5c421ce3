import { configurationOf } from '../admission/index.ts';
import { podCauses } from '../admission/pod.ts';
import { type Cluster, ids, isFinished, referenceTo, withCondition, without } from '../cluster.ts';
import { dicts } from '../json.ts';
import type { Dict, KubeObject } from '../types.ts';
import { launcherResources, RenderFailure } from './launcher.ts';

const component = 'virtualmachine-controller';
const launcherGrace = 60;

/** virt-controller's part for an instance: its launcher pod, and phases up to Scheduled. */
export function createInstances(cluster: Cluster, podOf: (vmi: KubeObject) => KubeObject | undefined) {
  const now = () => cluster.loop.timestamp();

  function reconcile(vmi: KubeObject): void {
    const pod = podOf(vmi);
    if (vmi.metadata.deletionTimestamp) end(vmi, pod);
    else if (vmi.status?.phase === 'Succeeded' || vmi.status?.phase === 'Failed') {
      if (pod !== undefined && !isFinished(pod)) cluster.remove(ids.pods, pod, 0);
    } else if (pod === undefined) launch(vmi);
    else if (isFinished(pod)) {
      setStatus(vmi, (status) => {
        status.phase = pod.status.phase;
        status.reason = pod.status.reason;
      });
    } else follow(vmi, pod);
  }

  /** The pod goes first, then the finalizers: with them the instance. */
  function end(vmi: KubeObject, pod: KubeObject | undefined): void {
    if (pod === undefined) {
      cluster.change(ids.vmis, vmi, ({ metadata }) => {
        metadata.finalizers = [];
      });
    } else if (!pod.metadata.deletionTimestamp) cluster.remove(ids.pods, pod, launcherGrace);
  }

  function launch(vmi: KubeObject): void {
    const notReady = {
      type: 'Ready',
      status: 'False',
      reason: 'PodNotExists',
      message: 'virt-launcher pod has not yet been scheduled',
    };
    const fail = (message: string) => {
      setStatus(vmi, (status) => {
        status.phase = 'Pending';
        const failed = { type: 'Synchronized', status: 'False', reason: 'FailedCreate', message };
        status.conditions = withCondition(withCondition(status.conditions, notReady, now()), failed, now());
      });
    };
    let pod: KubeObject;
    let overhead: string;
    try {
      ({ pod, overhead } = render(cluster, vmi));
    } catch (error) {
      if (!(error instanceof RenderFailure)) throw error;
      fail(`failed to render launch manifest: ${error.message}`);
      return;
    }
    const causes = podCauses(pod);
    if (causes.length > 0) {
      const texts = causes.map(({ field, message }) => `${field}: ${message}`).join(', ');
      const message = `Error creating pod: Pod "virt-launcher-${vmi.metadata.name}" is invalid: [${texts}]`;
      cluster.event(vmi, 'Warning', 'FailedCreate', message, component);
      fail(message);
      return;
    }
    const made = cluster.create(ids.pods, pod);
    setStatus(vmi, (status) => {
      status.phase = 'Pending';
      status.conditions = withCondition(without(status.conditions, 'Synchronized'), notReady, now());
      status.memory = { memoryOverhead: overhead };
      status.activePods = { [made.metadata.uid as string]: '' };
    });
    cluster.event(
      vmi,
      'Normal',
      'SuccessfulCreate',
      `Created virtual machine pod ${made.metadata.name}`,
      component,
    );
  }

  /** Copies what the pod says into the instance. */
  function follow(vmi: KubeObject, pod: KubeObject): void {
    const scheduled = dicts(pod.status?.conditions).find(({ type }) => type === 'PodScheduled');
    const isRefused = scheduled?.status === 'False';
    const isUp = pod.status?.phase === 'Running';
    const node = pod.spec?.nodeName;
    cluster.change(ids.vmis, vmi, (draft) => {
      draft.status ??= {};
      const { status } = draft;
      status.conditions = isRefused
        ? withCondition(status.conditions, scheduled, now())
        : without(status.conditions, 'PodScheduled');
      if (!status.phase || status.phase === 'Pending') status.phase = 'Scheduling';
      if (!isUp || status.phase !== 'Scheduling') return;
      status.phase = 'Scheduled';
      status.nodeName = node;
      status.activePods = { [pod.metadata.uid as string]: node };
      status.conditions = withCondition(
        status.conditions,
        {
          type: 'Ready',
          status: 'False',
          reason: 'GuestNotRunning',
          message: 'Guest VM is not reported as running',
        },
        now(),
      );
      draft.metadata.labels = { ...draft.metadata.labels, 'kubevirt.io/nodeName': node };
    });
  }

  function setStatus(vmi: KubeObject, edit: (status: Dict) => void): void {
    cluster.change(ids.vmis, vmi, (draft) => {
      draft.status ??= {};
      edit(draft.status);
    });
  }

  return reconcile;
}

/** The launcher pod of an instance. */
function render(cluster: Cluster, vmi: KubeObject): { pod: KubeObject; overhead: string } {
  const { name, namespace, uid } = vmi.metadata;
  const made = launcherResources(vmi.spec, configurationOf(cluster));
  const claims = made.claims.length > 0 ? { claims: made.claims } : {};
  const small = { requests: { cpu: '5m', memory: '35M' }, limits: { cpu: '15m', memory: '60M' } };
  const disks = dicts(vmi.spec?.volumes)
    .filter(({ containerDisk }) => containerDisk)
    .map((volume) => ({
      name: `volume${volume.name}`,
      image: volume.containerDisk.image,
      resources: { requests: { cpu: '1m', memory: '1M' }, limits: { cpu: '10m', memory: '40M' } },
    }));
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `virt-launcher-${name}-${cluster.suffix()}`,
      namespace: namespace as string,
      labels: {
        ...vmi.metadata.labels,
        'kubevirt.io': 'virt-launcher',
        'kubevirt.io/created-by': uid as string,
        'vm.kubevirt.io/name': name,
      },
      annotations: { 'kubevirt.io/domain': name },
      ownerReferences: [referenceTo(vmi)],
    },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: launcherGrace,
      nodeSelector: made.nodeSelector,
      ...(vmi.spec.tolerations && { tolerations: vmi.spec.tolerations }),
      ...(vmi.spec.resourceClaims && { resourceClaims: vmi.spec.resourceClaims }),
      containers: [
        {
          name: 'compute',
          image: 'quay.io/kubevirt/virt-launcher',
          resources: { limits: made.limits, requests: made.requests, ...claims },
        },
        ...disks,
        { name: 'guest-console-log', image: 'quay.io/kubevirt/virt-launcher', resources: small },
      ],
    },
    status: { phase: 'Pending', qosClass: 'Burstable' },
  };
  return { pod, overhead: made.overhead };
}
