/** Where the VM is or goes: the VM that is meant, its node, a storage for its disks. */
import { type GpuVm, type PlanOptions, VmgpuError } from '@vmgpu/core';
import { createReport, type Report } from './diagnostics.ts';
import { resolveGpus, type WantedDevice } from './gpu-devices.ts';
import type { ProxmoxNode } from './inventory.ts';
import type { ProxmoxOptions } from './provider-options.ts';
import type { ProxmoxSnapshot, ProxmoxVm } from './snapshot.ts';

/** The VM that is named, or the one that an earlier run of the same plan made. */
export function findVm(
  intent: GpuVm,
  native: ProxmoxOptions,
  snapshot: ProxmoxSnapshot,
  reference: string | undefined,
): ProxmoxVm | undefined {
  const { vms } = snapshot;
  if (reference === undefined) {
    const marked = vms?.filter(
      (vm) => vm.name === intent.metadata.name && /\bvmgpu\b/.test(vm.config.tags ?? ''),
    );
    return (
      vms?.find((vm) => vm.vmid === native.vmid) ?? (native.vmid === undefined ? marked?.[0] : undefined)
    );
  }
  if (vms === undefined) return undefined;
  const found = vms.filter((vm) => String(vm.vmid) === reference || vm.name === reference);
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    throw new VmgpuError('conflict', `${found.length} VMs are called ${reference}`, {
      hint: `name one by its id: ${found.map((vm) => vm.vmid).join(', ')}`,
    });
  }
  throw new VmgpuError('not-found', `there is no VM ${reference}`, {
    expected: 'the id or name of a VM of this cluster',
  });
}

export function vmidOf(reference: string | undefined): number | undefined {
  return reference !== undefined && /^[1-9]\d{2,8}$/.test(reference) ? Number(reference) : undefined;
}

export function chooseNode(
  intent: GpuVm,
  native: ProxmoxOptions,
  snapshot: ProxmoxSnapshot,
  vm: ProxmoxVm | undefined,
  options: PlanOptions,
  report: Report,
): ProxmoxNode | undefined {
  const { nodes } = snapshot;
  const wanted = vm?.node ?? native.node;
  if (wanted !== undefined) {
    const found = nodes.find((node) => node.name === wanted);
    if (found || nodes.length === 0) return found;
    throw new VmgpuError('not-found', `there is no node ${wanted}`, {
      where: { path: 'spec.providerOptions.proxmox.node' },
      expected: `one of ${nodes.map((node) => node.name).join(', ')}`,
    });
  }
  const [first] = nodes;
  if (nodes.length <= 1) return first;
  const problems = (node: ProxmoxNode) => {
    const trial = createReport();
    resolveGpus(intent.spec.gpus ?? [], {
      nodes: [node],
      node,
      mappings: snapshot.mappings,
      native,
      catalog: options.catalog,
      report: trial,
    });
    return trial.diagnostics.filter(({ kind }) => kind === 'blocked').map(({ message }) => message);
  };
  const tried = nodes.map((node) => ({ node, lacks: problems(node) }));
  const [best] = [...tried].sort((a, b) => a.lacks.length - b.lacks.length);
  if (best && best.lacks.length > 0) {
    report.add(
      'blocked',
      'no-node-fits',
      'spec.gpus',
      `no node has everything that is asked for. ${tried.map(({ node, lacks }) => `${node.name}: ${lacks[0]}`).join('. ')}`,
      'the remarks below are about the node that comes nearest; providerOptions.proxmox.node chooses another',
    );
  }
  return best?.node;
}

export function defaultStorage(snapshot: ProxmoxSnapshot, node: ProxmoxNode | undefined): string | undefined {
  return snapshot.storages?.find(
    ({ content, nodes }) =>
      content.split(',').includes('images') && (!nodes || !node || nodes.includes(node.name)),
  )?.storage;
}

export function numaNodeOf(
  devices: readonly WantedDevice[],
  node: ProxmoxNode | undefined,
): number | undefined {
  const known = devices.flatMap(({ candidates }) => candidates.map(({ id }) => node?.numaNodes?.[id]));
  return new Set(known).size === 1 ? known[0] : undefined;
}
