/** Placement's calls. Source: placement 8, placement/handlers. */
import { refuse } from './failure.ts';
import {
  amountsOf,
  classNames,
  refuseUnknown,
  standardClasses,
  traitNames,
  traitsOf,
} from './placement-query.ts';
import { freeOf, type Provider, providersOf, usageOf } from './providers.ts';
import type { Answer, Call } from './route.ts';

function findProvider({ state, path: { uuid = '' } }: Call): Provider {
  const found = providersOf(state).find((one) => one.uuid === uuid);
  if (found) return found;
  throw refuse(404, `No resource provider with uuid ${uuid} found`);
}

function shown({ uuid, name, parent, root }: Provider) {
  return {
    uuid,
    name,
    generation: 1,
    parent_provider_uuid: parent,
    root_provider_uuid: root,
    links: [{ rel: 'self', href: `/resource_providers/${uuid}` }],
  };
}

export function listProviders(call: Call): Answer {
  const { state, query } = call;
  const allowed = ['name', 'uuid', 'in_tree', 'required', 'resources', 'member_of'];
  refuseUnknown(query, (key) => allowed.includes(key));
  const name = query.get('name');
  const tree = query.get('in_tree');
  const resources = query.get('resources');
  const amounts = resources === null ? {} : amountsOf(state, resources);
  const { required, forbidden } = traitsOf(state, query.get('required') ?? '');
  const all = providersOf(state);
  const root = all.find(({ uuid }) => uuid === tree)?.root;
  const found = all.filter(
    (provider) =>
      (name === null || provider.name === name) &&
      (tree === null || provider.root === root) &&
      Object.entries(amounts).every(
        ([key, amount]) =>
          freeOf(state, provider, key) >= amount && (provider.inventories[key]?.max_unit ?? 0) >= amount,
      ) &&
      required.every((trait) => provider.traits.includes(trait)) &&
      !forbidden.some((trait) => provider.traits.includes(trait)),
  );
  return { status: 200, body: { resource_providers: found.map(shown) } };
}

export const getProvider = (call: Call): Answer => ({ status: 200, body: shown(findProvider(call)) });

export const getInventories = (call: Call): Answer => ({
  status: 200,
  body: { resource_provider_generation: 1, inventories: findProvider(call).inventories },
});

export const getUsages = (call: Call): Answer => ({
  status: 200,
  body: { resource_provider_generation: 1, usages: usageOf(call.state, findProvider(call)) },
});

export const getTraits = (call: Call): Answer => ({
  status: 200,
  body: { resource_provider_generation: 1, traits: findProvider(call).traits },
});

export function listTraits({ state, query }: Call): Answer {
  const filter = query.get('name');
  if (filter !== null && !/^(in|startswith):/.test(filter)) {
    throw refuse(
      400,
      `Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: "${filter}"`,
    );
  }
  const prefix = /^startswith:(.*)$/.exec(filter ?? '')?.[1];
  const names = /^in:(.*)$/.exec(filter ?? '')?.[1]?.split(',');
  const traits = traitNames(state).filter(
    (name) =>
      (prefix === undefined || name.startsWith(prefix)) && (names === undefined || names.includes(name)),
  );
  return { status: 200, body: { traits } };
}

export function getTrait({ state, path: { name = '' } }: Call): Answer {
  if (traitNames(state).includes(name)) return { status: 204 };
  throw refuse(404, `No such trait(s): ${name}.`);
}

export function putTrait({ state, path: { name = '' }, url }: Call): Answer {
  if (!/^CUSTOM_[A-Z0-9_]+$/.test(name) || name.length > 255) {
    throw refuse(
      400,
      'The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"',
    );
  }
  const there = traitNames(state).includes(name);
  if (!state.traits.includes(name)) state.traits = [...state.traits, name];
  return { status: there ? 204 : 201, headers: { location: `${url}/traits/${name}` } };
}

export function deleteTrait({ state, path: { name = '' } }: Call): Answer {
  if (!traitNames(state).includes(name)) throw refuse(404, `No such trait(s): ${name}.`);
  if (!name.startsWith('CUSTOM_')) throw refuse(400, `Cannot delete standard trait ${name}.`);
  if (providersOf(state).some(({ traits }) => traits.includes(name))) {
    throw refuse(409, `The trait ${name} is in use by a resource provider.`);
  }
  state.traits = state.traits.filter((one) => one !== name);
  return { status: 204 };
}

export function listClasses({ state }: Call): Answer {
  const resource_classes = classNames(state).map((name) => ({
    name,
    links: [{ rel: 'self', href: `/resource_classes/${name}` }],
  }));
  return { status: 200, body: { resource_classes } };
}

export function getClass({ state, path: { name = '' } }: Call): Answer {
  if (!classNames(state).includes(name)) {
    throw refuse(404, `No such resource class ${name}.`);
  }
  return { status: 200, body: { name, links: [{ rel: 'self', href: `/resource_classes/${name}` }] } };
}

export function putClass({ state, path: { name = '' }, version, url }: Call): Answer {
  if (version < 10_007) throw refuse(400, 'JSON does not validate');
  if (!/^CUSTOM_[A-Z0-9_]+$/.test(name) || name.length > 255) {
    throw refuse(
      400,
      `JSON does not validate: '${name}' does not match '^CUSTOM_[A-Z0-9_]+$'  Failed validating 'pattern' in schema['properties']['name']:     {'maxLength': 255, 'pattern': '^CUSTOM_[A-Z0-9_]+$', 'type': 'string'}  On instance['name']:     '${name}'`,
    );
  }
  const there = classNames(state).includes(name);
  if (!state.resourceClasses.includes(name)) state.resourceClasses = [...state.resourceClasses, name];
  return { status: there ? 204 : 201, headers: { location: `${url}/resource_classes/${name}` } };
}

export function deleteClass({ state, path: { name = '' } }: Call): Answer {
  if (!classNames(state).includes(name)) {
    throw refuse(404, `No such resource class ${name}.`);
  }
  if (standardClasses.includes(name)) {
    throw refuse(400, `Error in delete resource class: Cannot delete standard resource class ${name}.`);
  }
  if (providersOf(state).some(({ inventories }) => name in inventories)) {
    throw refuse(
      409,
      `Error in delete resource class: Cannot delete resource class ${name}. Class is in use in inventory.`,
    );
  }
  state.resourceClasses = state.resourceClasses.filter((one) => one !== name);
  return { status: 204 };
}

export function getAllocations({ state, path: { consumer = '' }, version }: Call): Answer {
  const held = state.allocations[consumer];
  const server = state.servers.find(({ id }) => id === consumer);
  const providers = providersOf(state);
  const allocations = Object.fromEntries(
    Object.entries(held ?? {}).flatMap(([name, resources]) => {
      const found = providers.find((one) => one.name === name);
      return found ? [[found.uuid, { generation: 1, resources }]] : [];
    }),
  );
  if (!held) return { status: 200, body: { allocations: {} } };
  return {
    status: 200,
    body: {
      allocations,
      ...(version >= 10_012 ? { project_id: server?.project ?? null, user_id: server?.user ?? null } : {}),
      ...(version >= 10_028 ? { consumer_generation: 1 } : {}),
    },
  };
}
