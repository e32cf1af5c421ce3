import type { Step, StepOutcome } from '@vmgpu/core';
import { resources } from '../client/resources.ts';
import { waitUntil } from '../client/wait.ts';
import type { Json, Manifest } from '../translate/manifest.ts';
import { contains, restorePatch } from './compare.ts';
import { persist, readOrNull, type StepTools, type Subject } from './tools.ts';

/** Takes an object back: away when there was none, else the managed fields as they were. Gone is done. */
export function restoreObject(
  step: Step,
  subject: Subject,
  { before }: StepOutcome,
  tools: StepTools,
): Promise<void> {
  if (before === null) return removeObject(subject, tools);
  const { port, context } = tools;
  const { apiVersion: _api, kind: _kind, metadata, ...managed } = step.after as Manifest;
  const { name: _name, namespace: _namespace, ...marks } = metadata ?? {};
  const patch = restorePatch(before, {
    ...managed,
    ...(Object.keys(marks).length > 0 ? { metadata: marks } : {}),
  });
  return persist(tools, async () => {
    const now = await readOrNull(tools, subject);
    if (!now || contains(now, patch)) return;
    const body = atVersion(patch, now);
    await port.patch(subject.resource, subject.ref, { type: 'merge', body }, { signal: context.signal });
  });
}

/** A merge patch that holds only for this state of the object. */
export function atVersion(patch: Json, { metadata }: Manifest): Manifest {
  return {
    ...patch,
    metadata: { ...(patch.metadata as Json | undefined), resourceVersion: metadata?.resourceVersion },
  };
}

/** Deletes an object; a VM, whose guest is shut down first, is waited for. */
export async function removeObject(subject: Subject, tools: StepTools): Promise<void> {
  const { port, context, times } = tools;
  const { resource, ref } = subject;
  const now = await persist(tools, async () => {
    const found = await readOrNull(tools, subject);
    const uid = found?.metadata?.uid;
    if (found && found.metadata?.deletionTimestamp === undefined) {
      const same = typeof uid === 'string' ? { uid } : {};
      await port.delete(resource, ref, { signal: context.signal, propagation: 'Background', ...same });
    }
    return found && readOrNull(tools, subject);
  });
  if (!now || times.goneMs === 0 || resource.group !== resources.virtualMachines.group) return;
  await waitUntil(port, resource, {
    what: `Deleting ${resource.kind} ${ref.name}`,
    ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
    fieldSelector: `metadata.name=${ref.name}`,
    signal: context.signal,
    clock: context.clock,
    timeoutMs: times.goneMs,
    troubleMs: times.goneMs,
    keep: ({ metadata }) => metadata?.uid,
    judge: (objects) => {
      const present = [...objects.values()].includes(now.metadata?.uid);
      return present ? { done: false, seen: 'Terminating' } : { done: true, value: undefined };
    },
  });
}
