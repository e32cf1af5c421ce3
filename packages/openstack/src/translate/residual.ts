import { type GpuVm, sameJson } from '@vmgpu/core';
import { askInputs } from './ask.ts';
import { planContext } from './context.ts';
import { extraSpecs } from './extra-spec-keys.ts';
import { contentHash, type FlavorState } from './flavor.ts';
import { imageProperties } from './image.ts';
import { slug } from './names.ts';
import type { OpenStackOptions } from './options.ts';
import { askPassthrough } from './passthrough.ts';
import type { GlanceImage, NovaFlavor, OpenStackNative, OpenStackSnapshot } from './snapshot.ts';
import { askVgpu } from './vgpu.ts';

/** Fields of a server that `POST /servers` takes by the same name. */
const kept = ['key_name', 'config_drive', 'tags', 'description', 'hostname', 'OS-DCF:diskConfig'] as const;

/** Image properties that concern the guest's hardware, kept when the intent has no word for them. */
const hardware = /^(hw_|img_hide|os_secure_boot|trait:)/;

/** What planning this intent again would not say, or say otherwise. */
export function residual(
  intent: GpuVm,
  snapshot: OpenStackSnapshot,
  native: OpenStackNative,
  flavor: NovaFlavor,
  image: GlanceImage | undefined,
): OpenStackOptions {
  const context = planContext(intent, snapshot, {});
  const asked = askInputs(context).map((input) => ({
    input,
    asks: input.request.mode === 'passthrough' ? askPassthrough(context, input) : askVgpu(context, input),
  }));
  const actual = flavor.extra_specs ?? {};
  const differing = overrides(extraSpecs(context, asked), actual);
  // Extra specs of the user's own can make a derived one needless: planning with them is what must come out right.
  const flavorOptions = { ...context.options.flavor, extraSpecs: differing };
  const withOwn = { ...context, options: { ...context.options, flavor: flavorOptions } };
  const specs = { ...differing, ...overrides(extraSpecs(withOwn, asked), actual) };
  const properties = imageProperties(context);
  const onImage = Object.entries(image ?? {}).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && (hardware.test(entry[0]) || entry[0] in properties),
  );
  const foreign = overrides(properties, Object.fromEntries(onImage));
  const own: NonNullable<OpenStackOptions['flavor']> = {
    ...flavorFields(intent, flavor),
    ...(Object.keys(specs).length > 0 ? { extraSpecs: specs } : {}),
  };
  const server = serverFields(native, intent);
  const hints = native.server.scheduler_hints as Record<string, unknown> | undefined;
  return {
    ...(Object.keys(own).length > 0 ? { flavor: own } : {}),
    ...(Object.keys(foreign).length > 0 ? { image: { properties: foreign } } : {}),
    ...(Object.keys(server).length > 0 ? { server } : {}),
    ...(hints !== undefined && Object.keys(hints).length > 0 ? { schedulerHints: hints } : {}),
  };
}

function overrides(
  derived: Readonly<Record<string, string>>,
  actual: Readonly<Record<string, string>>,
): Readonly<Record<string, string | null>> {
  const keys = [...new Set([...Object.keys(derived), ...Object.keys(actual)])].sort();
  return Object.fromEntries(
    keys.flatMap((key) => (derived[key] === actual[key] ? [] : [[key, actual[key] ?? null] as const])),
  );
}

/** The flavor's name and extra disks; a name that planning would give it anyway is left out. */
function flavorFields(intent: GpuVm, flavor: NovaFlavor): NonNullable<OpenStackOptions['flavor']> {
  const name = flavor.original_name ?? flavor.name;
  const ephemeral = flavor.ephemeral ?? flavor['OS-FLV-EXT-DATA:ephemeral'];
  const swap = Number(flavor.swap ?? 0);
  const extras = {
    ...(swap > 0 ? { swap } : {}),
    ...(ephemeral ? { 'OS-FLV-EXT-DATA:ephemeral': ephemeral } : {}),
  };
  const { vcpus, ram, disk } = flavor;
  const content: Omit<FlavorState['flavor'], 'id' | 'name'> = { vcpus, ram, disk, ...extras };
  const derived = `vmgpu-${slug(intent.metadata.name)}-${contentHash({ ...content, specs: flavor.extra_specs ?? {} })}`;
  return {
    ...(name === undefined || name === derived ? {} : { name }),
    ...(swap > 0 ? { swap } : {}),
    ...(ephemeral ? { ephemeral } : {}),
  };
}

function serverFields({ server }: OpenStackNative, intent: GpuVm): Readonly<Record<string, unknown>> {
  // From 2.96 on Nova tells the zone that was asked for; before, the default zone's name is not worth asking for.
  const zone =
    'pinned_availability_zone' in server
      ? server.pinned_availability_zone
      : server['OS-EXT-AZ:availability_zone'];
  const groups = server.security_groups;
  const volumes = server['os-extended-volumes:volumes_attached'];
  const attached = Array.isArray(volumes)
    ? volumes.map((volume: { id: string; delete_on_termination?: boolean }, index) => ({
        boot_index: intent.spec.disks?.[0]?.image === undefined && index === 0 ? 0 : -1,
        uuid: volume.id,
        source_type: 'volume',
        destination_type: 'volume',
        delete_on_termination: volume.delete_on_termination ?? false,
      }))
    : [];
  const plain = Object.fromEntries(
    kept.flatMap((key) => {
      const value = server[key];
      // MANUAL is what Nova does when nothing is said.
      const unsaid = [undefined, null, '', 'MANUAL'].includes(value as string | null | undefined);
      const empty = unsaid || sameJson(value, []);
      return empty ? [] : [[key, key === 'config_drive' ? value === true || value === 'True' : value]];
    }),
  );
  const ownName = vmName(server.name) === server.name ? {} : { name: server.name };
  return {
    ...ownName,
    ...plain,
    ...(typeof zone === 'string' && zone !== '' && zone !== 'nova' ? { availability_zone: zone } : {}),
    ...(Array.isArray(groups) && groups.length > 0 && !sameJson(groups, [{ name: 'default' }])
      ? { security_groups: groups }
      : {}),
    ...(attached.length > 0 ? { block_device_mapping_v2: attached } : {}),
  };
}

/** A DNS label from a server's name, which may be any text. */
export function vmName(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .slice(0, 63)
      .replace(/^-+|-+$/g, '') || 'server'
  );
}
