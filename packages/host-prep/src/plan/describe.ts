import { unifiedDiff } from './diff.ts';
import type { HostPlan, HostStep } from './host-plan.ts';

export { unifiedDiff } from './diff.ts';

/** One file that a plan changes, for people. */
export interface FileChange {
  readonly step: string;
  readonly path: string;
  readonly diff: string;
}

/** The plan's changes of files as unified diffs, in order. A file whose text is not known is shown as new. */
export function describeHostPlan({ steps }: Pick<HostPlan, 'steps'>): readonly FileChange[] {
  return steps.flatMap((step) => {
    const texts = textsOf(step);
    if (texts === undefined) return [];
    const [path, before, after] = texts;
    return [{ step: step.id, path, diff: unifiedDiff(before, after, path) }];
  });
}

function textsOf(step: HostStep): readonly [path: string, before: string, after: string] | undefined {
  switch (step.kind) {
    case 'write-file':
    case 'edit-file':
    case 'restore-file':
      return [step.path, step.before ?? '', step.after];
    case 'remove-file':
      return [step.path, step.before, ''];
    default:
      return undefined;
  }
}
