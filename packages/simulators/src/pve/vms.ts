import { type Caller, demand, isRoot, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import {
  anyConfigPrivilege,
  checkSchema,
  checkWhole,
  demandOption,
  isHot,
  isKnownOption,
  optionsOf,
} from './options.ts';
import { truth } from './property-string.ts';
import { devicesForStart } from './start.ts';
import { type ClusterState, newUuid, type VmState, vmDigest } from './state.ts';
import { startTask } from './tasks.ts';

/** What the calls about VMs share. */
export interface VmCall {
  readonly state: ClusterState;
  readonly caller: Caller;
  readonly node: string;
  readonly now: number;
  readonly taskMs: number;
}

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
  return {
    vmid: vm.vmid,
    name: vm.config.name ?? `VM ${vm.vmid}`,
    status: vm.running ? 'running' : 'stopped',
    ...(vm.config.tags === undefined ? {} : { tags: vm.config.tags }),
  };
}

/** Free volume names count up over the whole storage, as lvmthin's do here. */
function allocate(
  state: ClusterState,
  vmid: number,
  key: string,
  value: string,
  log: (line: string) => void,
): string {
  const match = /^([^:,]+):(\d+)((?:,.*)?)$/.exec(value);
  if (!match) return value;
  const [, storage = '', size = '', rest = ''] = match;
  if (!state.storages.some((one) => one.storage === storage && one.content.includes('images')))
    throw refuse(`storage '${storage}' does not exist\n`);
  const count = state.vms
    .flatMap((vm) => Object.values(vm.config))
    .filter((text) => text.includes(`${storage}:vm-`)).length;
  state.counter += 1;
  const extra = key.startsWith('efidisk')
    ? 'size=4M'
    : key.startsWith('tpmstate')
      ? 'size=4M'
      : `size=${size}G`;
  const parts = [...rest.split(',').filter(Boolean), extra];
  if (key === 'efidisk0' && parts.includes('pre-enrolled-keys=1')) parts.push('ms-cert=2023k');
  const volume = `${storage}:vm-${vmid}-disk-${count},${parts.sort().join(',')}`;
  log(`${key}: successfully created disk '${volume}'`);
  return volume;
}

export function createVm(call: VmCall, params: Params): string {
  const { state, caller, node, now, taskMs } = call;
  const vmid = Number(params.vmid);
  if (!Number.isInteger(vmid) || vmid < 100)
    throw badParameters({ vmid: `type check ('integer') failed - got '${String(params.vmid)}'` });
  checkSchema(state, params);
  demand(state, caller, `/vms/${vmid}`, ['VM.Allocate']);
  const options = optionsOf(params);
  for (const [key, value] of Object.entries(options))
    demandOption(state, caller, vmid, key, value, undefined);
  const start = truth(params.start === undefined ? undefined : String(params.start)) === true;
  if (start) demand(state, caller, `/vms/${vmid}`, ['VM.PowerMgmt']);
  const existing = state.vms.find((vm) => vm.vmid === vmid);
  if (existing)
    throw refuse(`unable to create VM ${vmid} - VM ${vmid} already exists on node '${existing.node}'\n`);
  checkWhole(options);
  return startTask(state, node, 'qmcreate', String(vmid), caller.id, now, taskMs, (log) => {
    const config: Record<string, string> = {};
    for (const [key, value] of Object.entries(options))
      config[key] = /^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/.test(key)
        ? allocate(state, vmid, key, value, log)
        : value;
    pinWindows(config, log);
    Object.assign(config, {
      boot: options.boot ?? bootOrder(config),
      meta: 'creation-qemu=11.0.2,ctime=0',
      smbios1: options.smbios1 ?? `uuid=${newUuid()}`,
      vmgenid: newUuid(),
    });
    const vm: VmState = { vmid, node, config, pending: {}, running: undefined };
    state.vms.push(vm);
    if (start) launch(state, vm);
  });
}

function bootOrder(config: Readonly<Record<string, string>>): string {
  const disk = ['scsi0', 'virtio0', 'sata0', 'ide0'].find((key) => config[key] !== undefined);
  const devices = [...(disk === undefined ? [] : [disk]), ...(config.net0 === undefined ? [] : ['net0'])];
  return devices.length === 0 ? '' : `order=${devices.join(';')}`;
}

