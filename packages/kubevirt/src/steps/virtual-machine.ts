import type { Step } from '@vmgpu/core';
import { resourceOf } from '../client/resources.ts';
import type { Manifest } from '../translate/manifest.ts';
import { withoutNulls } from '../translate/manifest.ts';
import { contains, refuseStale } from './compare.ts';
import { atVersion, removeObject, restoreObject } from './restore.ts';
import { untilRunning } from './run-vm.ts';
import { persist, readOrNull, type StepHandler, type StepTools, type Subject } from './tools.ts';
import { stateOf } from './vm-state.ts';

/**
 * A VirtualMachine or VirtualMachineInstance: made, changed or taken away, then followed until it runs, if it is to run.
 * The server checks a write before it keeps anything, so no dry run comes first.
 */
export const virtualMachineStep: StepHandler = {
  async run(step, tools) {
    const subject = subjectOf(step);
    if (step.after === null) return deleteVm(step, subject, tools);
    const { now, ...outcome } = await write(step, subject, tools);
    const changed = outcome.status === 'updated' || tools.context.noted?.before !== undefined;
    const vm = await untilRunning(subject, now, changed, tools);
    return { ...outcome, after: { state: stateOf(vm) ?? null } };
  },

  async undo(step, outcome, tools) {
    const subject = subjectOf(step);
    if (step.after === null) return recreate(subject, outcome.before as Manifest, tools);
    await restoreObject(step, subject, outcome, tools);
    if (outcome.before === null) return;
    const now = await persist(tools, () => readOrNull(tools, subject));
    if (now) await untilRunning(subject, now, true, tools);
  },
};

/** The same for a VM that may wait until devices are free. */
export const waitingVirtualMachineStep: StepHandler = {
  run: (step, tools) => virtualMachineStep.run(step, { ...tools, mayWait: true }),
  undo: (step, outcome, tools) => virtualMachineStep.undo(step, outcome, { ...tools, mayWait: true }),
};

function subjectOf({ after, target }: Step): Subject {
  const manifest = (after ?? { kind: target.type }) as Manifest;
  return {
    resource: resourceOf(manifest),
    ref: { name: target.name, ...(target.in === undefined ? {} : { namespace: target.in }) },
  };
}

function write(step: Step, subject: Subject, tools: StepTools) {
  const wish = step.after as Manifest;
  const { port, context } = tools;
  const { signal } = context;
  const onWarning = (message: string) => context.emit({ message });
  return persist(tools, async () => {
    const now = await readOrNull(tools, subject);
    if (now && contains(now, wish)) return { status: 'unchanged', now } as const;
    refuseStale(step, now);
    if (now === null) {
      await context.note({ before: null });
      const made = await port.create(subject.resource, withoutNulls(wish), { signal, onWarning });
      return { status: 'created', before: null, now: made } as const;
    }
    const patch = { type: 'merge', body: atVersion(wish, now) } as const;
    await context.note({ before: managed(now) });
    const made = await port.patch(subject.resource, subject.ref, patch, { signal, onWarning });
    return { status: 'updated', before: managed(now), now: made } as const;
  });
}

/** Of a VM that is there, what a restore needs: not its status and not the server's own marks. */
function managed({ apiVersion, kind, metadata, spec }: Manifest): Manifest {
  const { name, namespace, labels, annotations } = metadata ?? {};
  return JSON.parse(
    JSON.stringify({ apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec }),
  ) as Manifest;
}

async function deleteVm(step: Step, subject: Subject, tools: StepTools) {
  const now = await persist(tools, () => readOrNull(tools, subject));
  if (!now) return { status: 'unchanged' } as const;
  refuseStale(step, now);
  const before = managed(now);
  await tools.context.note({ before });
  await removeObject(subject, tools);
  return { status: 'deleted', before } as const;
}

function recreate(subject: Subject, before: Manifest, tools: StepTools): Promise<void> {
  return persist(tools, async () => {
    if (await readOrNull(tools, subject)) return;
    await tools.port.create(subject.resource, before, { signal: tools.context.signal });
  });
}
