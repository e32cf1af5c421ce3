import { permissions } from './access.ts';
import {
  clusterResources,
  listNodes,
  machines,
  networks,
  nextId,
  type RouteCall,
  storageContent,
  storages,
  version,
  visibleStorages,
} from './answers.ts';
import type { Params } from './body.ts';
import { findNode, listMdevs, listPci, nodeStatus } from './hardware.ts';
import { createMapping, deleteMapping, getMapping, listMappings, updateMapping } from './mapping.ts';
import { anyConfigPrivilege } from './options.ts';
import { any, atMost, bool, configId, int, nodeName, oneOf, storageId, vmid } from './params.ts';
import { report } from './report.ts';
import { type Handler, type Route, route } from './route.ts';
import { listTasks, stopTask, type TaskCall, taskLog, taskStatus } from './tasks.ts';
import { getConfig, getPending, updateVm, updateVmAsync } from './vm-config.ts';
import { rebootVm, shutdownVm, startVm, stopVm } from './vm-power.ts';
import { createVm, currentStatus, deleteVm, listVms, migrationPreconditions, type VmCall } from './vms.ts';

const vmCall = (call: RouteCall): VmCall => ({ ...call, node: node(call).name });
const vmidOf = (call: RouteCall) => Number(call.path.vmid);
const node = (call: RouteCall) => findNode(call.state, call.path.node ?? '');
const onVm =
  (handler: (call: VmCall, vmid: number, params: Params) => unknown): Handler =>
  (call) =>
    handler(vmCall(call), vmidOf(call), call.params);
const onTask =
  (handler: (call: TaskCall, upid: string) => unknown): Handler =>
  (call) =>
    handler({ ...call, node: node(call).name }, call.path.upid ?? '');

const ofVm = '/vms/{vmid}';
const useMapping = ['Mapping.Use', 'Mapping.Modify', 'Mapping.Audit'] as const;
const readHardware = ['/', 'Sys.Audit', 'Sys.Modify'] as const;
const timeout = { timeout: int() };
const stopping = { ...timeout, skiplock: bool, keepActive: bool };

