import { demand, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { checkSchema, checkWhole, demandOption, optionsOf } from './options.ts';
import { missingParameter, vmid as vmidFormat } from './params.ts';
import { truth } from './property-string.ts';
import { type ClusterState, newUuid, type VmState } from './state.ts';
import { isAtWork, startTask, type TaskCall } from './tasks.ts';
import { bootOrder, pinWindows, sortTags } from './vm-defaults.ts';
import { allocate, isDrive } from './vm-disks.ts';
import { refuseLocked, skipsLock, startVm } from './vm-power.ts';

/** What the calls about VMs share. */
export type VmCall = TaskCall;

export function findVm(state: ClusterState, node: string, vmid: number): VmState {
  const vm = state.vms.find((one) => one.vmid === vmid && one.node === node);
  if (!vm) throw refuse(`Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist\n`);
  return vm;
}

export function listVms({ state, caller, node }: VmCall): unknown {
  return state.vms
    .filter((vm) => vm.node === node && privilegesOn(state, caller, `/vms/${vm.vmid}`).has('VM.Audit'))
    .map((vm) => summary(vm));
}

export function summary(vm: VmState) {
  const memory = Number(/^(?:current=)?(\d+)/.exec(vm.config.memory ?? '512')?.[1] ?? 512);
  return {
    vmid: vm.vmid,
    name: vm.config.name ?? `VM ${vm.vmid}`,
    status: vm.running ? 'running' : 'stopped',
    cpus: Number(vm.config.cores ?? 1) * Number(vm.config.sockets ?? 1),
    maxmem: memory * 1048576,
    ...(vm.config.tags === undefined ? {} : { tags: vm.config.tags }),
    ...(vm.config.template === undefined ? {} : { template: Number(vm.config.template) }),
  };
}

/** What keeps the VM from being changed: its own lock, or that it is still being made. */
export function lockOf({ state, now }: Pick<VmCall, 'state' | 'now'>, vm: VmState): string | undefined {
  return isAtWork(state, 'qmcreate', vm.vmid, now) ? 'create' : vm.config.lock;
}

/** As the next start will have it. */
export function merged({ config, pending }: VmState): Record<string, string> {
  const next = { ...config };
  for (const [key, value] of Object.entries(pending)) {
    if (value === null) delete next[key];
    else next[key] = value;
  }
  return next;
}

export function createVm(call: VmCall, params: Params): string {
  const { state, caller, node } = call;
  const problem = params.vmid === undefined ? missingParameter : vmidFormat(String(params.vmid));
  if (problem !== undefined) throw badParameters({ vmid: problem });
  const vmid = Number(params.vmid);
  checkSchema(state, params, ['vmid', 'start', 'storage', 'pool', 'unique', 'force', 'bwlimit']);
  demand(state, caller, `/vms/${vmid}`, ['VM.Allocate']);
  const options = optionsOf(params);
  for (const [key, value] of Object.entries(options))
    demandOption(state, caller, vmid, key, value, undefined);
  const start = truth(String(params.start ?? '0')) === true;
  if (start) demand(state, caller, `/vms/${vmid}`, ['VM.PowerMgmt']);
  const existing = state.vms.find((vm) => vm.vmid === vmid);
  if (existing)
    throw refuse(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${existing.node}'\n`);
  checkWhole(options);
  const upid = startTask(call, 'qmcreate', vmid, (log) => {
    const config: Record<string, string> = {};
    for (const [key, value] of Object.entries(options))
      config[key] = isDrive(key) ? allocate(state, config, vmid, key, value, log) : value;
    if (config.tags !== undefined) config.tags = sortTags(config.tags);
    pinWindows(state, config, log);
    const qemu = 'creation-qemu=11.0.2,ctime=0';
    const smbios1 = options.smbios1 ?? `uuid=${newUuid()}`;
    Object.assign(config, {
      boot: options.boot ?? bootOrder(config),
      meta: qemu,
      smbios1,
      vmgenid: newUuid(),
    });
    state.vms.push({ vmid, node, config, pending: {}, running: undefined });
  });
  // The start is a worker of its own: what it meets does not undo the creation.
  if (start && state.vms.some((vm) => vm.vmid === vmid)) startVm(call, vmid, {}, true);
  return upid;
}

export function currentStatus(call: VmCall, vmid: number): unknown {
  const vm = findVm(call.state, call.node, vmid);
  const status = vm.running ? 'running' : 'stopped';
  const lock = lockOf(call, vm);
  return {
    ...summary(vm),
    status,
    qmpstatus: status,
    ha: { managed: 0 },
    ...(vm.running === undefined ? {} : { pid: 10000 + vmid, 'running-qemu': '11.0.2' }),
    ...(lock === undefined ? {} : { lock }),
  };
}

/** `GET .../migrate`. Source: qemu-server 9.2.6, PVE::API2::Qemu `migrate_vm_precondition`. */
export function migrationPreconditions({ state, node, params }: VmCall, vmid: number): unknown {
  const vm = findVm(state, node, vmid);
  const devices = Object.entries(vm.config).filter(([key]) => /^hostpci\d+$/.test(key));
  const mapped = devices.flatMap(([key, value]) => {
    const id = /(?:^|,)mapping=([^,]+)/.exec(value)?.[1];
    const mapping = state.mappings.find((one) => one.id === id);
    return id === undefined ? [] : [{ key, id, mapping }];
  });
  const raw = devices.map(([key]) => key).filter((key) => !mapped.some((one) => one.key === key));
  const others = state.nodes.map(({ name }) => name).filter((name) => name !== node);
  const missingOn = (name: string) =>
    mapped
      .filter(({ mapping }) => !mapping?.map.some((entry) => entry.split(',').includes(`node=${name}`)))
      .map(({ key }) => key);
  const refused = others.filter((name) => missingOn(name).length > 0);
  return {
    running: vm.running ? 1 : 0,
    local_disks: [],
    local_resources: raw,
    'mapped-resources': mapped.map(({ key }) => key),
    'mapped-resource-info': Object.fromEntries(
      mapped.map(({ key, id, mapping }) => [
        key,
        { name: id, ...(mapping?.['live-migration-capable'] ? { 'live-migration': 1 } : {}) },
      ]),
    ),
    ...(vm.running || params.target !== undefined
      ? {}
      : {
          allowed_nodes: others.filter((name) => !refused.includes(name)),
          not_allowed_nodes: Object.fromEntries(
            refused.map((name) => [name, { 'unavailable-resources': missingOn(name) }]),
          ),
        }),
  };
}

export function deleteVm(call: VmCall, vmid: number, params: Params): string {
  const { state, node } = call;
  const skip = skipsLock(call, params);
  const vm = findVm(state, node, vmid);
  if (truth(vm.config.protection) === true)
    throw refuse(`can't remove VM ${vmid} - protection mode enabled\n`);
  if (vm.running) throw refuse(`VM ${vmid} is running - destroy failed\n`);
  return startTask(call, 'qmdestroy', vmid, () => {
    if (!skip) refuseLocked(call, vm);
    state.vms = state.vms.filter((one) => one !== vm);
  });
}
