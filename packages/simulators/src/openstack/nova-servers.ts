import { type Fields, invalid, type Json, nextQuery, objectIn, pageOf } from './body.ts';
import { refuse } from './failure.ts';
import { flavorFor } from './nova-flavors.ts';
import { checkQuota } from './nova-quota.ts';
import { serverFilter } from './nova-server-query.ts';
import { shownServer } from './nova-server-view.ts';
import { pciRequests } from './pci.ts';
import { hasRole } from './policy.ts';
import type { Answer, Call } from './route.ts';
import { newUuid, type ServerRecord, uuidOf } from './state.ts';

function mine(call: Call): readonly ServerRecord[] {
  const { state, token, query } = call;
  const all = query.has('all_tenants') && hasRole(token, 'admin');
  return [...state.servers, ...state.deletedServers].filter(
    ({ project }) => all || project === token.project,
  );
}

/** The server, for its project and for administrators. */
export function findServer(call: Call, id: string): ServerRecord {
  const found = call.state.servers.find((server) => server.id === id);
  if (found && (found.project === call.token.project || hasRole(call.token, 'admin'))) return found;
  throw refuse(404, `Instance ${id} could not be found.`);
}

export function listServers(call: Call): Answer {
  const { query, url } = call;
  const listed = mine(call)
    .filter(serverFilter(call))
    .toSorted((a, b) => b.created - a.created || (a.id < b.id ? 1 : -1));
  const { page, more } = pageOf(listed, query, 1000, (marker) => refuse(400, `marker [${marker}] not found`));
  const last = page.at(-1);
  const next = more && last ? `${url}/v2.1/servers/detail?${nextQuery(query, last.id)}` : undefined;
  return {
    status: 200,
    body: {
      servers: page.map((server) => shownServer(call, server, false)),
      ...(next ? { servers_links: [{ rel: 'next', href: next }] } : {}),
    },
  };
}

export function getServer(call: Call): Answer {
  return { status: 200, body: { server: shownServer(call, findServer(call, call.path.id ?? ''), true) } };
}

const text = { type: ['string'] } as const;
const fields: Fields = {
  name: { type: ['string'], required: true, maxLength: 255, pattern: /\S/ },
  flavorRef: { type: ['string', 'integer'], required: true },
  imageRef: text,
  networks: { type: ['array', 'string'] },
  metadata: { type: ['object'] },
  user_data: { type: ['string', 'null'], maxLength: 65_535 },
  key_name: text,
  availability_zone: text,
  config_drive: { type: ['boolean', 'string'] },
  security_groups: { type: ['array'] },
  min_count: { type: ['integer'], min: 1 },
  max_count: { type: ['integer'], min: 1 },
  adminPass: text,
  block_device_mapping: { type: ['array'] },
  block_device_mapping_v2: { type: ['array'] },
  return_reservation_id: { type: ['boolean'] },
  'OS-DCF:diskConfig': text,
  accessIPv4: text,
  accessIPv6: text,
};

/** Fields that came later, by the microversion that brought them. */
const later: readonly (readonly [version: number, name: string, field: Fields[string]])[] = [
  [20_019, 'description', { type: ['string', 'null'], maxLength: 255 }],
  [20_052, 'tags', { type: ['array'] }],
  [20_063, 'trusted_image_certificates', { type: ['array', 'null'] }],
  [20_074, 'host', text],
  [20_074, 'hypervisor_hostname', text],
  [20_090, 'hostname', text],
];

/** Source: nova 26, servers.py, create; what it refuses at once, in its order. */
export function createServer(call: Call): Answer {
  const { state, body, version, token, now, times } = call;
  const added = later.filter(([since]) => version >= since).map(([, name, field]) => [name, field] as const);
  const wanted = objectIn(body, 'server', { ...fields, ...Object.fromEntries(added) });
  if (version >= 20_037 && wanted.networks === undefined) {
    throw invalid('server', wanted, "'networks' is a required property");
  }
  const networks = networksOf(call, wanted.networks);
  const mapping = (wanted.block_device_mapping_v2 ?? []) as readonly Json[];
  const root = mapping.find(({ boot_index }) => Number(boot_index) === 0);
  if (wanted.imageRef === undefined && !root) {
    throw refuse(400, 'Missing imageRef attribute');
  }
  const flavor = flavorFor(call, String(wanted.flavorRef));
  const imageId = wanted.imageRef === undefined ? null : String(wanted.imageRef);
  if (imageId !== null && !state.images.some(({ id }) => id === imageId)) {
    throw refuse(400, 'Can not find requested image');
  }
  pciRequests(state, flavor.extraSpecs);
  checkQuota(call, flavor);
  const id = newUuid(state);
  for (const { destination_type, boot_index, uuid } of mapping) {
    if (destination_type !== 'volume') continue;
    state.volumes = [
      ...state.volumes,
      { id: String(uuid ?? uuidOf(`volume ${id} ${String(boot_index)}`)), server: id },
    ];
  }
  state.servers.push({
    id,
    name: String(wanted.name).trim(),
    project: token.project ?? '',
    user: token.user,
    created: now,
    imageId,
    metadata: (wanted.metadata ?? {}) as Record<string, string>,
    networks,
    zone: wanted.availability_zone === undefined ? null : String(wanted.availability_zone),
    userData: wanted.user_data === undefined ? null : String(wanted.user_data),
    description: typeof wanted.description === 'string' ? wanted.description : null,
    flavor,
    status: 'BUILD',
    task: 'scheduling',
    host: null,
    launched: null,
    fault: null,
    old: null,
    due: { at: now + times.scheduleMs, what: 'schedule' },
    actions: [{ action: 'create', request: call.requestId, start: now, events: [] }],
  });
  const href = `${call.url}/v2.1/servers/${id}`;
  return {
    status: 202,
    headers: { location: href },
    body: {
      server: {
        id,
        links: [{ rel: 'self', href }],
        'OS-DCF:diskConfig': 'MANUAL',
        security_groups: [{ name: 'default' }],
        adminPass: `pass-${id.slice(0, 12)}`,
      },
    },
  };
}

function networksOf({ state }: Call, wanted: unknown): readonly string[] {
  if (wanted === 'none') return [];
  if (wanted === undefined || wanted === 'auto') {
    return state.scenario.networks.length === 1 ? state.scenario.networks.map(({ id }) => id) : [];
  }
  if (!Array.isArray(wanted)) {
    throw refuse(
      400,
      `Invalid input for field/attribute networks. Value: ${String(wanted)}. '${String(wanted)}' is not one of ['none', 'auto']`,
    );
  }
  return (wanted as readonly { readonly uuid?: string }[]).map(({ uuid = '' }) => {
    if (!/^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i.test(uuid)) {
      throw refuse(400, `Bad networks format: network uuid is not in proper format (${uuid})`);
    }
    if (!state.scenario.networks.some(({ id }) => id === uuid))
      throw refuse(400, `Network ${uuid} could not be found.`);
    return uuid;
  });
}

export function deleteServer(call: Call): Answer {
  const { now, times } = call;
  const server = findServer(call, call.path.id ?? '');
  if (server.task !== 'deleting' && server.status !== 'DELETED') {
    server.task = 'deleting';
    server.due = { at: now + times.deleteMs / 2, what: 'delete' };
    server.actions = [
      { action: 'delete', request: call.requestId, start: now, events: [] },
      ...server.actions,
    ];
  }
  return { status: 204 };
}
