/** Actions on servers. Source: nova 26, servers.py and nova/compute/api.py, check_instance_state. */
import { inPython } from './body.ts';
import { refuse } from './failure.ts';
import { flavorFor } from './nova-flavors.ts';
import { findServer } from './nova-servers.ts';
import { pciRequests } from './pci.ts';
import { hasRole } from './policy.ts';
import type { Answer, Call } from './route.ts';
import { type ActionRecord, type ServerRecord, timeText } from './state.ts';

const vmStates: Readonly<Record<ServerRecord['status'], string>> = {
  BUILD: 'building',
  ACTIVE: 'active',
  ERROR: 'error',
  SHUTOFF: 'stopped',
  RESIZE: 'active',
  VERIFY_RESIZE: 'resized',
  REVERT_RESIZE: 'resized',
  DELETED: 'deleted',
};

function need(server: ServerRecord, action: string, ...statuses: readonly ServerRecord['status'][]): void {
  const conflict = (attribute: string, value: string) =>
    refuse(409, `Cannot '${action}' instance ${server.id} while it is in ${attribute} ${value}`);
  if (!statuses.includes(server.status)) throw conflict('vm_state', vmStates[server.status]);
  if (server.task !== null) throw conflict('task_state', server.task);
}

export function actOnServer(call: Call): Answer {
  const { body, now, times } = call;
  const server = findServer(call, call.path.id ?? '');
  const [action, given] = Object.entries((body ?? {}) as Record<string, unknown>)[0] ?? [];
  if (action === undefined) throw refuse(400, 'Malformed request body');
  const begin = (
    name: string,
    status: ServerRecord['status'],
    task: string | null,
    due: NonNullable<ServerRecord['due']>['what'],
  ) => {
    server.status = status;
    server.task = task;
    server.due = { at: now + times.resizeMs, what: due };
    server.actions = [{ action: name, request: call.requestId, start: now, events: [] }, ...server.actions];
  };
  switch (action) {
    case 'resize': {
      need(server, 'resize', 'ACTIVE', 'SHUTOFF');
      const { flavorRef } = (given ?? {}) as { flavorRef?: unknown };
      if (flavorRef === undefined) {
        throw refuse(
          400,
          `Invalid input for field/attribute resize. Value: ${inPython(given)}. 'flavorRef' is a required property`,
        );
      }
      const flavor = flavorFor(call, String(flavorRef));
      if (flavor.name === server.flavor.name)
        throw refuse(400, 'When resizing, instances must change flavor!');
      if (server.flavor.disk > 0 && flavor.disk === 0) {
        throw refuse(
          400,
          'Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.',
        );
      }
      pciRequests(call.state, flavor.extraSpecs);
      server.old = { flavor, wasActive: server.status === 'ACTIVE' };
      begin('resize', 'RESIZE', 'resize_prep', 'migrate');
      return { status: 202 };
    }
    case 'confirmResize':
      need(server, 'confirmResize', 'VERIFY_RESIZE');
      // Its migration is no longer `finished`.
      if (server.due) throw refuse(400, 'Instance has not been resized.');
      begin('confirmResize', 'VERIFY_RESIZE', null, 'confirm');
      return { status: 204 };
    case 'revertResize':
      need(server, 'revertResize', 'VERIFY_RESIZE');
      begin('revertResize', 'REVERT_RESIZE', 'resize_reverting', 'revert');
      return { status: 202 };
    case 'os-stop':
      need(server, 'stop', 'ACTIVE', 'ERROR');
      begin('stop', server.status, 'powering-off', 'stop');
      return { status: 202 };
    case 'os-start':
      need(server, 'start', 'SHUTOFF');
      begin('start', 'SHUTOFF', 'powering-on', 'start');
      return { status: 202 };
    default:
      throw refuse(400, `There is no such action: ${action}`);
  }
}

function messageOf(events: ActionRecord['events']): string | null {
  return events.some(({ result }) => result === 'Error') ? 'Error' : null;
}

export function listActions(call: Call): Answer {
  const { id, actions } = findServer(call, call.path.id ?? '');
  return {
    status: 200,
    body: {
      instanceActions: actions.map(({ action, request, start, events }) => ({
        action,
        request_id: request,
        start_time: timeText(start),
        instance_uuid: id,
        message: messageOf(events),
      })),
    },
  };
}

export function getAction(call: Call): Answer {
  const { version, token } = call;
  const { id, actions } = findServer(call, call.path.id ?? '');
  const found = actions.find(({ request }) => request === call.path.request);
  if (!found) throw refuse(404, `Action ${call.path.request} not found`);
  const admin = hasRole(token, 'admin');
  const events = found.events.map(({ event, result, time, host, details }) => ({
    event,
    start_time: timeText(time),
    finish_time: timeText(time),
    result,
    ...(admin ? { host, traceback: null } : {}),
    hostId: '',
    ...(admin && version >= 20_084 ? { details } : {}),
  }));
  return {
    status: 200,
    body: {
      instanceAction: {
        action: found.action,
        request_id: found.request,
        start_time: timeText(found.start),
        instance_uuid: id,
        message: messageOf(found.events),
        ...(admin || version >= 20_051 ? { events } : {}),
      },
    },
  };
}
