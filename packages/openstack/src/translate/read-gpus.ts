import {
  type Diagnostic,
  type GpuRequest,
  type PciId,
  tryParsePciId,
  tryParseVgpuProfile,
} from '@vmgpu/core';
import { isClassName } from './ask.ts';
import { note } from './context.ts';
import { annotation } from './extra-spec-keys.ts';
import { osloValues, parseOslo } from './oslo-config.ts';
import type { OpenStackNative } from './snapshot.ts';

interface AliasLine {
  readonly name?: string;
  readonly vendor_id?: string;
  readonly product_id?: string;
  readonly device_type?: string;
  readonly resource_class?: string;
}

/**
 * The GPUs a flavor asks for. vmgpu's own flavors say in annotations what was asked; they are believed as far as the
 * flavor still asks for the same. All else is read from aliases and resource classes, as well as the API tells it.
 */
export function readGpus(
  native: OpenStackNative,
  specs: Readonly<Record<string, string>>,
  diagnostics: Diagnostic[],
): readonly GpuRequest[] {
  const left = new Map<string, number>();
  const order: string[] = [];
  const add = (name: string, count: number) => {
    if (!left.has(name)) order.push(name);
    left.set(name, (left.get(name) ?? 0) + count);
  };
  for (const part of (specs['pci_passthrough:alias'] ?? '').split(',')) {
    const [name = '', count = ''] = part.split(':');
    if (name.trim() !== '' && /^\s*\d+\s*$/.test(count)) add(name.trim(), Number(count));
  }
  for (const [key, value] of Object.entries(specs)) {
    const name = /^resources[^:]*:(.+)$/.exec(key)?.[1];
    if (name !== undefined && isClassName(name) && /^\d+$/.test(value)) add(name, Number(value));
  }
  const annotated = fromAnnotations(specs, left, diagnostics);
  const taken = new Set(annotated.map(({ name }) => name));
  const others = order.flatMap((name) => {
    const count = left.get(name) ?? 0;
    return count > 0 ? [guess(native, name, count, taken, diagnostics)] : [];
  });
  return [...annotated, ...others];
}

function fromAnnotations(
  specs: Readonly<Record<string, string>>,
  left: Map<string, number>,
  diagnostics: Diagnostic[],
): readonly GpuRequest[] {
  return Object.entries(specs).flatMap(([key, value]) => {
    if (!key.startsWith(annotation)) return [];
    const said = parseObject(value) as { as?: string; count?: number; mode?: string } | undefined;
    const names = (said?.as ?? '').split(',').filter(Boolean);
    const count = said?.count ?? 1;
    if (said === undefined || names.length === 0 || names.some((name) => (left.get(name) ?? 0) < count)) {
      const why = 'the flavor no longer asks for what its annotation says; the annotation is not used';
      note({ diagnostics }, 'repaired', 'annotation-stale', `flavor.extra_specs.${key}`, why);
      return [];
    }
    for (const name of names) left.set(name, (left.get(name) ?? 0) - count);
    const { as: _, ...request } = said;
    return [{ name: key.slice(annotation.length), ...request } as GpuRequest];
  });
}

/** A request from an alias or class alone. Its name on the platform is kept in `device.name`. */
function guess(
  native: OpenStackNative,
  name: string,
  count: number,
  taken: Set<string>,
  diagnostics: Diagnostic[],
): GpuRequest {
  const lines = aliasLines(native).filter((line) => line.name === name);
  const unique = requestName(name, taken);
  const base = { name: unique, ...(count === 1 ? {} : { count }) };
  const classes = [
    ...lines.flatMap((line) => line.resource_class ?? []),
    ...(isClassName(name) ? [name] : []),
  ];
  const profile = classes.map(profileOfClass).find((found) => found !== undefined);
  const path = `flavor.extra_specs`;
  if (isClassName(name) || lines.some((line) => line.device_type === 'type-VF')) {
    const known = profile ?? (name === 'VGPU' ? onlyType(native) : undefined);
    if (known === undefined) {
      note(
        { diagnostics },
        'lossy',
        'profile-unknown',
        path,
        `which vGPU type ${name} is stands in nova-compute’s configuration only`,
        'Read the server together with that configuration.',
      );
    }
    return { ...base, mode: 'vgpu', profile: known ?? name, device: { name } };
  }
  const id = lines.map(idOfAlias).find((found) => found !== undefined) ?? onlyAllocatedId(native);
  if (id === undefined) {
    note(
      { diagnostics },
      'lossy',
      'device-unknown',
      path,
      `which device the alias ${name} means stands in Nova’s configuration only`,
      'Read the server together with nova.conf.',
    );
  }
  return { ...base, mode: 'passthrough', device: { name, ...(id === undefined ? {} : { id }) } };
}

function aliasLines({ config = [] }: OpenStackNative): readonly AliasLine[] {
  return config
    .flatMap(({ text }) => osloValues(parseOslo(text), 'pci', 'alias'))
    .flatMap((value) => (parseObject(value) as AliasLine | undefined) ?? []);
}

function idOfAlias({ vendor_id, product_id }: AliasLine): PciId | undefined {
  return tryParsePciId(`${vendor_id}:${product_id}`);
}

/** `CUSTOM_VGPU_A16_16A` back to `A16-16A`. */
function profileOfClass(name: string): string | undefined {
  const text = /^CUSTOM_VGPU_(.+)$/.exec(name)?.[1]?.replaceAll('_', '-');
  return text !== undefined && tryParseVgpuProfile(text) !== undefined ? text : undefined;
}

/** The one type that nova-compute's configuration enables. */
function onlyType({ config = [] }: OpenStackNative): string | undefined {
  const types = config.flatMap(({ text }) =>
    osloValues(parseOslo(text), 'devices', 'enabled_mdev_types', 'enabled_vgpu_types').flatMap((value) =>
      value.split(','),
    ),
  );
  const unique = [...new Set(types.map((type) => type.trim()).filter(Boolean))];
  return unique.length === 1 ? unique[0] : undefined;
}

/** The device id that Nova's default class of the server's allocations tells, when it is one. */
function onlyAllocatedId({ allocations = {} }: OpenStackNative): PciId | undefined {
  const ids = new Set(
    Object.values(allocations).flatMap(({ resources }) =>
      Object.keys(resources).flatMap((name) =>
        name.startsWith('CUSTOM_PCI_') ? (tryParsePciId(name) ?? []) : [],
      ),
    ),
  );
  return ids.size === 1 ? [...ids][0] : undefined;
}

function requestName(name: string, taken: Set<string>): string {
  const base = name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60) || 'gpu';
  let unique = base;
  for (let index = 2; taken.has(unique); index += 1) unique = `${base}-${index}`;
  taken.add(unique);
  return unique;
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
