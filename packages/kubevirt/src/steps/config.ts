import { type Step, sameJson, VmgpuError } from '@vmgpu/core';
import type { ObjectRef } from '../client/port.ts';
import { resourceOf, resources } from '../client/resources.ts';
import { waitUntil } from '../client/wait.ts';
import { isObject, type Manifest } from '../translate/manifest.ts';
import { holds, mergeKubeVirt, sameFields, unmergeKubeVirt } from '../translate/merge.ts';
import { permittedDevices } from '../translate/permitted.ts';
import { untilAdvertised } from './advertise.ts';
import { stale } from './compare.ts';
import { persist, readOrNull, type StepHandler, type StepTools, type Subject } from './tools.ts';

/**
 * The allow-list, in the KubeVirt CR or HyperConverged. Its lists are atomic for patches and server-side apply, so the whole
 * object is read, merged by key and written with the version that was read: whoever was quicker makes us read again, and
 * no entry of theirs is lost.
 */
export const configStep: StepHandler = {
  async run(step, tools) {
    const wish = step.after as Manifest;
    const { port, context } = tools;
    const subject = subjectOf(step);
    const outcome = await persist(tools, async () => {
      const now = await readOrNull(tools, subject);
      if (!now) throw absent(subject);
      const before = sameFields(now, wish);
      if (holds(now, wish)) return { status: 'unchanged', after: before } as const;
      refuseChanged(step, now);
      await context.note({ before });
      const written = await port.replace(subject.resource, mergeKubeVirt(now, wish), {
        signal: context.signal,
      });
      return { status: 'updated', before, after: sameFields(written, wish) } as const;
    });
    const names = permittedDevices(wish).map(({ resourceName }) => resourceName);
    if (wish.kind === 'HyperConverged') await untilHandedOn(names, tools);
    await untilAdvertised(names, tools);
    return outcome;
  },

  undo(step, { before }, tools) {
    const subject = subjectOf(step);
    return persist(tools, async () => {
      const now = await readOrNull(tools, subject);
      if (!now) return;
      const back = unmergeKubeVirt(now, before as Manifest, step.after as Manifest);
      if (sameJson(back, now)) return;
      await tools.port.replace(subject.resource, back, { signal: tools.context.signal });
    });
  },
};

function subjectOf({ after, target }: Step): Subject {
  const ref: ObjectRef = { name: target.name, ...(target.in === undefined ? {} : { namespace: target.in }) };
  return { resource: resourceOf(after as Manifest), ref };
}

function absent({ resource, ref }: Subject): VmgpuError {
  return new VmgpuError('not-found', `there is no ${resource.kind} ${ref.namespace}/${ref.name}`, {
    hint: 'install KubeVirt first; making its object would begin an installation',
  });
}

/** Lists are merged, so others may have added to them; a single value that is neither old nor wished is a conflict. */
function refuseChanged(step: Step, now: Manifest): void {
  if (!isObject(step.before)) return;
  const visit = (before: unknown, found: unknown, wish: unknown): void => {
    if (Array.isArray(wish)) return;
    if (!isObject(wish)) {
      if (!sameJson(found, wish) && !sameJson(found, before)) throw stale(step);
      return;
    }
    for (const [key, value] of Object.entries(wish)) {
      visit(isObject(before) ? before[key] : undefined, isObject(found) ? found[key] : undefined, value);
    }
  };
  visit(step.before, now, step.after);
}

/** HyperConverged's operator writes the KubeVirt CR; virt-controller reads only that. */
async function untilHandedOn(names: readonly string[], { port, context, times }: StepTools): Promise<void> {
  if (times.advertiseMs === 0) return;
  const { signal, clock } = context;
  await waitUntil(port, resources.kubeVirts, {
    what: 'HyperConverged handing its devices on to KubeVirt',
    signal,
    clock,
    timeoutMs: times.advertiseMs,
    troubleMs: times.troubleMs,
    keep: (cr) => permittedDevices(cr).map(({ resourceName }) => resourceName),
    judge: (crs) => {
      const known = new Set([...crs.values()].flat());
      const missing = names.filter((name) => !known.has(name));
      if (missing.length === 0) return { done: true, value: undefined };
      return { done: false, seen: `${missing.join(', ')} not in the KubeVirt object yet` };
    },
  });
}
