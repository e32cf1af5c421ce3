import { VmgpuError } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { buildGpus, type PlacedGpu } from './gpus.ts';
import { compact, type Json, listAt, type Manifest, nest, textAt } from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';
import { isGpuResource } from './reverse-names.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

/**
 * The VM that a reference (`name` or `namespace/name`) means; undefined when the snapshot holds no VMs at all. Throws
 * `not-found` when it holds some, but not this one, and `unknown-name` when several namespaces have one of the name.
 */
export function findVm(
  { virtualMachines }: KubeVirtSnapshot,
  options: KubeVirtOptions,
  reference: string,
): Manifest | undefined {
  if (virtualMachines === undefined) return undefined;
  const [name, namespace = options.namespace] = reference.split('/').reverse();
  const found = virtualMachines.filter(
    ({ metadata }) =>
      metadata?.name === name && (namespace === undefined || metadata?.namespace === namespace),
  );
  if (found.length === 1) return found[0];
  const where = found.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`).join(', ');
  throw found.length === 0
    ? new VmgpuError('not-found', `no VM ${reference} in the snapshot`)
    : new VmgpuError('unknown-name', `several VMs are called ${name}`, {
        found: where,
        expected: 'namespace/name',
      });
}

/**
 * A merge patch that changes a VM's GPUs and nothing else; null takes a list away. Host devices that are no GPUs stay:
 * the list is atomic, so they are repeated.
 */
export function attach(
  existing: Manifest | undefined,
  vm: { name: string; namespace: string; kind: string | undefined; entries: readonly Json[] },
  placed: readonly PlacedGpu[],
  options: KubeVirtOptions,
  report: Report,
): Manifest {
  const kind = existing?.kind ?? vm.kind ?? 'VirtualMachine';
  const path = kind === 'VirtualMachine' ? ['spec', 'template', 'spec'] : ['spec'];
  const lists = buildGpus(placed, options, report);
  const had = listAt(existing, ...path, 'domain', 'devices', 'hostDevices');
  const others = had.filter((entry) => !isGpuResource(textAt(entry, 'deviceName') ?? ''));
  const hostDevices = [...others, ...lists.hostDevices];
  const touchesHostDevices = hostDevices.length !== others.length || others.length !== had.length;
  const devices = compact({
    gpus: lists.gpus.length > 0 ? lists.gpus : null,
    hostDevices: touchesHostDevices ? (hostDevices.length > 0 ? hostDevices : null) : undefined,
  });
  if (kind === 'VirtualMachineInstance') {
    report(
      'blocked',
      'attach-instance',
      'spec.gpus',
      'the devices of a VirtualMachineInstance cannot change',
      'make it anew',
    );
  }
  const { name, namespace } = vm;
  return {
    apiVersion: existing?.apiVersion ?? 'kubevirt.io/v1',
    kind,
    metadata: { name, namespace },
    ...nest(
      { domain: { devices }, ...(vm.entries.length > 0 ? { resourceClaims: vm.entries } : {}) },
      ...path,
    ),
  };
}
