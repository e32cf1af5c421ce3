import { type Fields, nextQuery, objectIn, pageOf } from './body.ts';
import { checkExtraSpecs } from './extra-specs.ts';
import { refuse } from './failure.ts';
import { hasRole } from './policy.ts';
import type { Answer, Call } from './route.ts';
import type { FlavorRecord } from './scenario.ts';
import { newUuid } from './state.ts';

/** As Nova's API shows a flavor at the microversion asked for. Source: nova 26, views/flavors.py. */
function shown(call: Call, flavor: FlavorRecord) {
  const { version, url } = call;
  return {
    id: flavor.id,
    name: flavor.name,
    ram: flavor.ram,
    disk: flavor.disk,
    swap: flavor.swap || (version >= 20_075 ? 0 : ''),
    'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeral,
    'OS-FLV-DISABLED:disabled': false,
    vcpus: flavor.vcpus,
    'os-flavor-access:is_public': flavor.isPublic,
    rxtx_factor: 1.0,
    links: [
      { rel: 'self', href: `${url}/v2.1/flavors/${flavor.id}` },
      { rel: 'bookmark', href: `${url}/flavors/${flavor.id}` },
    ],
    ...(version >= 20_055 ? { description: flavor.description } : {}),
    ...(version >= 20_061 ? { extra_specs: flavor.extraSpecs } : {}),
  };
}

/** Private flavors are for those that were given access, which nobody can be here: administrators see them. */
function visible({ state, token }: Call): readonly FlavorRecord[] {
  return state.flavors.filter(({ isPublic }) => isPublic || hasRole(token, 'admin'));
}

export function findFlavor(call: Call, id: string): FlavorRecord {
  const found = visible(call).find((flavor) => flavor.id === id);
  if (found) return found;
  throw refuse(404, `Flavor ${id} could not be found.`);
}

/** A flavor that the body of a request names: unknown is a bad request, not a missing page. */
export function flavorFor(call: Call, id: string): FlavorRecord {
  const found = visible(call).find((flavor) => flavor.id === id);
  if (found) return found;
  throw refuse(400, `Flavor ${id} could not be found.`);
}

export function listFlavors(call: Call): Answer {
  const { query, url } = call;
  // By default Nova sorts by id, as text.
  const all = [...visible(call)].sort((a, b) => (a.id < b.id ? -1 : 1));
  const wanted = query.get('is_public');
  const listed = all.filter(({ isPublic }) =>
    wanted === null ? isPublic : wanted === 'None' ? true : String(isPublic) === wanted.toLowerCase(),
  );
  const { page, more } = pageOf(listed, query, 1000, (marker) => refuse(400, `marker [${marker}] not found`));
  const last = page.at(-1);
  const next = more && last ? `${url}/v2.1/flavors/detail?${nextQuery(query, last.id)}` : undefined;
  return {
    status: 200,
    body: {
      flavors: page.map((flavor) => shown(call, flavor)),
      ...(next ? { flavors_links: [{ rel: 'next', href: next }] } : {}),
    },
  };
}

export function getFlavor(call: Call): Answer {
  return { status: 200, body: { flavor: shown(call, findFlavor(call, call.path.id ?? '')) } };
}

const fields: Fields = {
  name: { type: ['string'], required: true, pattern: /^(?! ).+(?<! )$/, maxLength: 255 },
  id: { type: ['string', 'integer', 'null'], pattern: /^(?! )[a-zA-Z0-9. _-]+(?<! )$/, maxLength: 255 },
  ram: { type: ['integer'], required: true, min: 1 },
  vcpus: { type: ['integer'], required: true, min: 1 },
  disk: { type: ['integer'], required: true, min: 0 },
  'OS-FLV-EXT-DATA:ephemeral': { type: ['integer'], min: 0 },
  swap: { type: ['integer'], min: 0 },
  rxtx_factor: { type: ['integer', 'string'] },
  'os-flavor-access:is_public': { type: ['boolean'] },
};

/** Source: nova 26, flavor_manage.py and schemas/flavor_manage.py. */
export function createFlavor(call: Call): Answer {
  const { state, body, version } = call;
  const allowed =
    version >= 20_055
      ? { ...fields, description: { type: ['string', 'null'], maxLength: 65_535 } as const }
      : fields;
  const wanted = objectIn(body, 'flavor', allowed);
  const id =
    wanted.id === undefined || wanted.id === null || wanted.id === 'auto'
      ? newUuid(state)
      : String(wanted.id);
  const name = String(wanted.name);
  if (state.flavors.some((flavor) => flavor.name === name)) {
    throw refuse(409, `Flavor with name ${name} already exists.`);
  }
  if (state.flavors.some((flavor) => flavor.id === id)) {
    throw refuse(409, `Flavor with ID ${id} already exists.`);
  }
  const flavor: FlavorRecord = {
    id,
    name,
    vcpus: Number(wanted.vcpus),
    ram: Number(wanted.ram),
    disk: Number(wanted.disk),
    ephemeral: Number(wanted['OS-FLV-EXT-DATA:ephemeral'] ?? 0),
    swap: Number(wanted.swap ?? 0),
    isPublic: wanted['os-flavor-access:is_public'] !== false,
    description: typeof wanted.description === 'string' ? wanted.description : null,
    extraSpecs: {},
  };
  state.flavors = [...state.flavors, flavor];
  return { status: 200, body: { flavor: shown(call, flavor) } };
}

export function deleteFlavor(call: Call): Answer {
  const { id } = findFlavor(call, call.path.id ?? '');
  call.state.flavors = call.state.flavors.filter((flavor) => flavor.id !== id);
  return { status: 202 };
}

function replaceSpecs({ state }: Call, id: string, extraSpecs: Readonly<Record<string, string>>): void {
  state.flavors = state.flavors.map((flavor) => (flavor.id === id ? { ...flavor, extraSpecs } : flavor));
}

export function setExtraSpecs(call: Call): Answer {
  // The body is checked before the flavor is looked for.
  const { extra_specs } = (call.body ?? {}) as { extra_specs?: unknown };
  const added = checkExtraSpecs(extra_specs, call.version >= 20_086);
  const flavor = findFlavor(call, call.path.id ?? '');
  replaceSpecs(call, flavor.id, { ...flavor.extraSpecs, ...added });
  return { status: 200, body: { extra_specs: added } };
}

export function deleteExtraSpec(call: Call): Answer {
  const { id = '', key = '' } = call.path;
  const flavor = findFlavor(call, id);
  if (!(key in flavor.extraSpecs)) throw refuse(404, `Flavor ${id} has no extra specs with key ${key}.`);
  const { [key]: _gone, ...rest } = flavor.extraSpecs;
  replaceSpecs(call, id, rest);
  return { status: 200 };
}