/** Windows guests get their machine's version pinned. */
function pinWindows(config: Record<string, string>, log: (line: string) => void): void {
  if (!/^(w|win)/.test(config.ostype ?? '')) return;
  const pinned = (config.machine ?? 'pc').replace(
    /^(q35|pc)(?=,|$)/,
    (type) => `pc-${type === 'q35' ? 'q35' : 'i440fx'}-11.0+pve2`,
  );
  if (pinned === config.machine) return;
  config.machine = pinned;
  log(`pinning machine type to '${pinned.split(',')[0]}' for Windows guest OS`);
}

export function getConfig({ state, caller, node }: VmCall, vmid: number, current: boolean): unknown {
  demand(state, caller, `/vms/${vmid}`, ['VM.Audit']);
  const vm = findVm(state, node, vmid);
  return { ...numbers(current ? vm.config : merged(vm)), digest: vmDigest(vm) };
}

/** The API answers integers as numbers. */
function numbers(config: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      /^(cores|sockets|balloon|numa|onboot|vcpus)$/.test(key) ? Number(value) : value,
    ]),
  );
}

/** As the next start will have it. */
function merged({ config, pending }: VmState): Record<string, string> {
  const next = { ...config };
  for (const [key, value] of Object.entries(pending)) {
    if (value === null) delete next[key];
    else next[key] = value;
  }
  return next;
}

export function getPending({ state, caller, node }: VmCall, vmid: number): unknown {
  demand(state, caller, `/vms/${vmid}`, ['VM.Audit']);
  const vm = findVm(state, node, vmid);
  const keys = [...new Set([...Object.keys(vm.config), ...Object.keys(vm.pending)])].sort();
  return [
    ...keys.map((key) => {
      const waiting = vm.pending[key];
      return {
        key,
        ...(vm.config[key] === undefined ? {} : { value: vm.config[key] }),
        ...(waiting === undefined ? {} : waiting === null ? { delete: 1 } : { pending: waiting }),
      };
    }),
    { key: 'digest', value: vmDigest(vm) },
  ];
}

