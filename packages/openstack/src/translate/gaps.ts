import type { Step } from '@vmgpu/core';
import { note, type PlanContext } from './context.ts';

/** What depends on a part of the snapshot: steps, and the place of the intent that they come from. */
const dependents: Readonly<Record<string, { readonly steps: RegExp; readonly path: string }>> = {
  version: { steps: /./, path: 'spec.gpus' },
  config: { steps: /\.config$/, path: 'spec.gpus' },
  hosts: { steps: /config$/, path: 'spec.gpus' },
  flavors: { steps: /\.(flavor|resize)$/, path: 'spec.gpus' },
  images: { steps: /\.(image-properties|server)$/, path: 'spec.disks' },
  networks: { steps: /\.server$/, path: 'spec.networks' },
  servers: { steps: /\.(server|resize)$/, path: 'metadata.name' },
  resourceClasses: { steps: /\.resource-class$/, path: 'spec.gpus' },
  traits: { steps: /\.trait$/, path: 'spec.gpus' },
};

/** Says what the caller could not see, where a step depends on it; the rest of the cloud is no matter of this plan. */
export function noteGaps(context: PlanContext, steps: readonly Step[]): void {
  const { intent, snapshot } = context;
  for (const { path, why, needs } of snapshot.gaps ?? []) {
    const [, part = '', name] = /^(\w+)(?:\.(.*))?$/s.exec(path) ?? [];
    const matter = dependents[part];
    if (!matter || !steps.some(({ kind }) => matter.steps.test(kind))) continue;
    if (name !== undefined && !intent.spec.networks?.some((network) => network.name === name)) continue;
    note(
      context,
      'approximated',
      'not-read',
      matter.path,
      `planned without having seen ${path} for certain: ${why}`,
      needs === undefined ? undefined : `the caller needs ${needs}`,
    );
  }
}
