import { apiVersion, deepFreeze, type GpuVm, isAttachment, type Plan, type PlanOptions } from '@vmgpu/core';
import { createReport } from './diagnostics.ts';
import { type GpuContext, resolveGpus, type WantedDevice } from './gpu-devices.ts';
import { assignSlots, gpuClassifier } from './hostpci-slots.ts';
import type { VmOptions } from './option-text.ts';
import { chooseNode, defaultStorage, findVm, numaNodeOf, vmidOf } from './placement.ts';
import { readProviderOptions } from './provider-options.ts';
import { requirementsOf } from './requirements.ts';
import type { ProxmoxSnapshot } from './snapshot.ts';
import { inScope, stepsOf, type VmStepState } from './steps.ts';
import { allocates, keepAsStored, mergeStored } from './stored-values.ts';
import { checkVm } from './vm-checks.ts';
import { composeOptions } from './vm-options.ts';

/** Intent and snapshot to a plan. See the translator contract. */
export function plan(intent: GpuVm, snapshot: ProxmoxSnapshot, options: PlanOptions = {}): Plan {
  const native = readProviderOptions(intent);
  const report = createReport();
  const vm = findVm(intent, native, snapshot, options.vm);
  const create = vm === undefined && options.vm === undefined;
  const current = vm?.config ?? {};
  const { spec } = intent;
  const node = chooseNode(intent, native, snapshot, vm, options, report);
  const context: GpuContext = {
    nodes: snapshot.nodes,
    node,
    mappings: snapshot.mappings,
    native,
    catalog: options.catalog,
    report,
  };
  const gpus = resolveGpus(spec.gpus ?? [], context);
  const attachment = !create && isAttachment(intent);
  const composed = attachment
    ? {}
    : composeOptions(intent, native, {
        create,
        storage: native.storage ?? defaultStorage(snapshot, node),
        numaNode: numaNodeOf(gpus.devices, node),
        report,
      });
  const overrides = Object.entries(native.options ?? {});
  const said: Record<string, string> = create ? { ...composed } : mergeStored(composed, current);
  for (const [key, value] of overrides) {
    if (value === null) delete said[key];
    else said[key] = typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
  }
  const machine = said.machine ?? current.machine ?? '';
  const devices = gpus.devices.map((device) => withBus(device, machine));
  const slots =
    spec.gpus === undefined
      ? { options: {}, remove: [], left: [] }
      : assignSlots(
          devices,
          current,
          hostPciOverrides(said),
          gpuClassifier(node, snapshot.mappings, node?.pci === undefined),
        );
  for (const device of slots.left) {
    report.add('blocked', 'no-hostpci-left', device.path, 'the VM has no free hostpci option (there are 16)');
  }
  const managed: VmOptions = { ...keepAsStored(said, current, report), ...slots.options };
  const remove = slots.remove.filter((key) => managed[key] === undefined);
  const vmid = vm?.vmid ?? native.vmid ?? vmidOf(options.vm);
  const state: VmStepState = {
    ...(node ? { node: node.name } : native.node === undefined ? {} : { node: native.node }),
    ...(vmid === undefined ? {} : { vmid }),
    request: create ? 'create' : allocates(managed, current) ? 'POST' : 'PUT',
    options: managed,
    delete: remove,
  };
  if (!create && vmid === undefined) {
    report.add(
      'blocked',
      'vmid-unknown',
      'metadata.name',
      `the id of VM ${options.vm} is not known`,
      'name the VM by its id, or give a snapshot that lists the VMs',
    );
  }
  const sameName =
    vm?.name === undefined || vm.name === intent.metadata.name || vm.name === native.options?.name;
  if (options.vm === undefined && !sameName) {
    report.add(
      'blocked',
      'vmid-taken',
      'spec.providerOptions.proxmox.vmid',
      `${vm?.vmid} is VM ${vm?.name}, not ${intent.metadata.name}`,
      'choose another id, or name the VM to be changed',
    );
  }
  checkVm({
    state,
    current,
    create,
    vm,
    devices,
    snapshot,
    node,
    mappings: gpus.mappings,
    scope: options.scope,
    report,
  });
  // A gap at one VM's configuration says nothing about this plan, unless it is the VM that is meant.
  for (const { path, why, needs } of snapshot.gaps ?? []) {
    if (path.startsWith('vms.') && path !== `vms.${vmid}.config`) continue;
    report.add(
      'approximated',
      'not-read',
      'spec.gpus',
      `${path} could not be read, so nothing is checked against it: ${why}`,
      needs === undefined ? undefined : `the caller needs ${needs}`,
    );
  }
  const steps = stepsOf(intent, native, snapshot, gpus.mappings, state, vm, create);
  return deepFreeze({
    apiVersion,
    kind: 'Plan',
    platform: 'proxmox',
    platformVersion: snapshot.version,
    vm: intent.metadata.name,
    steps: inScope(steps, options),
    // Where the VM's disks go is of no matter to who applies the platform's steps alone.
    diagnostics:
      options.scope === 'platform'
        ? report.diagnostics.filter(({ code }) => code !== 'proxmox.storage-unknown')
        : report.diagnostics,
    requirements: requirementsOf(intent, devices, node, native),
  });
}

/** On q35 a GPU belongs on a PCI Express port; Intel's mediated and legacy devices do not. */
function withBus(wanted: WantedDevice, machine: string): WantedDevice {
  const { device } = wanted;
  const plain = device['legacy-igd'] || device.mdev?.startsWith('i915-');
  if (device.pcie !== undefined || plain || !/(^|=|-)q35/.test(machine)) return wanted;
  return { ...wanted, device: { ...device, pcie: true } };
}

function hostPciOverrides(said: VmOptions): VmOptions {
  return Object.fromEntries(Object.entries(said).filter(([key]) => /^hostpci\d+$/.test(key)));
}
