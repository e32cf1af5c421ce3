import { isFinished } from '../cluster.ts';
import { dicts } from '../json.ts';
import { quantity } from '../quantity.ts';
import type { Dict, KubeObject } from '../types.ts';

export interface Fit {
  readonly name: string;
  readonly pods: number;
  /** Why the pod does not fit; the reasons of the first filter that says no. */
  readonly problems: readonly string[];
  /** Something that runs there could in principle make way. */
  readonly canPreempt: boolean;
}

/** Room on the nodes, kept up to date change by change: what 5,000 nodes and 1,000 pods need. */
export interface Room {
  nodeChanged(before: KubeObject | undefined, after: KubeObject | undefined): void;
  podChanged(before: KubeObject | undefined, after: KubeObject | undefined): void;
  size(): number;
  fit(pod: KubeObject): Generator<Fit>;
}

type Amounts = Map<string, number>;

interface Place {
  readonly node: KubeObject;
  readonly allocatable: Amounts;
}

export function createRoom(): Room {
  const places = new Map<string, Place>();
  const usage = new Map<string, Amounts>();
  /** All nodes in order; made anew when one came or went. */
  let order: string[] | undefined;
  let start = 0;

  function count(pod: KubeObject | undefined, sign: 1 | -1): void {
    const node = pod?.spec?.nodeName;
    if (pod === undefined || !node || isFinished(pod)) return;
    const amounts = usage.get(node) ?? new Map();
    usage.set(node, amounts);
    for (const [name, amount] of requestsOf(pod)) amounts.set(name, (amounts.get(name) ?? 0) + sign * amount);
  }

  return {
    size: () => places.size,
    nodeChanged(before, after) {
      if (after === undefined) {
        if (before) places.delete(before.metadata.name);
        order = undefined;
        return;
      }
      const allocatable: Amounts = new Map();
      for (const [name, amount] of Object.entries(after.status?.allocatable ?? {})) {
        allocatable.set(name, quantity(amount));
      }
      if (!places.has(after.metadata.name)) order = undefined;
      places.set(after.metadata.name, { node: after, allocatable });
    },
    podChanged(before, after) {
      if (before?.spec?.nodeName === after?.spec?.nodeName && before?.status?.phase === after?.status?.phase)
        return;
      count(before, -1);
      count(after, 1);
    },
    *fit(pod) {
      const wanted = [...requestsOf(pod)];
      const refusalOf = refusals(pod);
      order ??= [...places.keys()].sort();
      const all = order;
      const first = start % Math.max(1, all.length);
      let feasible = 0;
      for (let step = 0; step < all.length; step += 1) {
        const name = all[(first + step) % all.length] as string;
        const place = places.get(name) as Place;
        const used = usage.get(name);
        const pods = used?.get('pods') ?? 0;
        const refusal = refusalOf(place.node);
        if (refusal !== undefined) {
          yield { name, pods, problems: [refusal], canPreempt: false };
          continue;
        }
        const problems: string[] = [];
        let canPreempt = true;
        for (const [resource, amount] of wanted) {
          const most = place.allocatable.get(resource) ?? 0;
          if (amount <= most - (used?.get(resource) ?? 0) + 1e-9) continue;
          problems.push(resource === 'pods' ? 'Too many pods' : `Insufficient ${resource}`);
          if (amount > most) canPreempt = false;
        }
        yield { name, pods, problems, canPreempt };
        feasible += problems.length === 0 ? 1 : 0;
        if (feasible < enough) continue;
        start = first + step + 1;
        return;
      }
    },
  };
}

function requestsOf({ spec }: KubeObject): Amounts {
  const amounts: Amounts = new Map([['pods', 1]]);
  for (const { resources } of dicts(spec?.containers)) {
    for (const [name, amount] of Object.entries({ ...resources?.limits, ...resources?.requests })) {
      amounts.set(name, (amounts.get(name) ?? 0) + quantity(amount));
    }
  }
  return amounts;
}

/** Feasible nodes after which no more are looked at, as the real scheduler does in large clusters. */
const enough = 100;

/** The filters that look at a node alone: answers why it is out, if it is. */
function refusals({ spec }: KubeObject): (node: KubeObject) => string | undefined {
  const tolerations = dicts(spec?.tolerations);
  const selector = Object.entries(spec?.nodeSelector ?? {});
  const isTolerated = (taint: Dict) => tolerations.some((one) => tolerates(one, taint));
  return (node) => {
    if (node.spec?.unschedulable && !isTolerated(unschedulable)) return 'node(s) were unschedulable';
    for (const taint of dicts(node.spec?.taints)) {
      if (taint.effect !== 'PreferNoSchedule' && !isTolerated(taint))
        return 'node(s) had untolerated taint(s)';
    }
    const labels: Record<string, unknown> = node.metadata.labels ?? {};
    for (const [key, value] of selector) {
      if (labels[key] !== value) return "node(s) didn't match Pod's node affinity/selector";
    }
    return undefined;
  };
}

const unschedulable = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

function tolerates(toleration: Dict, taint: Dict): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return Boolean(toleration.key) && (toleration.value ?? '') === (taint.value ?? '');
}
