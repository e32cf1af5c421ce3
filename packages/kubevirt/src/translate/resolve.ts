import type { GpuRequest } from '@vmgpu/core';
import { resourceNameProblem } from './names.ts';
import type { ResolveContext, ResolvedGpu } from './resolve-context.ts';
import { resolvePassthrough } from './resolve-passthrough.ts';
import { resolveVgpu } from './resolve-vgpu.ts';

export type { ResolveContext, ResolvedGpu } from './resolve-context.ts';

/** Finds the node resource of a request and what must be permitted for it. Never guesses without a diagnostic. */
export function resolveGpu(request: GpuRequest, path: string, context: ResolveContext): ResolvedGpu {
  const resolved =
    request.mode === 'passthrough'
      ? resolvePassthrough(request, path, context)
      : resolveVgpu(request, path, context);
  const problem = resolved.resource && resourceNameProblem(resolved.resource);
  if (problem) {
    const message = `the resource name ${resolved.resource} ${problem}, so no node can publish it`;
    context.report(
      'blocked',
      'resource-name',
      path,
      message,
      'name a resource that the nodes have, in device.name',
    );
  }
  return resolved;
}
