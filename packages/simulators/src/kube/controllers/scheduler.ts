import { type Cluster, ids, isFinished, withCondition } from '../cluster.ts';
import { CelFailure } from '../device-selector.ts';
import { keyOfObject } from '../store/store.ts';
import type { KubeObject } from '../types.ts';
import { allocateClaims, type ClaimAnswer } from './claims.ts';
import { createRoom, type Room } from './room.ts';

const scheduler = 'default-scheduler';

/**
 * The scheduler: taints, node selector, sums of resources, claims; the texts of kube-scheduler 1.36. It takes the fitting
 * node with the fewest pods, by name among equals.
 */
export function createScheduler(
  cluster: Cluster,
): (resource: string, before?: KubeObject, after?: KubeObject) => void {
  const room = createRoom();
  const waiting = new Set<string>();

  /** Binds what can be bound, in order of creation; a kind of pod that found no place is asked once a round. */
  function round(): void {
    const failed = new Map<string, string>();
    const pods = [...waiting].map((key) => podOf(key)).filter((pod) => pod !== undefined);
    pods.sort((a, b) => created(a).localeCompare(created(b)));
    for (const pod of pods) {
      const claims = allocateClaims(cluster, pod);
      if (claims.kind === 'wait') {
        tellUnscheduled(pod, 'Unschedulable', claims.message);
        continue;
      }
      const signature = signatureOf(pod);
      const known = claims.kind === 'none' ? failed.get(signature) : undefined;
      const answer = known === undefined ? chooseOrFail(pod, room, claims) : known;
      if (answer instanceof CelFailure) {
        tellUnscheduled(pod, 'SchedulerError', `running "DynamicResources" filter plugin: ${answer.message}`);
        continue;
      }
      if (typeof answer === 'string') {
        if (claims.kind === 'none') failed.set(signature, answer);
        tellUnscheduled(pod, 'Unschedulable', answer);
      } else {
        if (claims.kind === 'allocate') claims.commit(answer.name);
        bind(pod, answer.name);
        failed.clear();
      }
    }
  }

  function podOf(key: string): KubeObject | undefined {
    const [namespace, name = ''] = key.split('/');
    return cluster.get(ids.pods, namespace, name);
  }

  function bind(pod: KubeObject, nodeName: string): void {
    const now = cluster.loop.timestamp();
    cluster.change(ids.pods, pod, (draft) => {
      draft.spec.nodeName = nodeName;
      const condition = { type: 'PodScheduled', status: 'True', lastProbeTime: null };
      const before = (draft.status?.conditions ?? []).filter(
        ({ type }: { type: string }) => type !== 'PodScheduled',
      );
      draft.status = { ...draft.status, conditions: withCondition(before, condition, now) };
    });
    const text = `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${nodeName}`;
    cluster.event(pod, 'Normal', 'Scheduled', text, scheduler);
  }

  function tellUnscheduled(
    pod: KubeObject,
    reason: 'Unschedulable' | 'SchedulerError',
    message: string,
  ): void {
    const now = cluster.loop.timestamp();
    const condition = { type: 'PodScheduled', status: 'False', reason, message };
    const before = pod.status?.conditions?.find(({ type }: { type: string }) => type === 'PodScheduled');
    if (before?.message === message) return;
    cluster.change(ids.pods, pod, (draft) => {
      draft.status = { ...draft.status, conditions: withCondition(draft.status?.conditions, condition, now) };
    });
    cluster.event(pod, 'Warning', 'FailedScheduling', message, scheduler);
  }

  return (resource, before, after) => {
    if (resource === ids.pods) {
      room.podChanged(before, after);
      const object = after ?? before;
      if (object === undefined) return;
      const key = keyOfObject(object);
      const isWaiting =
        after !== undefined &&
        !after.spec?.nodeName &&
        !after.metadata.deletionTimestamp &&
        !isFinished(after);
      if (isWaiting === waiting.has(key) && !frees(before, after)) return;
      if (isWaiting) waiting.add(key);
      else waiting.delete(key);
    } else if (resource === ids.nodes) room.nodeChanged(before, after);
    else if (!claimTypes.includes(resource)) return;
    if (waiting.size > 0) cluster.loop.enqueue('scheduler', 0, round);
  };
}

const claimTypes: readonly string[] = [
  ids.resourceClaims,
  ids.resourceSlices,
  ids.deviceClasses,
  ids.claimTemplates,
];

const created = ({ metadata }: KubeObject) => `${metadata.creationTimestamp}${metadata.uid}`;

const frees = (before: KubeObject | undefined, after: KubeObject | undefined) =>
  Boolean(before?.spec?.nodeName) && (after === undefined || isFinished(after));

const signatureOf = ({ spec }: KubeObject) =>
  JSON.stringify([
    spec.nodeSelector,
    spec.tolerations,
    spec.containers.map(({ resources }: { resources?: unknown }) => resources),
  ]);

/** A selector that fails ends the search: kube-scheduler calls it its own error and tries again later. */
function chooseOrFail(pod: KubeObject, room: Room, claims: ClaimAnswer) {
  try {
    return choose(pod, room, claims);
  } catch (error) {
    if (error instanceof CelFailure) return error;
    throw error;
  }
}

/** The node to take, or the text that says why there is none. */
function choose(pod: KubeObject, room: Room, claims: ClaimAnswer): { name: string } | string {
  const total = room.size();
  if (total === 0) return 'no nodes available to schedule pods';
  const reasons = new Map<string, number>();
  const preemption = new Map<string, number>();
  let best: { name: string; pods: number } | undefined;
  for (const { name, pods, problems, canPreempt } of room.fit(pod)) {
    const all = problems.length > 0 || claims.kind !== 'allocate' || claims.fits(name) ? problems : [noClaim];
    if (all.length === 0) {
      if (best === undefined || pods < best.pods || (pods === best.pods && name < best.name))
        best = { name, pods };
      continue;
    }
    for (const problem of all) reasons.set(problem, (reasons.get(problem) ?? 0) + 1);
    const help = canPreempt && all !== problems ? false : canPreempt;
    const text = help
      ? 'No preemption victims found for incoming pod'
      : 'Preemption is not helpful for scheduling';
    preemption.set(text, (preemption.get(text) ?? 0) + 1);
  }
  if (best !== undefined) return best;
  const head = `0/${total} nodes are available:`;
  return `${head} ${counted(reasons)}. no new claims to deallocate, preemption: ${head} ${counted(preemption)}.`;
}

const noClaim = 'cannot allocate all claims';

const counted = (counts: ReadonlyMap<string, number>) =>
  [...counts]
    .map(([text, count]) => `${count} ${text}`)
    .sort()
    .join(', ');
