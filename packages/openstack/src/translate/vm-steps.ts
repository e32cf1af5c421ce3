import { isAttachment, type Step, sameJson } from '@vmgpu/core';
import { note, type PlanContext } from './context.ts';
import { annotation } from './extra-spec-keys.ts';
import { type FlavorState, flavorOf } from './flavor.ts';
import { imageOf, imageProperties, noteNoImage } from './image.ts';
import { idOf } from './names.ts';
import { serverState } from './server.ts';
import type { NovaFlavor, NovaServer } from './snapshot.ts';

export function newVm(context: PlanContext, specs: Readonly<Record<string, string>>): readonly Step[] {
  const state = flavorOf(context, specs);
  const attachment = isAttachment(context.intent);
  const image = imageSteps(context);
  if (state === undefined) return image;
  const flavor = flavorStep(context, state);
  if (attachment) return [...image, flavor];
  const server = serverState(context, state.flavor.id);
  const needs = [...image.map(({ id }) => id), flavor.id];
  const { name } = context.intent.metadata;
  return [
    ...image,
    flavor,
    {
      id: `server/${name}`,
      kind: 'openstack.server',
      target: { type: 'server', name },
      ...beforeServer(context, name),
      after: server,
      scope: 'vm',
      risk: 'none',
      reversible: true,
      summary: `create the server ${name} with flavor ${state.flavor.name}`,
      needs,
    },
  ];
}

function beforeServer({ snapshot }: PlanContext, name: string): { before?: unknown } {
  if (snapshot.servers === undefined) return {};
  return { before: snapshot.servers.find((server) => server.name === name) ?? null };
}

/** Nova attaches no GPU to a running server: the way is a flavor of its own, and a resize. */
export function existingVm(
  context: PlanContext,
  specs: Readonly<Record<string, string>>,
  ref: string,
): readonly Step[] {
  const server = context.snapshot.servers?.find(({ id, name }) => id === ref || name === ref);
  const current = server && embeddedFlavor(context, server);
  if (server === undefined || current === undefined) {
    note(
      context,
      'blocked',
      'server-unknown',
      'metadata.name',
      `the server ${ref} is not in the snapshot, and a resize needs its present flavor`,
      'Plan against the cloud (--connection), or with a snapshot that has the server.',
    );
    return [];
  }
  if (current.extra_specs === undefined) {
    note(
      context,
      'blocked',
      'extra-specs-hidden',
      'metadata.name',
      `the extra specs of ${ref}'s flavor are not shown to this login, and a resize would lose them`,
      'The login needs os_compute_api:os-flavor-extra-specs:index.',
    );
    return [];
  }
  if (!isAttachment(context.intent)) {
    for (const field of ['disks', 'networks', 'userData', 'machine', 'guestOs'] as const) {
      if (context.intent.spec[field] === undefined) continue;
      note(
        context,
        'unsupported',
        'not-by-resize',
        `spec.${field}`,
        'a resize changes CPUs, memory, disk size and GPUs only',
      );
    }
  }
  const state = flavorOf(context, sorted({ ...withoutGpus(current.extra_specs), ...specs }), current);
  if (state === undefined) return [];
  const sameFlavor =
    sameJson(state.extraSpecs, current.extra_specs) &&
    (['vcpus', 'ram', 'disk'] as const).every((field) => state.flavor[field] === current[field]);
  if (sameFlavor) return [];
  const flavor = flavorStep(context, state);
  return [
    flavor,
    {
      id: `resize/${ref}`,
      kind: 'openstack.resize',
      target: { type: 'server', name: ref },
      before: { flavor: current.original_name ?? current.name },
      after: { server: server.id ?? idOf('server', ref), flavorRef: state.flavor.id },
      scope: 'vm',
      risk: 'vm-restart',
      reversible: true,
      summary: `resize ${ref} to flavor ${state.flavor.name}: the server is stopped and started, perhaps on another host`,
      needs: [flavor.id],
    },
  ];
}

function embeddedFlavor({ snapshot }: PlanContext, { flavor }: NovaServer): NovaFlavor {
  const name = flavor.original_name ?? flavor.name;
  if (flavor.extra_specs) return flavor;
  const known = snapshot.flavors?.find((other) => other.name === name);
  // Nova leaves them out of both for a login that may not see them.
  const { extra_specs } = known ?? { extra_specs: {} };
  return extra_specs ? { ...flavor, extra_specs } : flavor;
}

/** Extra specs of a flavor without those that ask for GPUs. */
function withoutGpus(specs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const gpu =
    /^(pci_passthrough:alias|resources[^:]*:(VGPU|PGPU|CUSTOM_.*)|group_policy|hw:pci_numa_affinity_policy)$/;
  return Object.fromEntries(
    Object.entries(specs).filter(([key]) => !gpu.test(key) && !key.startsWith(annotation)),
  );
}

function sorted(specs: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(specs).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function flavorStep({ snapshot }: PlanContext, state: FlavorState): Step {
  const { name } = state.flavor;
  const known = snapshot.flavors?.find((flavor) => flavor.name === name);
  return {
    id: `flavor/${name}`,
    kind: 'openstack.flavor',
    target: { type: 'flavor', name },
    ...(snapshot.flavors === undefined ? {} : { before: known ?? null }),
    after: state,
    scope: 'platform',
    risk: 'none',
    reversible: true,
    summary: `make the flavor ${name} with ${Object.keys(state.extraSpecs).length} extra specs`,
  };
}

function imageSteps(context: PlanContext): readonly Step[] {
  const properties = imageProperties(context);
  const count = Object.keys(properties).length;
  if (count === 0) return [];
  const image = imageOf(context);
  if (image === undefined) {
    noteNoImage(context, properties);
    return [];
  }
  const before =
    image.known &&
    Object.fromEntries(Object.keys(properties).map((key) => [key, image.known?.[key] ?? null]));
  return [
    {
      id: `image/${image.name}`,
      kind: 'openstack.image-properties',
      target: { type: 'image', name: image.name },
      ...(before === undefined ? {} : { before: { properties: before } }),
      after: { image: image.ref, properties },
      scope: 'platform',
      risk: 'none',
      reversible: true,
      summary: `set ${count} ${count === 1 ? 'property' : 'properties'} of the image ${image.name}, for every server made from it`,
    },
  ];
}
