/** Keystone's calls besides the login. Source: keystone 22, keystone/api/{services,limits,registered_limits}.py. */
import { refuse } from './failure.ts';
import type { Answer, Call } from './route.ts';
import { newUuid, type RegisteredLimit, uuidOf } from './state.ts';

export const computeService = uuidOf('service compute').replaceAll('-', '');

export function listServices({ query, url }: Call): Answer {
  const all = [
    { id: uuidOf('service identity').replaceAll('-', ''), type: 'identity', name: 'keystone' },
    { id: computeService, type: 'compute', name: 'nova' },
    { id: uuidOf('service placement').replaceAll('-', ''), type: 'placement', name: 'placement' },
    { id: uuidOf('service image').replaceAll('-', ''), type: 'image', name: 'glance' },
    { id: uuidOf('service network').replaceAll('-', ''), type: 'network', name: 'neutron' },
  ];
  const type = query.get('type');
  const services = all
    .filter((service) => type === null || service.type === type)
    .map((service) => ({ ...service, enabled: true, links: { self: `${url}/v3/services/${service.id}` } }));
  return { status: 200, body: { services, links: links(url, 'services') } };
}

function links(url: string, what: string) {
  return { next: null, self: `${url}/v3/${what}`, previous: null };
}

function shown(url: string, limit: RegisteredLimit) {
  return { ...limit, links: { self: `${url}/v3/registered_limits/${limit.id}` } };
}

export function listLimits({ state, query, url }: Call): Answer {
  const found = state.registeredLimits.filter((limit) =>
    (['service_id', 'region_id', 'resource_name'] as const).every(
      (key) => query.get(key) === null || limit[key] === query.get(key),
    ),
  );
  return {
    status: 200,
    body: {
      registered_limits: found.map((limit) => shown(url, limit)),
      links: links(url, 'registered_limits'),
    },
  };
}

export function createLimits({ state, body, url }: Call): Answer {
  const { registered_limits } = (body ?? {}) as { registered_limits?: unknown };
  if (!Array.isArray(registered_limits)) throw refuse(400, "'registered_limits' is a required property");
  if (registered_limits.length === 0) throw refuse(400, '[] is too short');
  const made = (registered_limits as readonly Partial<RegisteredLimit>[]).map((wanted) => {
    for (const key of ['service_id', 'resource_name', 'default_limit'] as const) {
      if (wanted[key] === undefined) throw refuse(400, `'${key}' is a required property`);
    }
    if (typeof wanted.default_limit !== 'number' || wanted.default_limit < -1) {
      throw refuse(
        400,
        `Invalid input for field 'default_limit': ${String(wanted.default_limit)} is less than the minimum of -1`,
      );
    }
    if (wanted.service_id !== computeService) {
      throw refuse(400, `Could not find service: ${wanted.service_id}.`);
    }
    const limit: RegisteredLimit = {
      id: newUuid(state).replaceAll('-', ''),
      service_id: computeService,
      region_id: wanted.region_id ?? null,
      resource_name: String(wanted.resource_name),
      default_limit: wanted.default_limit,
      description: null,
    };
    const same = state.registeredLimits.some(
      (one) => one.resource_name === limit.resource_name && one.region_id === limit.region_id,
    );
    if (same) throw refuse(409, 'Conflict occurred attempting to store registered_limit - Duplicate entry.');
    return limit;
  });
  state.registeredLimits = [...state.registeredLimits, ...made];
  return { status: 201, body: { registered_limits: made.map((limit) => shown(url, limit)) } };
}

function find({ state, path: { id = '' } }: Call): RegisteredLimit {
  const found = state.registeredLimits.find((limit) => limit.id === id);
  if (found) return found;
  throw refuse(404, `Could not find registered limit for ${id}.`);
}

export function updateLimit(call: Call): Answer {
  const { state, body, url } = call;
  const old = find(call);
  const { registered_limit: wanted = {} } = (body ?? {}) as { registered_limit?: Partial<RegisteredLimit> };
  const limit = { ...old, default_limit: wanted.default_limit ?? old.default_limit };
  state.registeredLimits = state.registeredLimits.map((one) => (one.id === old.id ? limit : one));
  return { status: 200, body: { registered_limit: shown(url, limit) } };
}

export function deleteLimit(call: Call): Answer {
  const { id } = find(call);
  call.state.registeredLimits = call.state.registeredLimits.filter((limit) => limit.id !== id);
  return { status: 204 };
}
