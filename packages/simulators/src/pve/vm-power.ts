import { isRoot } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { devicesForStart } from './start.ts';
import type { ClusterState, VmState } from './state.ts';
import { startTask } from './tasks.ts';
import { keepVolume } from './vm-disks.ts';
import { findVm, lockOf, type VmCall } from './vms.ts';

/** Starting and stopping. Source: qemu-server 9.2.6, PVE::API2::Qemu; locks are met by the worker, not by the call. */

/** `created`: right after the creation, whose lock is not in the way. */
export function startVm(call: VmCall, vmid: number, params: Params, created = false): string {
  const vm = findVm(call.state, call.node, vmid);
  const skip = skipsLock(call, params) || created;
  return startTask(call, 'qmstart', vmid, (log) => {
    if (!skip) refuseLocked(call, vm);
    if (vm.running) throw refuse(`VM ${vmid} already running\n`);
    launch(call.state, vm, log);
  });
}

export function stopVm(call: VmCall, vmid: number, params: Params): string {
  return end(call, vmid, params, 'qmstop');
}

/** The guest is one that obeys. */
export function shutdownVm(call: VmCall, vmid: number, params: Params): string {
  return end(call, vmid, params, 'qmshutdown');
}

function end(call: VmCall, vmid: number, params: Params, type: string): string {
  const vm = findVm(call.state, call.node, vmid);
  const skip = skipsLock(call, params);
  return startTask(call, type, vmid, () => {
    if (!skip) refuseLocked(call, vm);
    if (vm.running) halt(call.state, vm);
  });
}

/** Stop and start in one: what is pending is applied. */
export function rebootVm(call: VmCall, vmid: number): string {
  const vm = findVm(call.state, call.node, vmid);
  if (!vm.running) throw refuse(`VM ${vmid} not running\n`);
  return startTask(call, 'qmreboot', vmid, (log) => {
    refuseLocked(call, vm);
    halt(call.state, vm);
    launch(call.state, vm, log);
  });
}

/** Throws 400 when someone else than root@pam asks for it. */
export function skipsLock({ caller }: VmCall, params: Params): boolean {
  const skip = params.skiplock !== undefined && String(params.skiplock) !== '0';
  if (skip && !isRoot(caller)) throw badParameters({ skiplock: 'Only root may use this option.' });
  return skip;
}

export function refuseLocked(call: VmCall, vm: VmState): void {
  const lock = lockOf(call, vm);
  if (lock !== undefined) throw refuse(`VM is locked (${lock})\n`);
}

function launch(state: ClusterState, vm: VmState, log: (line: string) => void): void {
  applyPending(vm);
  const node = state.nodes.find(({ name }) => name === vm.node);
  if (!node) throw refuse(`no such node '${vm.node}'\n`);
  for (const key of devicesForStart(state, node, vm.vmid, vm.config, log)) state.reservations[key] = vm.vmid;
  vm.running = { ...vm.config };
}

function halt(state: ClusterState, vm: VmState): void {
  vm.running = undefined;
  applyPending(vm);
  for (const [key, vmid] of Object.entries(state.reservations))
    if (vmid === vm.vmid) delete state.reservations[key];
}

function applyPending(vm: VmState): void {
  for (const [key, value] of Object.entries(vm.pending)) {
    const before = vm.config[key];
    if (value !== null) vm.config[key] = value;
    else {
      delete vm.config[key];
      keepVolume(vm.config, key, before);
    }
  }
  vm.pending = {};
}