/** PUT answers errors directly; POST reports what is found in the task only there. */
export function updateVm(call: VmCall, vmid: number, params: Params, async: boolean): string | null {
  const { state, caller, node, now, taskMs } = call;
  checkSchema(state, params);
  const vm = findVm(state, node, vmid);
  if (!isRoot(caller)) demand(state, caller, `/vms/${vmid}`, anyConfigPrivilege, true);
  const options = optionsOf(params);
  const deletes = String(params.delete ?? '')
    .split(/[,; ]+/)
    .filter(Boolean);
  const reverts = String(params.revert ?? '')
    .split(/[,; ]+/)
    .filter(Boolean);
  for (const key of deletes) {
    if (!isKnownOption(key)) throw badParameters({ delete: `unknown option '${key}'` });
    if (options[key] !== undefined)
      throw badParameters({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
  }
  if (Object.keys(options).length + deletes.length + reverts.length === 0)
    throw refuse('no options specified\n');
  const work = (log: (line: string) => void) => {
    const before = merged(vm);
    for (const key of deletes) demandOption(state, caller, vmid, key, undefined, before[key]);
    for (const [key, value] of Object.entries(options))
      demandOption(state, caller, vmid, key, value, before[key]);
    if (params.digest !== undefined && params.digest !== vmDigest(vm))
      throw refuse('checksum mismatch (file change by other user?)\n');
    if (vm.config.lock !== undefined && params.skiplock === undefined)
      throw refuse(`VM is locked (${vm.config.lock})\n`);
    checkWhole({ ...before, ...options });
    change(state, vm, options, deletes, reverts, log);
  };
  if (!async) {
    work(() => {});
    return null;
  }
  const words = Object.entries(options).map(([key, value]) => `-${key} ${value}`);
  return startTask(state, node, 'qmconfig', String(vmid), caller.id, now, taskMs, (log) => {
    log(
      `update VM ${vmid}: ${[...words, ...(deletes.length > 0 ? [`-delete ${deletes.join(',')}`] : [])].join(' ')}`,
    );
    work(log);
  });
}

function change(
  state: ClusterState,
  vm: VmState,
  options: Readonly<Record<string, string>>,
  deletes: readonly string[],
  reverts: readonly string[],
  log: (line: string) => void,
): void {
  for (const key of reverts) delete vm.pending[key];
  const set = (key: string, value: string | null) => {
    delete vm.pending[key];
    if (
      vm.running &&
      !isHot(key) &&
      (value === null ? vm.config[key] !== undefined : vm.config[key] !== value)
    )
      vm.pending[key] = value;
    else if (value === null) delete vm.config[key];
    else vm.config[key] = value;
  };
  for (const key of deletes) set(key, null);
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(options)) {
    const drive = /^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/.test(key);
    values[key] = drive ? allocate(state, vm.vmid, key, value, log) : value;
  }
  if (values.ostype !== undefined)
    pinWindows(Object.assign(values, { machine: values.machine ?? vm.config.machine ?? 'pc' }), log);
  for (const [key, value] of Object.entries(values)) set(key, value === '' ? ' ' : value);
}

export function currentStatus({ state, caller, node }: VmCall, vmid: number): unknown {
  demand(state, caller, `/vms/${vmid}`, ['VM.Audit']);
  const vm = findVm(state, node, vmid);
  const status = vm.running ? 'running' : 'stopped';
  return {
    ...summary(vm),
    status,
    qmpstatus: status,
    ...(vm.config.lock === undefined ? {} : { lock: vm.config.lock }),
  };
}

export type PowerAction = 'start' | 'stop' | 'shutdown' | 'reboot';

export function power(call: VmCall, vmid: number, action: PowerAction): string {
  const { state, caller, node, now, taskMs } = call;
  demand(state, caller, `/vms/${vmid}`, ['VM.PowerMgmt']);
  const vm = findVm(state, node, vmid);
  if (vm.config.lock !== undefined) throw refuse(`VM is locked (${vm.config.lock})\n`);
  const type = { start: 'qmstart', stop: 'qmstop', shutdown: 'qmshutdown', reboot: 'qmreboot' }[action];
  return startTask(state, node, type, String(vmid), caller.id, now, taskMs, () => {
    if (action === 'start') {
      if (vm.running) throw refuse(`VM ${vmid} already running\n`);
      launch(state, vm);
    } else {
      if (!vm.running && action !== 'stop') throw refuse(`VM ${vmid} not running\n`);
      halt(state, vm);
      if (action === 'reboot') launch(state, vm);
    }
  });
}

function launch(state: ClusterState, vm: VmState): void {
  const config = merged(vm);
  const node = state.nodes.find(({ name }) => name === vm.node);
  if (!node) throw refuse(`no such node '${vm.node}'\n`);
  for (const key of devicesForStart(state, node, vm.vmid, config)) state.reservations[key] = vm.vmid;
  vm.config = config;
  vm.pending = {};
  vm.running = { ...config };
}

function halt(state: ClusterState, vm: VmState): void {
  vm.running = undefined;
  vm.config = merged(vm);
  vm.pending = {};
  for (const [key, vmid] of Object.entries(state.reservations))
    if (vmid === vm.vmid) delete state.reservations[key];
}

export function migrationPreconditions({ state, caller, node }: VmCall, vmid: number): unknown {
  demand(state, caller, `/vms/${vmid}`, ['VM.Migrate']);
  const vm = findVm(state, node, vmid);
  const raw = Object.entries(vm.config).filter(
    ([key, value]) => /^hostpci\d+$/.test(key) && !value.includes('mapping='),
  );
  const mapped = Object.entries(vm.config).filter(
    ([key, value]) => /^hostpci\d+$/.test(key) && value.includes('mapping='),
  );
  return {
    running: vm.running ? 1 : 0,
    local_disks: [],
    local_resources: raw.map(([key]) => key),
    'mapped-resources': mapped.map(([key]) => key),
    'mapped-resource-info': Object.fromEntries(
      mapped.map(([key, value]) => [key, { name: /mapping=([^,]+)/.exec(value)?.[1] }]),
    ),
  };
}

export function deleteVm(call: VmCall, vmid: number): string {
  const { state, caller, node, now, taskMs } = call;
  demand(state, caller, `/vms/${vmid}`, ['VM.Allocate']);
  const vm = findVm(state, node, vmid);
  if (vm.running) throw refuse(`VM ${vmid} is running - destroy failed\n`);
  if (vm.config.lock !== undefined) throw refuse(`VM is locked (${vm.config.lock})\n`);
  return startTask(state, node, 'qmdestroy', String(vmid), caller.id, now, taskMs, () => {
    state.vms = state.vms.filter((one) => one !== vm);
  });
}
