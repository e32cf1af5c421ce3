import { type Caller, demand, logIn, permissions, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { refuse } from './failure.ts';
import { findNode, listMdevs, listPci, nodeStatus, report } from './hardware.ts';
import { createMapping, deleteMapping, getMapping, listMappings, updateMapping } from './mapping.ts';
import type { ClusterState } from './state.ts';
import { listTasks, stopTask, taskLog, taskStatus } from './tasks.ts';
import {
  createVm,
  currentStatus,
  deleteVm,
  getConfig,
  getPending,
  listVms,
  migrationPreconditions,
  type PowerAction,
  power,
  summary,
  updateVm,
  type VmCall,
} from './vms.ts';

export interface RouteCall {
  readonly state: ClusterState;
  readonly caller: Caller;
  readonly params: Params;
  readonly now: number;
  readonly taskMs: number;
  /** Parts of the path that the pattern names, percent-decoded. */
  readonly path: Readonly<Record<string, string>>;
}

type Handler = (call: RouteCall) => unknown;

const vmCall = (call: RouteCall): VmCall => ({
  ...call,
  node: findNode(call.state, call.path.node ?? '').name,
});
const vmid = (call: RouteCall) => Number(call.path.vmid);
const node = (call: RouteCall) => findNode(call.state, call.path.node ?? '');
const onTask =
  (handler: (call: RouteCall, name: string, upid: string) => unknown): Handler =>
  (call) =>
    handler(call, node(call).name, call.path.upid ?? '');

/** Every call the simulator answers: method, path below `/api2/json`, and what it does. */
const routes: readonly (readonly [string, string, Handler])[] = [
  [
    'GET',
    '/version',
    ({ state }) => ({ release: state.version, version: `${state.version}.11`, repoid: 'simulated' }),
  ],
  ['GET', '/access/permissions', ({ state, caller }) => permissions(state, caller)],
  ['GET', '/cluster/nextid', ({ state, params }) => nextId(state, params)],
  [
    'GET',
    '/cluster/resources',
    ({ state, caller }) =>
      state.vms
        .filter((vm) => privilegesOn(state, caller, `/vms/${vm.vmid}`).has('VM.Audit'))
        .map((vm) => ({ id: `qemu/${vm.vmid}`, type: 'qemu', node: vm.node, ...summary(vm) })),
  ],
  ['GET', '/cluster/mapping/pci', ({ state, caller, params }) => listMappings(state, caller, params)],
  ['POST', '/cluster/mapping/pci', ({ state, caller, params }) => createMapping(state, caller, params)],
  ['GET', '/cluster/mapping/pci/{id}', ({ state, caller, path }) => getMapping(state, caller, path.id ?? '')],
  [
    'PUT',
    '/cluster/mapping/pci/{id}',
    ({ state, caller, path, params }) => updateMapping(state, caller, path.id ?? '', params),
  ],
  [
    'DELETE',
    '/cluster/mapping/pci/{id}',
    ({ state, caller, path }) => deleteMapping(state, caller, path.id ?? ''),
  ],
  [
    'GET',
    '/nodes',
    ({ state }) =>
      state.nodes.map(({ name, online }) => ({
        node: name,
        status: online === false ? 'offline' : 'online',
        type: 'node',
      })),
  ],
  ['GET', '/nodes/{node}/status', (call) => nodeStatus(call.state, call.caller, node(call))],
  ['GET', '/nodes/{node}/report', (call) => report(call.state, call.caller, node(call))],
  ['GET', '/nodes/{node}/hardware/pci', (call) => listPci(call.state, call.caller, node(call), call.params)],
  [
    'GET',
    '/nodes/{node}/hardware/pci/{id}/mdev',
    (call) => listMdevs(call.state, call.caller, node(call), call.path.id ?? ''),
  ],
  [
    'GET',
    '/nodes/{node}/capabilities/qemu/machines',
    () =>
      ['pc-i440fx-11.0+pve2', 'pc-q35-11.0+pve2'].map((id) => ({
        id,
        type: id.includes('q35') ? 'q35' : 'i440fx',
        version: '11.0+pve2',
      })),
  ],
  ['GET', '/storage', (call) => visibleStorages(call)],
  ['GET', '/nodes/{node}/storage', (call) => storages(call)],
  ['GET', '/nodes/{node}/storage/{storage}/content', (call) => storageContent(call)],
  ['GET', '/nodes/{node}/network', () => [{ iface: 'vmbr0', type: 'bridge', active: 1 }]],
  ['GET', '/nodes/{node}/qemu', (call) => listVms(vmCall(call))],
  ['POST', '/nodes/{node}/qemu', (call) => createVm(vmCall(call), call.params)],
  ['DELETE', '/nodes/{node}/qemu/{vmid}', (call) => deleteVm(vmCall(call), vmid(call))],
  [
    'GET',
    '/nodes/{node}/qemu/{vmid}/config',
    (call) => getConfig(vmCall(call), vmid(call), call.params.current === '1'),
  ],
  [
    'PUT',
    '/nodes/{node}/qemu/{vmid}/config',
    (call) => updateVm(vmCall(call), vmid(call), call.params, false),
  ],
  [
    'POST',
    '/nodes/{node}/qemu/{vmid}/config',
    (call) => updateVm(vmCall(call), vmid(call), call.params, true),
  ],
  ['GET', '/nodes/{node}/qemu/{vmid}/pending', (call) => getPending(vmCall(call), vmid(call))],
  ['GET', '/nodes/{node}/qemu/{vmid}/migrate', (call) => migrationPreconditions(vmCall(call), vmid(call))],
  ['GET', '/nodes/{node}/qemu/{vmid}/status/current', (call) => currentStatus(vmCall(call), vmid(call))],
  ...(['start', 'stop', 'shutdown', 'reboot'] as const).map(
    (action: PowerAction): readonly [string, string, Handler] => [
      'POST',
      `/nodes/{node}/qemu/{vmid}/status/${action}`,
      (call) => power(vmCall(call), vmid(call), action),
    ],
  ),
  ['GET', '/nodes/{node}/tasks', (call) => listTasks(call.state, node(call).name, call.now)],
  [
    'GET',
    '/nodes/{node}/tasks/{upid}/status',
    onTask((call, name, upid) => taskStatus(call.state, name, upid, call.now)),
  ],
  [
    'GET',
    '/nodes/{node}/tasks/{upid}/log',
    onTask((call, name, upid) =>
      taskLog(call.state, name, upid, Number(call.params.start ?? 0), Number(call.params.limit ?? 50)),
    ),
  ],
  [
    'DELETE',
    '/nodes/{node}/tasks/{upid}',
    onTask((call, name, upid) => stopTask(call.state, name, upid, call.now)),
  ],
];

/** Answers without an authenticated caller: the ticket. */
export function isLogin(method: string, path: string): boolean {
  return method === 'POST' && path === '/access/ticket';
}
export { logIn };

export interface Match {
  readonly handler: Handler;
  readonly path: Readonly<Record<string, string>>;
  readonly pattern: string;
}

export function findRoute(method: string, path: string): Match | undefined {
  const parts = path.split('/');
  for (const [verb, pattern, handler] of routes) {
    const wanted = pattern.split('/');
    if (verb !== method || wanted.length !== parts.length) continue;
    const named: Record<string, string> = {};
    const fits = wanted.every((part, index) => {
      const found = parts[index] ?? '';
      if (!part.startsWith('{')) return part === found;
      named[part.slice(1, -1)] = decodeURIComponent(found);
      return true;
    });
    if (fits) return { handler, path: named, pattern };
  }
  return undefined;
}

function nextId(state: ClusterState, params: Params): string {
  const taken = new Set(state.vms.map((vm) => vm.vmid));
  if (params.vmid !== undefined && !taken.has(Number(params.vmid))) return String(params.vmid);
  let id = 100;
  while (taken.has(id)) id += 1;
  return String(id);
}

function storages(call: RouteCall): unknown {
  node(call);
  return visibleStorages(call);
}

function visibleStorages({ state, caller }: RouteCall) {
  return state.storages.filter(({ storage }) => {
    const own = privilegesOn(state, caller, `/storage/${storage}`);
    return own.has('Datastore.Audit') || own.has('Datastore.AllocateSpace');
  });
}

/** Snippets that the scenario puts there; nothing else lies on a simulated storage. */
function storageContent(call: RouteCall): unknown {
  node(call);
  const { storage = '' } = call.path;
  demand(
    call.state,
    call.caller,
    `/storage/${storage}`,
    ['Datastore.Audit', 'Datastore.AllocateSpace'],
    true,
  );
  const found = call.state.storages.find((one) => one.storage === storage);
  if (!found) throw refuse(`storage '${storage}' does not exist\n`);
  return (found.snippets ?? []).map((file) => ({
    volid: `${storage}:snippets/${file}`,
    content: 'snippets',
  }));
}