/** Every call that the simulator answers. */
export const routes: readonly Route[] = [
  route('POST', '/access/ticket', () => undefined, {
    username: atMost(64),
    password: any,
    realm: any,
    otp: any,
    'tfa-challenge': any,
    'new-format': bool,
    path: any,
    privs: any,
  }),
  route('GET', '/version', ({ state }) => version(state)),
  route('GET', '/access/permissions', ({ state, caller, params }) => permissions(state, caller, params), {
    path: any,
    userid: any,
  }),
  route('GET', '/cluster/nextid', ({ state, params }) => nextId(state, params), { vmid }),
  route('GET', '/cluster/resources', clusterResources, { type: oneOf('vm', 'storage', 'node', 'sdn') }),
  route('GET', '/cluster/mapping/pci', ({ state, caller, params }) => listMappings(state, caller, params), {
    'check-node': nodeName,
  }),
  route(
    'POST',
    '/cluster/mapping/pci',
    ({ state, params }) => createMapping(state, params),
    null,
    '/mapping/pci',
    'Mapping.Modify',
  ),
  route(
    'GET',
    '/cluster/mapping/pci/{id}',
    ({ state, path }) => getMapping(state, path.id ?? ''),
    {},
    '/mapping/pci/{id}',
    ...useMapping,
  ),
  route(
    'PUT',
    '/cluster/mapping/pci/{id}',
    ({ state, path, params }) => updateMapping(state, path.id ?? '', params),
    null,
    '/mapping/pci/{id}',
    'Mapping.Modify',
  ),
  route(
    'DELETE',
    '/cluster/mapping/pci/{id}',
    ({ state, path }) => deleteMapping(state, path.id ?? ''),
    {},
    '/mapping/pci',
    'Mapping.Modify',
  ),
  route('GET', '/nodes', listNodes),
  route(
    'GET',
    '/nodes/{node}/status',
    (call) => nodeStatus(call.state, node(call)),
    {},
    '/nodes/{node}',
    'Sys.Audit',
  ),
  route(
    'GET',
    '/nodes/{node}/report',
    (call) => report(call.state, node(call), call.now),
    {},
    '/nodes/{node}',
    'Sys.Audit',
  ),
  route(
    'GET',
    '/nodes/{node}/hardware/pci',
    (call) => listPci(call.state, node(call), call.params),
    { 'pci-class-blacklist': any, verbose: bool },
    ...readHardware,
  ),
  route(
    'GET',
    '/nodes/{node}/hardware/pci/{id}/mdev',
    (call) => listMdevs(call.state, node(call), call.path.id ?? ''),
    {},
    ...readHardware,
  ),
  route('GET', '/nodes/{node}/capabilities/qemu/machines', machines, {
    arch: any,
  }),
  route('GET', '/storage', visibleStorages, { type: any }),
  route('GET', '/nodes/{node}/storage', storages, {
    content: any,
    enabled: bool,
    format: bool,
    storage: storageId,
    target: nodeName,
  }),
  route(
    'GET',
    '/nodes/{node}/storage/{storage}/content',
    storageContent,
    { content: any, vmid },
    '/storage/{storage}',
    'Datastore.Audit',
    'Datastore.AllocateSpace',
  ),
  route('GET', '/nodes/{node}/network', networks, { type: any }),
  route('GET', '/nodes/{node}/qemu', (call) => listVms(vmCall(call)), { full: bool }),
  route('POST', '/nodes/{node}/qemu', (call) => createVm(vmCall(call), call.params), null),
  route(
    'DELETE',
    '/nodes/{node}/qemu/{vmid}',
    onVm(deleteVm),
    { purge: bool, 'destroy-unreferenced-disks': bool, skiplock: bool },
    ofVm,
    'VM.Allocate',
  ),
  route(
    'GET',
    '/nodes/{node}/qemu/{vmid}/config',
    onVm(getConfig),
    { current: bool, snapshot: configId },
    ofVm,
    'VM.Audit',
  ),
  route('PUT', '/nodes/{node}/qemu/{vmid}/config', onVm(updateVm), null, ofVm, ...anyConfigPrivilege),
  route('POST', '/nodes/{node}/qemu/{vmid}/config', onVm(updateVmAsync), null, ofVm, ...anyConfigPrivilege),
  route('GET', '/nodes/{node}/qemu/{vmid}/pending', onVm(getPending), {}, ofVm, 'VM.Audit'),
  route(
    'GET',
    '/nodes/{node}/qemu/{vmid}/migrate',
    onVm(migrationPreconditions),
    { target: nodeName },
    ofVm,
    'VM.Migrate',
  ),
  route('GET', '/nodes/{node}/qemu/{vmid}/status/current', onVm(currentStatus), {}, ofVm, 'VM.Audit'),
  route(
    'POST',
    '/nodes/{node}/qemu/{vmid}/status/start',
    onVm(startVm),
    { ...timeout, skiplock: bool, machine: any, 'force-cpu': any },
    ofVm,
    'VM.PowerMgmt',
  ),
  route(
    'POST',
    '/nodes/{node}/qemu/{vmid}/status/stop',
    onVm(stopVm),
    { ...stopping, 'overrule-shutdown': bool },
    ofVm,
    'VM.PowerMgmt',
  ),
  route(
    'POST',
    '/nodes/{node}/qemu/{vmid}/status/shutdown',
    onVm(shutdownVm),
    { ...stopping, forceStop: bool },
    ofVm,
    'VM.PowerMgmt',
  ),
  route('POST', '/nodes/{node}/qemu/{vmid}/status/reboot', onVm(rebootVm), timeout, ofVm, 'VM.PowerMgmt'),
  route('GET', '/nodes/{node}/tasks', (call) => listTasks({ ...call, node: node(call).name }), {
    vmid,
    source: oneOf('archive', 'active', 'all'),
    start: int(),
    limit: int(),
    typefilter: any,
    userfilter: any,
    statusfilter: any,
    errors: bool,
    since: int(),
    until: int(),
  }),
  route('GET', '/nodes/{node}/tasks/{upid}/status', onTask(taskStatus)),
  route('GET', '/nodes/{node}/tasks/{upid}/log', onTask(taskLog), {
    start: int(),
    limit: int(),
    download: bool,
  }),
  route('DELETE', '/nodes/{node}/tasks/{upid}', onTask(stopTask)),
];
