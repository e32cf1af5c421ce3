import { type Step, VmgpuError } from '@vmgpu/core';
import { resources } from '../client/resources.ts';
import type { Json, Manifest } from '../translate/manifest.ts';
import { sameFields } from '../translate/merge.ts';
import { contains, stale } from './compare.ts';
import { atVersion, restoreObject } from './restore.ts';
import { persist, readOrNull, type StepHandler } from './tools.ts';

/** Settings of the GPU Operator: a patch of the ClusterPolicy that its chart has made. */
export const gpuOperatorStep: StepHandler = {
  run(step, tools) {
    const { spec } = step.after as Manifest;
    const { port, context } = tools;
    const subject = subjectOf(step);
    return persist(tools, async () => {
      const now = await readOrNull(tools, subject);
      if (!now) throw absent(step);
      const before = sameFields(now, step.after);
      if (contains(now.spec, spec)) return { status: 'unchanged', after: before };
      if (step.before !== undefined && !contains(now, step.before)) throw stale(step);
      await context.note({ before });
      const body = atVersion({ spec } as Json, now);
      const written = await port.patch(
        subject.resource,
        subject.ref,
        { type: 'merge', body },
        { signal: context.signal },
      );
      return { status: 'updated', before, after: sameFields(written, step.after) };
    });
  },
  undo: (step, outcome, tools) => restoreObject(step, subjectOf(step), outcome, tools),
};

/** The image of the vGPU manager is built by hand, with NVIDIA's driver: here it can only be named. */
export const vgpuManagerImageStep: StepHandler = {
  async run({ target }, { context }) {
    context.emit({ message: `${target.name} must be in its registry; the rendered script builds it` });
    return { status: 'unchanged' };
  },
  undo: async () => undefined,
};

function subjectOf({ target }: Step) {
  return { resource: resources.clusterPolicies, ref: { name: target.name } };
}

function absent({ target }: Step): VmgpuError {
  return new VmgpuError('not-found', `there is no ClusterPolicy ${target.name}`, {
    hint: 'install the NVIDIA GPU Operator first; the rendered values are for its chart',
  });
}
