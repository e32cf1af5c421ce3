import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { isHot, isInteger, isKnownOption } from './option-table.ts';
import { checkSchema, checkWhole, demandOption, optionsOf } from './options.ts';
import { truth } from './property-string.ts';
import { type VmState, vmDigest } from './state.ts';
import { startTask } from './tasks.ts';
import { pinWindows, sortTags } from './vm-defaults.ts';
import { allocate, isDrive, keepVolume } from './vm-disks.ts';
import { refuseLocked, skipsLock } from './vm-power.ts';
import { findVm, lockOf, merged, type VmCall } from './vms.ts';

/** The configuration of a VM. Source: qemu-server 9.2.6, PVE::API2::Qemu `update_vm_api`. */

export function getConfig(call: VmCall, vmid: number, params: Params): unknown {
  const vm = findVm(call.state, call.node, vmid);
  if (params.snapshot !== undefined) throw refuse(`snapshot '${String(params.snapshot)}' does not exist\n`);
  const options = truth(String(params.current ?? '0')) === true ? vm.config : merged(vm);
  const lock = lockOf(call, vm);
  return { ...numbers({ ...options, ...(lock === undefined ? {} : { lock }) }), digest: vmDigest(vm) };
}

/** The API answers integers and booleans as numbers. */
function numbers(config: Readonly<Record<string, string>>): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      isInteger(key) ? Number(truth(value) === undefined ? value : truth(value)) : value,
    ]),
  );
}

export function getPending({ state, node }: VmCall, vmid: number): unknown {
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

/** What one update asks for. */
interface Change {
  readonly options: Readonly<Record<string, string>>;
  readonly deletes: readonly string[];
  readonly reverts: readonly string[];
}

const asides = ['delete', 'revert', 'digest', 'force', 'skiplock', 'background_delay'];

function readChange(call: VmCall, params: Params): Change {
  checkSchema(call.state, params, asides);
  const list = (text: Params[string] = '') =>
    String(text)
      .split(/[,;\s\0]+/)
      .filter(Boolean);
  const change = { options: optionsOf(params), deletes: list(params.delete), reverts: list(params.revert) };
  for (const key of change.deletes) {
    if (!isKnownOption(call.state, key)) throw badParameters({ delete: `unknown option '${key}'` });
    if (change.options[key] !== undefined)
      throw badParameters({ delete: `you can't use '-${key}' and -delete ${key}' at the same time` });
  }
  for (const key of change.reverts) {
    if (!isKnownOption(call.state, key)) throw badParameters({ revert: `unknown option '${key}'` });
    if (change.options[key] !== undefined || change.deletes.includes(key))
      throw badParameters({ revert: `you can't use '-${key}' and '-revert ${key}' at the same time` });
  }
  const count = Object.keys(change.options).length + change.deletes.length + change.reverts.length;
  if (count === 0) throw refuse('no options specified\n');
  return change;
}

/** PUT: errors come directly. */
export function updateVm(call: VmCall, vmid: number, params: Params): null {
  const change = readChange(call, params);
  const vm = findVm(call.state, call.node, vmid);
  apply(call, vm, change, params, () => {});
  return null;
}

/** POST: what is refused beyond the schema is told by the task alone. */
export function updateVmAsync(call: VmCall, vmid: number, params: Params): string | null {
  const change = readChange(call, params);
  const vm = findVm(call.state, call.node, vmid);
  const words = Object.entries(change.options).map(([key, value]) => `-${key} ${value}`);
  const gone = change.deletes.length > 0 ? [`-delete ${change.deletes.join(',')}`] : [];
  const upid = startTask(call, 'qmconfig', vmid, (log) => {
    log(`update VM ${vmid}: ${[...words, ...gone].join(' ')}`);
    apply(call, vm, change, params, log);
  });
  return isOverWithin(call, upid, Number(params.background_delay ?? 0)) ? null : upid;
}

/** With a delay the call waits for the worker; one that ended well leaves nothing to look at. */
function isOverWithin({ state, now }: VmCall, upid: string, seconds: number): boolean {
  const task = state.tasks.find((one) => one.upid === upid);
  return seconds > 0 && task?.exitstatus === 'OK' && task.endsAt <= now + seconds * 1000;
}

function apply(
  call: VmCall,
  vm: VmState,
  { options, deletes, reverts }: Change,
  params: Params,
  log: (line: string) => void,
): void {
  const { state, caller } = call;
  const before = merged(vm);
  for (const key of deletes) demandOption(state, caller, vm.vmid, key, undefined, before[key]);
  for (const key of reverts)
    demandOption(state, caller, vm.vmid, key, undefined, vm.pending[key] ?? undefined);
  for (const [key, value] of Object.entries(options))
    demandOption(state, caller, vm.vmid, key, value, before[key]);
  const skip = skipsLock(call, params);
  if (params.digest !== undefined && params.digest !== vmDigest(vm))
    throw refuse('checksum mismatch (file change by other user?)\n');
  if (!skip) refuseLocked(call, vm);
  checkWhole({ ...before, ...options });
  for (const key of reverts) delete vm.pending[key];
  for (const key of deletes) unset(vm, key, log);
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(options)) {
    const made = isDrive(key) ? allocate(state, { ...before, ...values }, vm.vmid, key, value, log) : value;
    values[key] = key === 'tags' ? sortTags(made) : made;
  }
  if (values.ostype !== undefined) {
    const machine = values.machine ?? before.machine;
    const pinned = { ostype: values.ostype, ...(machine === undefined ? {} : { machine }) };
    pinWindows(state, pinned, log);
    if (pinned.machine !== undefined && pinned.machine !== before.machine) values.machine = pinned.machine;
  }
  for (const [key, value] of Object.entries(values)) set(vm, key, value === '' ? ' ' : value);
}

function waits(vm: VmState, key: string): boolean {
  return vm.running !== undefined && !isHot(key);
}

function set(vm: VmState, key: string, value: string): void {
  delete vm.pending[key];
  if (vm.config[key] === value) return;
  if (waits(vm, key)) vm.pending[key] = value;
  else vm.config[key] = value;
}

function unset(vm: VmState, key: string, log: (line: string) => void): void {
  const isWaiting = vm.pending[key] !== undefined;
  delete vm.pending[key];
  if (vm.config[key] === undefined) {
    if (!isWaiting) log(`WARN: cannot delete '${key}' - not set in current configuration!`);
    return;
  }
  if (waits(vm, key)) {
    vm.pending[key] = null;
    return;
  }
  const value = vm.config[key];
  delete vm.config[key];
  keepVolume(vm.config, key, value);
}
