import {
  baseId,
  type GpuDevice,
  type GpuRequest,
  type GpuSelector,
  matchesPciId,
  nearest,
  type PciId,
  parsePciAddress,
  parsePciId,
  tryParsePciId,
} from '@vmgpu/core';
import { allGpus, note, type PlanContext } from './context.ts';
import type { GpuOptions } from './options.ts';

/** How a GPU request stands in a flavor. */
export type Ask =
  /** `pci_passthrough:alias` */
  | { readonly kind: 'alias'; readonly name: string; readonly count: number }
  /** `resources:CLASS`, with `trait:` keys */
  | {
      readonly kind: 'class';
      readonly name: string;
      readonly count: number;
      readonly traits: readonly string[];
    };

/** A request with what it needs everywhere it is handled. */
export interface AskInput {
  readonly request: GpuRequest;
  /** Path of the request in the intent. */
  readonly path: string;
  readonly count: number;
  readonly options: GpuOptions;
}

export function askInputs(context: PlanContext): readonly AskInput[] {
  return (context.intent.spec.gpus ?? []).map((request, index) => ({
    request,
    path: `spec.gpus[${index}]`,
    count: request.count ?? 1,
    options: context.options.gpus?.[request.name] ?? {},
  }));
}

/** A selector that names a resource class of Placement instead of an alias. */
export function isClassName(name: string): boolean {
  return /^(VGPU|PGPU|CUSTOM_[A-Z0-9_]+)$/.test(name);
}

/**
 * The device ids a selector means, without subsystem. Empty, with a `blocked` diagnostic, when they cannot be told.
 */
export function idsOf(context: PlanContext, device: GpuSelector, path: string): readonly PciId[] {
  if (device.id !== undefined) {
    const id = parsePciId(device.id);
    if (id !== baseId(id)) {
      note(
        context,
        'approximated',
        'subsystem-ignored',
        `${path}.device.id`,
        `Nova compares vendor and product only: ${baseId(id)} may be another product than ${id}`,
      );
    }
    return [baseId(id)];
  }
  if (device.address !== undefined) {
    const address = parsePciAddress(device.address);
    const ids = allGpus(context).flatMap(({ gpu }) => (gpu.address === address ? [baseId(gpu.id)] : []));
    if (ids.length > 0) return [...new Set(ids)];
  }
  if (device.board !== undefined) {
    const boards = context.catalog?.boardsByName(device.board) ?? [];
    if (boards.length > 0) return [...new Set(boards.flatMap(({ ids }) => ids.map(baseId)))].sort();
  }
  const close = nearest(device.board ?? '', context.catalog?.boards.map(({ name }) => name) ?? []);
  note(
    context,
    'blocked',
    'device-unknown',
    `${path}.device`,
    `the PCI id of ${device.board ?? device.address} is not known`,
    close.length > 0
      ? `Did you mean ${close.join(' or ')}? Or write device.id, such as 10de:2236.`
      : 'Write device.id, such as 10de:2236, or plan with a capture of the host that has it.',
  );
  return [];
}

/** True when a GPU of a host is one that the selector means; a selector with only a platform name means any. */
export function selects(context: PlanContext, device: GpuSelector | undefined, gpu: GpuDevice): boolean {
  if (device?.address !== undefined) {
    const address = parsePciAddress(device.address);
    return gpu.address === address || gpu.physicalFunction === address;
  }
  const id = device?.id === undefined ? undefined : tryParsePciId(device.id);
  if (id !== undefined) return matchesPciId(id, gpu.id);
  if (device?.board === undefined) return true;
  const boards = context.catalog?.boardsByName(device.board) ?? [];
  return boards.some(({ ids }) => ids.some((known) => matchesPciId(baseId(known), baseId(gpu.id))));
}
