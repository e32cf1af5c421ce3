import type { Json } from './body.ts';
import { hasRole } from './policy.ts';
import type { Call } from './route.ts';
import { type ServerRecord, timeText, uuidOf } from './state.ts';

/** As libvirt numbers them. Source: nova 26, nova/compute/power_state.py. */
const powerStates: Readonly<Partial<Record<ServerRecord['status'], number>>> = { ACTIVE: 1, SHUTOFF: 4 };

/** Source: nova 26, views/servers.py. */
export function shownServer(call: Call, server: ServerRecord, single: boolean) {
  const { version, url, token, state } = call;
  const { flavor, host } = server;
  const links = (path: string) => [{ rel: 'bookmark', href: `${url}/${path}` }];
  const embedded =
    version >= 20_047
      ? {
          vcpus: flavor.vcpus,
          ram: flavor.ram,
          disk: flavor.disk,
          ephemeral: flavor.ephemeral,
          swap: flavor.swap,
          original_name: flavor.name,
          extra_specs: flavor.extraSpecs,
        }
      : { id: flavor.id, links: links(`flavors/${flavor.id}`) };
  const started = server.launched === null ? null : timeText(server.launched).replace('Z', '.000000');
  const attached = state.volumes.filter((volume) => volume.server === server.id);
  return {
    id: server.id,
    name: server.name,
    status: server.status,
    tenant_id: server.project,
    user_id: server.user,
    metadata: server.metadata,
    hostId: host === null ? '' : uuidOf(`${server.project} ${host}`).replaceAll('-', ''),
    image: server.imageId === null ? '' : { id: server.imageId, links: links(`images/${server.imageId}`) },
    flavor: embedded,
    created: timeText(server.created),
    updated: timeText(server.launched ?? server.created),
    addresses: addressesOf(call, server),
    accessIPv4: '',
    accessIPv6: '',
    links: [{ rel: 'self', href: `${url}/v2.1/servers/${server.id}` }, ...links(`servers/${server.id}`)],
    'OS-DCF:diskConfig': 'MANUAL',
    ...(server.fault && server.status === 'ERROR'
      ? {
          fault: {
            code: server.fault.code,
            created: timeText(server.fault.created),
            message: server.fault.message,
            ...(hasRole(token, 'admin') ? { details: server.actions[0]?.events[0]?.details ?? '' } : {}),
          },
        }
      : {}),
    ...(['ACTIVE', 'BUILD', 'RESIZE', 'VERIFY_RESIZE'].includes(server.status) ? { progress: 0 } : {}),
    'OS-EXT-AZ:availability_zone': host === null ? (server.zone ?? '') : 'nova',
    config_drive: '',
    key_name: null,
    'OS-SRV-USG:launched_at': started,
    'OS-SRV-USG:terminated_at': null,
    ...(hasRole(token, 'admin')
      ? {
          'OS-EXT-SRV-ATTR:host': host,
          'OS-EXT-SRV-ATTR:instance_name': `instance-${server.id.slice(0, 8)}`,
          'OS-EXT-SRV-ATTR:hypervisor_hostname': host,
          ...(version >= 20_003
            ? {
                'OS-EXT-SRV-ATTR:hostname': server.name,
                'OS-EXT-SRV-ATTR:root_device_name': '/dev/vda',
                ...(single ? { 'OS-EXT-SRV-ATTR:user_data': server.userData } : {}),
              }
            : {}),
        }
      : {}),
    'OS-EXT-STS:task_state': server.task,
    'OS-EXT-STS:vm_state': vmState(server),
    'OS-EXT-STS:power_state': powerStates[server.status] ?? 0,
    'os-extended-volumes:volumes_attached': attached.map(({ id }) => ({ id, delete_on_termination: false })),
    ...(version >= 20_019 ? { description: server.description } : {}),
    ...(version >= 20_009 ? { locked: false } : {}),
    ...(version >= 20_026 ? { tags: [] } : {}),
  };
}

function vmState({ status, old }: ServerRecord): string {
  const states: Readonly<Record<string, string>> = {
    BUILD: 'building',
    ERROR: 'error',
    SHUTOFF: 'stopped',
    VERIFY_RESIZE: 'resized',
    REVERT_RESIZE: 'resized',
  };
  return states[status] ?? (old?.wasActive === false ? 'stopped' : 'active');
}

function addressesOf({ state }: Call, server: ServerRecord): Json {
  if (server.launched === null) return {};
  return Object.fromEntries(
    server.networks.map((id, index) => {
      const name = state.scenario.networks.find((network) => network.id === id)?.name ?? id;
      const addr = `10.0.${index}.${(Number.parseInt(server.id.slice(0, 2), 16) % 250) + 2}`;
      return [name, [{ version: 4, addr, 'OS-EXT-IPS:type': 'fixed' }]];
    }),
  );
}
