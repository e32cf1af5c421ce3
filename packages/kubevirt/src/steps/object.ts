import type { Step } from '@vmgpu/core';
import { VmgpuError } from '@vmgpu/core';
import { resourceOf } from '../client/resources.ts';
import { isObject, type Manifest } from '../translate/manifest.ts';
import { contains } from './compare.ts';
import { atVersion, restoreObject } from './restore.ts';
import { persist, readOrNull, type StepHandler, type Subject } from './tools.ts';

/** Marks what we have made, so that a later run may change it and never touches anything else of the name. */
const own = { 'app.kubernetes.io/managed-by': 'vmgpu' } as const;

/** Kinds whose content cannot change once they are there. */
const fixed = new Set(['DataVolume', 'ResourceClaimTemplate']);

/** Objects beside the VM, and the vGPU table: Secret, DataVolume, ResourceClaimTemplate, ConfigMap. */
export const objectStep: StepHandler = {
  run(step, tools) {
    const wish = step.after as Manifest;
    const subject = subjectOf(step);
    const { port, context } = tools;
    const { signal } = context;
    return persist(tools, async () => {
      const now = await readOrNull(tools, subject);
      if (now && contains(now, comparable(wish))) return { status: 'unchanged' };
      if (now) refuseForeign(step, now);
      await context.note({ before: now && kept(now, wish) });
      const labelled = withLabel(wish);
      if (now) {
        const body = atVersion(labelled, now);
        await port.patch(subject.resource, subject.ref, { type: 'merge', body }, { signal });
      } else await port.create(subject.resource, labelled, { signal });
      return { status: now ? 'updated' : 'created', before: now && kept(now, wish) };
    });
  },
  undo: (step, outcome, tools) => restoreObject(step, subjectOf(step), outcome, tools),
};

function subjectOf({ after, target }: Step): Subject {
  const namespace = (after as Manifest).metadata?.namespace ?? target.in;
  return {
    resource: resourceOf(after as Manifest),
    ref: { name: target.name, ...(namespace === undefined ? {} : { namespace }) },
  };
}

function withLabel(object: Manifest): Manifest {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata?.labels, ...own } } };
}

/** A Secret's `stringData` is only for writing: it is read back as `data`, in base64. */
function comparable(wish: Manifest): Manifest {
  const { stringData, ...rest } = wish;
  if (!isObject(stringData)) return wish;
  const encoded = Object.entries(stringData).map(([key, text]) => [key, base64(String(text))]);
  return { ...rest, data: { ...(isObject(rest.data) ? rest.data : {}), ...Object.fromEntries(encoded) } };
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Of an object that is there, what an undo needs. */
function kept(now: Manifest, wish: Manifest): Manifest {
  const { metadata, data } = now;
  const fields = Object.fromEntries(Object.keys(wish).map((key) => [key, now[key]]));
  return { ...fields, ...(data === undefined ? {} : { data }), metadata: { labels: metadata?.labels ?? {} } };
}

function refuseForeign({ target }: Step, { kind = target.type, metadata }: Manifest): void {
  const name = `${kind} ${metadata?.namespace}/${metadata?.name}`;
  const isOwn = Object.entries(own).every(([key, value]) => metadata?.labels?.[key] === value);
  if (isOwn && !fixed.has(kind)) return;
  const why = isOwn ? 'cannot change once it is there' : 'is there with other content and is not ours';
  throw new VmgpuError('conflict', `${name} ${why}`, {
    hint: 'choose another name, or delete it if nobody needs it',
  });
}
