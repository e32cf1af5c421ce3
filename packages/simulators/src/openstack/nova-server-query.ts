/** The filters of `GET /servers/detail`. Source: nova 26, api/openstack/compute/schemas/servers.py, db/main/api.py. */
import { refuse } from './failure.ts';
import type { Call } from './route.ts';
import type { ServerRecord } from './state.ts';

const known =
  /^(_.*|name|status|vm_state|limit|marker|sort_key|sort_dir|changes-since|changes-before|all_tenants|project_id|tenant_id|user_id|image|flavor|host|node|uuid|ip6?|tags(-any)?|not-tags(-any)?|deleted|locked|description|hostname|reservation_id|availability_zone|config_drive|key_name|launched_at|terminated_at|power_state|progress|task_state|created_at|access_ip_v[46]|display_name|display_description)$/;
const statuses =
  'ACTIVE BUILD DELETED ERROR HARD_REBOOT MIGRATING PASSWORD PAUSED REBOOT REBUILD RESCUE RESIZE REVERT_RESIZE SHELVED SHELVED_OFFLOADED SHUTOFF SOFT_DELETED SUSPENDED UNKNOWN VERIFY_RESIZE'.split(
    ' ',
  );

/** Whether a server is asked for, as Nova on MySQL tells it; throws 400 for a query that Nova does not take. */
export function serverFilter({ query, version }: Call): (server: ServerRecord) => boolean {
  const unknown = [...query.keys()].find((key) => !known.test(key));
  // Before 2.75 what is not known is ignored.
  if (unknown !== undefined && version >= 20_075) {
    throw refuse(400, `'${unknown}' does not match any of the regexes: '^_'`);
  }
  const name = nameFilter(query.get('name'));
  const since = changedSince(query.get('changes-since'));
  const status = query.get('status')?.toUpperCase();
  const nonsense = status !== undefined && !statuses.includes(status);
  if (nonsense && version >= 20_038) throw refuse(400, 'Invalid status value');
  return (server) =>
    name.test(server.name) &&
    (since === undefined ? server.status !== 'DELETED' : changedAt(server) >= since) &&
    (status === undefined || server.status === status);
}

/** A regular expression in which Nova itself escapes `|`; the database compares without regard to case. */
function nameFilter(text: string | null): RegExp {
  if (text === null) return /^/;
  const wrong = () => badQuery('name', text, 'regex');
  if (text === '') throw wrong();
  try {
    return new RegExp(text.replaceAll('|', '\\|'), 'i');
  } catch {
    throw wrong();
  }
}

function changedSince(text: string | null): number | undefined {
  if (text === null) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw badQuery('changes-since', text, 'date-time');
  return time;
}

function badQuery(key: string, value: string, format: string): Error {
  const shown = value.replaceAll('\\', '\\\\');
  return refuse(
    400,
    `Invalid input for query parameters ${key}. Value: ${value}. '${shown}' is not a '${format}'`,
  );
}

function changedAt({ created, launched, actions }: ServerRecord): number {
  const times = actions.flatMap(({ start, events }) => [start, ...events.map(({ time }) => time)]);
  return Math.max(created, launched ?? 0, ...times);
}
