/** What Nova tells administrators of its hosts. Source: nova 26, hypervisors.py, services.py, aggregates.py. */
import { nextQuery, pageOf } from './body.ts';
import { refuse } from './failure.ts';
import { isUp } from './providers.ts';
import type { Answer, Call } from './route.ts';
import { timeText, uuidOf } from './state.ts';

export function listHypervisors(call: Call): Answer {
  const { state, query, url, version } = call;
  const all = state.hosts.map((host, index) => ({
    id: version >= 20_053 ? uuidOf(`host ${host.name}`) : String(index + 1),
    hypervisor_hostname: host.name,
    state: isUp(state, host) ? 'up' : 'down',
    status: host.status ?? 'enabled',
    hypervisor_type: 'QEMU',
    hypervisor_version: 4_002_000,
    host_ip: '127.0.0.1',
    service: { id: uuidOf(`service ${host.name}`), host: host.name, disabled_reason: null },
    servers: [],
  }));
  const { page, more } = pageOf(all, query, 1000, (marker) => refuse(400, `marker [${marker}] not found`));
  const last = page.at(-1);
  const next = more && last ? `${url}/v2.1/os-hypervisors/detail?${nextQuery(query, last.id)}` : undefined;
  return {
    status: 200,
    body: { hypervisors: page, ...(next ? { hypervisors_links: [{ rel: 'next', href: next }] } : {}) },
  };
}

export function listAggregates({ state, now }: Call): Answer {
  const aggregates = (state.scenario.aggregates ?? []).map(({ name, hosts, metadata }, index) => ({
    id: index + 1,
    name,
    hosts,
    metadata,
    availability_zone: metadata.availability_zone ?? null,
    created_at: timeText(now),
    updated_at: null,
    deleted: false,
    deleted_at: null,
  }));
  return { status: 200, body: { aggregates } };
}

export function listServices({ state, now }: Call): Answer {
  const services = state.hosts.map((host) => ({
    id: uuidOf(`service ${host.name}`),
    binary: 'nova-compute',
    host: host.name,
    zone: 'nova',
    status: host.status ?? 'enabled',
    state: isUp(state, host) ? 'up' : 'down',
    updated_at: timeText(now),
    disabled_reason: null,
    forced_down: false,
  }));
  return { status: 200, body: { services } };
}
