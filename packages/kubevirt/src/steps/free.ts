import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import { readAllocated, readNodes } from '../client/nodes.ts';
import type { Manifest } from '../translate/manifest.ts';
import { listAt, textAt } from '../translate/manifest.ts';
import type { StepTools } from './tools.ts';

/** Adds to an error of the scheduler where the resource is, and how much of it is free; if we may look. */
export async function explainCapacity(
  error: unknown,
  vm: Manifest,
  { port, context }: StepTools,
): Promise<unknown> {
  if (!isVmgpuError(error) || error.code !== 'capacity' || context.signal.aborted) return error;
  const path = vm.kind === 'VirtualMachineInstance' ? ['spec'] : ['spec', 'template', 'spec'];
  const wanted = new Set(
    ['gpus', 'hostDevices'].flatMap((list) =>
      listAt(vm, ...path, 'domain', 'devices', list).flatMap((entry) => textAt(entry, 'deviceName') ?? []),
    ),
  );
  if (wanted.size === 0) return error;
  try {
    const call = { signal: context.signal };
    const nodes = await readNodes(port, call);
    const allocated = await readAllocated(port, nodes, call);
    const places = nodes.flatMap(({ name, allocatable }) =>
      [...wanted].flatMap((resource) => {
        const all = Number(allocatable[resource] ?? 0);
        return all > 0
          ? [`${name} ${all - (allocated.get(name)?.[resource] ?? 0)} of ${all} ${resource}`]
          : [];
      }),
    );
    const free =
      places.length > 0
        ? `free now: ${places.slice(0, 10).join(', ')}`
        : `no node has ${[...wanted].join(', ')}`;
    return new VmgpuError('capacity', `${error.message}; ${free}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
      details: { retryable: false, places },
    });
  } catch {
    return error;
  }
}
