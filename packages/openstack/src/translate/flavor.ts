import { type Diagnostic, parseBytes, stableJson, toGiB, toMiB } from '@vmgpu/core';
import { note, type PlanContext } from './context.ts';
import { slug } from './names.ts';
import type { NovaFlavor } from './snapshot.ts';

/** The body of `POST /flavors`, and its extra specs, which Nova takes in further calls. */
export interface FlavorState {
  readonly flavor: {
    readonly id: string;
    readonly name: string;
    readonly vcpus: number;
    /** MiB */
    readonly ram: number;
    /** GiB */
    readonly disk: number;
    readonly swap?: number;
    readonly 'OS-FLV-EXT-DATA:ephemeral'?: number;
    readonly 'os-flavor-access:is_public'?: boolean;
    readonly description?: string;
  };
  readonly extraSpecs: Readonly<Record<string, string>>;
}

/** The flavor of a VM that is described in full; undefined, with a `blocked` diagnostic, when a number is missing. */
export function flavorOf(
  context: PlanContext,
  specs: Readonly<Record<string, string>>,
  base?: NovaFlavor,
): FlavorState | undefined {
  const { spec, metadata } = context.intent;
  const own = context.options.flavor ?? {};
  const vcpus = own.vcpus ?? spec.cpu?.cores ?? base?.vcpus;
  const ram = own.ram ?? (spec.memory === undefined ? base?.ram : memory(context, spec.memory));
  if (vcpus === undefined || ram === undefined) {
    const path = vcpus === undefined ? 'spec.cpu.cores' : 'spec.memory';
    note(context, 'blocked', 'flavor-incomplete', path, 'a flavor needs CPUs and memory', `Say ${path}.`);
    return undefined;
  }
  const root = rootDisk(context);
  const disk = own.disk ?? (root?.size === undefined ? base?.disk : diskSize(context, root.size)) ?? 0;
  if (own.disk === undefined && root?.size === undefined && base === undefined && !hasRootVolume(context)) {
    note(
      context,
      'approximated',
      'disk-from-image',
      'spec.disks',
      'no size of the root disk is given: the flavor says 0, which takes the image’s, and by default only administrators may boot it',
      'Give the first disk a size.',
    );
  }
  const body = {
    vcpus,
    ram,
    disk,
    ...optionalFields(own, base),
  };
  const name = own.name ?? `vmgpu-${slug(metadata.name)}-${contentHash({ ...body, specs })}`;
  const known = context.snapshot.flavors?.find((flavor) => flavor.name === name);
  if (known && (known.vcpus !== vcpus || known.ram !== ram || known.disk !== disk)) {
    note(
      context,
      'blocked',
      'flavor-differs',
      'spec.providerOptions.openstack.flavor.name',
      `a flavor ${name} exists with other CPUs, memory or disk, and a flavor cannot change them`,
      'Choose another name.',
    );
  }
  return { flavor: { id: known?.id ?? flavorId(name), name, ...body }, extraSpecs: specs };
}

function optionalFields(own: NonNullable<PlanContext['options']['flavor']>, base: NovaFlavor | undefined) {
  const swap = own.swap ?? (Number(base?.swap ?? 0) || undefined);
  const ephemeral = own.ephemeral ?? (base?.ephemeral || base?.['OS-FLV-EXT-DATA:ephemeral'] || undefined);
  return {
    ...(swap === undefined ? {} : { swap }),
    ...(ephemeral === undefined ? {} : { 'OS-FLV-EXT-DATA:ephemeral': ephemeral }),
    ...(own.public === undefined ? {} : { 'os-flavor-access:is_public': own.public }),
    ...(own.description === undefined ? {} : { description: own.description }),
  };
}

/** Nova's own rule for flavor ids, applied to the name: letters, digits, `.`, `_`, `-`. */
export function flavorId(name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 255);
}

/** The name vmgpu would give a flavor of this content. */
export function contentHash(content: unknown): string {
  let hash = 0x811c9dc5;
  for (const char of stableJson(content))
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

export function rootDisk({ intent }: Pick<PlanContext, 'intent'>) {
  const disks = intent.spec.disks ?? [];
  return disks.find(({ image }) => image !== undefined) ?? disks[0];
}

export function hasRootVolume({ options }: PlanContext): boolean {
  const mapping = options.server?.block_device_mapping_v2;
  return (
    Array.isArray(mapping) && mapping.some((item: { boot_index?: unknown }) => Number(item.boot_index) === 0)
  );
}

function memory(context: PlanContext, text: string): number {
  const bytes = parseBytes(text);
  if (bytes % 2 ** 20 !== 0) rounded(context, 'spec.memory', 'MiB');
  return toMiB(bytes);
}

function diskSize(context: PlanContext, text: string): number {
  const bytes = parseBytes(text);
  if (bytes % 2 ** 30 !== 0) rounded(context, 'spec.disks', 'GiB');
  return toGiB(bytes);
}

export function rounded(context: { diagnostics: Diagnostic[] }, path: string, unit: string): void {
  note(context, 'approximated', 'rounded-up', path, `Nova counts whole ${unit}; the amount is rounded up`);
}
