/** Neutron and Cinder, as far as a GPU server needs them. Source: neutron 21, Networking API v2.0; cinder 21, API v3. */
import { refuse } from './failure.ts';
import type { Answer, Call } from './route.ts';
import { uuidOf } from './state.ts';

/** Only the fields that the query asks for. */
function chosen(item: Readonly<Record<string, unknown>>, query: URLSearchParams) {
  const fields = query.getAll('fields');
  return fields.length === 0
    ? item
    : Object.fromEntries(Object.entries(item).filter(([key]) => fields.includes(key)));
}

export function listNetworks({ state, query }: Call): Answer {
  const name = query.get('name');
  const networks = state.scenario.networks
    .filter((network) => name === null || network.name === name)
    .map(({ id, name: own }) =>
      chosen({ id, name: own, status: 'ACTIVE', admin_state_up: true, shared: true, subnets: [] }, query),
    );
  return { status: 200, body: { networks } };
}

/** Nova makes a port for each network of a server, and takes it away with the server. */
export function listPorts({ state, query }: Call): Answer {
  const device = query.get('device_id');
  const ports = state.servers
    .filter(({ id, host }) => host !== null && (device === null || id === device))
    .flatMap(({ id, networks }) =>
      networks.map((network) =>
        chosen(
          { id: uuidOf(`port ${id} ${network}`), device_id: id, network_id: network, status: 'ACTIVE' },
          query,
        ),
      ),
    );
  return { status: 200, body: { ports } };
}

export function deleteVolume({ state, path: { id = '' } }: Call): Answer {
  const found = state.volumes.find((volume) => volume.id === id);
  if (!found) throw refuse(404, `Volume ${id} could not be found.`);
  if (found.server !== null) {
    throw refuse(
      400,
      'Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.',
    );
  }
  state.volumes = state.volumes.filter((volume) => volume.id !== id);
  return { status: 202 };
}
