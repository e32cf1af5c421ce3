import { type Cluster, ids, withCondition, without } from '../cluster.ts';
import { dicts } from '../json.ts';
import type { LauncherFailure } from '../scenario.ts';
import type { Dict, KubeObject } from '../types.ts';

/** Annotation of pods whose status the GPU Operator's simulation writes itself. */
export const operandPhase = 'simulator/operand-phase';

/** Plays kubelet and virt-handler on every node that is not lost: pods run, guests run and end. */
export function createNodeAgent(
  cluster: Cluster,
  failures: readonly LauncherFailure[],
  isLost: (node: string) => boolean,
) {
  const { loop, timings } = cluster;
  let addresses = 0;

  /** A pod that was bound, or is to go. */
  function pod(object: KubeObject): void {
    const { namespace, name, deletionTimestamp, uid } = object.metadata;
    const node = object.spec?.nodeName;
    if (!node || isLost(node)) return;
    const again = () => cluster.get(ids.pods, namespace, name);
    if (deletionTimestamp) {
      loop.enqueue(`kubelet-end/${uid}`, timings.kubelet, () => {
        const live = again();
        if (live !== undefined && canEnd(live)) cluster.store.remove(ids.pods, live);
      });
    } else if (object.status?.phase === 'Pending' && !object.metadata.annotations?.[operandPhase]) {
      loop.enqueue(`kubelet/${uid}`, timings.kubelet, () => {
        const live = again();
        if (live?.status?.phase === 'Pending' && !isLost(node)) run(live);
      });
    }
  }

  /** A launcher ends after its guest: virt-handler says when. */
  function canEnd(object: KubeObject): boolean {
    const vmi = instanceOf(object);
    return vmi === undefined || vmi.status?.phase !== 'Running' || isLost(object.spec.nodeName);
  }

  function instanceOf(object: KubeObject): KubeObject | undefined {
    const owner = object.metadata.ownerReferences?.find(({ kind }) => kind === 'VirtualMachineInstance');
    if (owner === undefined) return undefined;
    const vmi = cluster.get(ids.vmis, object.metadata.namespace, owner.name);
    return vmi?.metadata.uid === owner.uid ? vmi : undefined;
  }

  function run(object: KubeObject): void {
    const now = loop.timestamp();
    const vmi = instanceOf(object);
    const failure = vmi && failureOf(vmi, object.spec.nodeName, 'kubelet');
    if (failure) {
      cluster.change(ids.pods, object, (draft) => {
        const { reason = 'UnexpectedAdmissionError', message } = failure;
        draft.status = { ...draft.status, phase: 'Failed', reason, message };
      });
      cluster.event(
        object,
        'Warning',
        failure.reason ?? 'UnexpectedAdmissionError',
        failure.message,
        'kubelet',
      );
      return;
    }
    addresses += 1;
    const podIP = `10.244.${Math.floor(addresses / 250) % 256}.${(addresses % 250) + 1}`;
    cluster.change(ids.pods, object, (draft) => {
      let { conditions } = draft.status ?? {};
      for (const type of ['Initialized', 'Ready', 'ContainersReady']) {
        conditions = withCondition(conditions, { type, status: 'True' }, now);
      }
      const containerStatuses = dicts(draft.spec.containers).map(({ name, image = '' }) => ({
        name,
        image,
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: now } },
      }));
      draft.status = {
        ...draft.status,
        phase: 'Running',
        podIP,
        startTime: now,
        conditions,
        containerStatuses,
      };
    });
    cluster.event(
      object,
      'Normal',
      'Started',
      `Started container ${object.spec.containers?.[0]?.name}`,
      'kubelet',
    );
  }

  /** An instance that its node may start, or has to end. */
  function instance(vmi: KubeObject): void {
    const node = vmi.status?.nodeName;
    if (!node || isLost(node)) return;
    const { namespace, name, uid, deletionTimestamp } = vmi.metadata;
    const { phase } = vmi.status;
    if (phase === 'Scheduled' && !deletionTimestamp) {
      loop.enqueue(`handler/${uid}`, timings.handler, () => {
        const live = cluster.get(ids.vmis, namespace, name);
        if (live?.status?.phase === 'Scheduled' && live.metadata.uid === uid) startGuest(live, node);
      });
    } else if (phase === 'Running' && deletionTimestamp) {
      loop.enqueue(`handler-end/${uid}`, timings.handler, () => {
        endGuest(namespace, name, uid);
      });
    }
  }

  function startGuest(vmi: KubeObject, node: string): void {
    const now = loop.timestamp();
    const message = failureOf(vmi, node, 'sync')?.message ?? domainProblem(vmi);
    if (message !== undefined) {
      const text = `server error. command SyncVMI failed: "${message}"`;
      cluster.change(ids.vmis, vmi, ({ status }) => {
        const reason = 'Synchronizing with the Domain failed.';
        const failed = { type: 'Synchronized', status: 'False', reason, message: text };
        status.conditions = withCondition(status.conditions, failed, now);
      });
      cluster.event(vmi, 'Warning', 'SyncFailed', text, 'virt-handler');
      return;
    }
    const devices = vmi.spec?.domain?.devices ?? {};
    const hasDevices = devices.gpus?.length > 0 || devices.hostDevices?.length > 0;
    const migratable = hasDevices
      ? {
          type: 'LiveMigratable',
          status: 'False',
          reason: 'HostDeviceNotLiveMigratable',
          message:
            devices.gpus?.length > 1
              ? 'VMI specifies too many GPUs'
              : 'VMI specifies non-migratable GPU device',
        }
      : { type: 'LiveMigratable', status: 'True' };
    cluster.change(ids.vmis, vmi, ({ status }) => {
      status.phase = 'Running';
      status.phaseTransitionTimestamps = [
        ...(status.phaseTransitionTimestamps ?? []),
        { phase: 'Running', phaseTransitionTimestamp: now },
      ];
      status.interfaces = dicts(devices.interfaces).map(({ name }) => ({
        name,
        ipAddress: `10.0.2.${(addresses % 250) + 2}`,
        mac: '52:54:00:00:00:01',
      }));
      status.conditions = without(status.conditions, 'Synchronized');
      for (const condition of [{ type: 'Ready', status: 'True' }, migratable]) {
        const plain = without(status.conditions, condition.type);
        status.conditions = withCondition(plain, condition, now);
      }
    });
    cluster.event(vmi, 'Normal', 'Started', 'VirtualMachineInstance started.', 'virt-handler');
  }

  function endGuest(namespace: string | undefined, name: string, uid: string | undefined): void {
    const live = cluster.get(ids.vmis, namespace, name);
    if (live === undefined || live.metadata.uid !== uid) return;
    cluster.change(ids.vmis, live, ({ status }) => {
      status.phase = 'Succeeded';
      const stopped = { type: 'Ready', status: 'False', reason: 'GuestNotRunning', message: 'Guest stopped' };
      status.conditions = withCondition(status.conditions, stopped, loop.timestamp());
    });
    for (const object of cluster.list(ids.pods)) {
      if (object.metadata.ownerReferences?.some((owner) => owner.uid === uid)) pod(object);
    }
  }

  function failureOf(vmi: KubeObject, node: string, at: LauncherFailure['at']): LauncherFailure | undefined {
    const gpus = dicts(vmi.spec?.domain?.devices?.gpus);
    return failures.find(
      (failure) =>
        failure.at === at &&
        (failure.vm === undefined || failure.vm === vmi.metadata.name) &&
        (failure.node === undefined || failure.node === node) &&
        (failure.resource === undefined || gpus.some(({ deviceName }) => deviceName === failure.resource)),
    );
  }

  /** The guest powers itself off, or crashes. */
  function guestExit(namespace: string, name: string, phase: 'Succeeded' | 'Failed'): void {
    const vmi = cluster.get(ids.vmis, namespace, name);
    if (vmi?.status?.phase !== 'Running') return;
    cluster.change(ids.vmis, vmi, ({ status }) => {
      status.phase = phase;
    });
  }

  return { pod, instance, guestExit };
}

/** What libvirt refuses in a domain: the GPU's name becomes an alias, in which a dot is not allowed. */
function domainProblem(vmi: KubeObject): string | undefined {
  const devices: Dict = vmi.spec?.domain?.devices ?? {};
  for (const { name } of [...dicts(devices.gpus), ...dicts(devices.hostDevices)]) {
    if (/^[A-Za-z0-9_-]+$/.test(name ?? '')) continue;
    return `LibvirtError(Code=67, Domain=20, Message='unsupported configuration: invalid alias name 'ua-gpu-${name}'')`;
  }
  return undefined;
}
