import { basename } from 'node:path';
import { badInput, type HostInventory, type PlatformName, type SourceFile } from '@vmgpu/core';
import type { Manifest } from '@vmgpu/kubevirt/translate';
import { parseYamlDocuments } from './yaml-input.ts';

/** A VM in its platform's own form, and what else the files said that helps to read it. */
export interface NativeInput {
  readonly native: unknown;
  readonly snapshot: unknown;
}

/**
 * Sorts files of one platform into the VM and what surrounds it. Throws `bad-input` when they hold no VM, or several and
 * no `vm` says which.
 */
export async function readNative(
  platform: PlatformName,
  files: readonly SourceFile[],
  hosts: readonly HostInventory[],
  vm?: string,
): Promise<NativeInput> {
  switch (platform) {
    case 'kubevirt':
      return kubevirtInput(files, hosts, vm);
    case 'openstack':
      return openstackInput(files, hosts);
    case 'proxmox':
      return proxmoxInput(files, hosts);
  }
}

async function kubevirtInput(
  files: readonly SourceFile[],
  hosts: readonly HostInventory[],
  vm: string | undefined,
): Promise<NativeInput> {
  const { isCompanion, isExpandedTwin, offlineSnapshot } = await import('@vmgpu/kubevirt/translate');
  const documents = files
    .flatMap((file) => parseYamlDocuments(file.text, file.path))
    .flatMap((document) => (document as { items?: unknown[] }).items ?? [document]) as Manifest[];
  const ofKind = (...kinds: string[]) => documents.filter(({ kind }) => kinds.includes(kind ?? ''));
  const named = ofKind('VirtualMachine', 'VirtualMachineInstance').filter(
    ({ metadata }) => vm === undefined || metadata?.name === vm,
  );
  const twins = named.filter((one) => named.some((other) => isExpandedTwin(one, other)));
  const vms = named.filter((one) => !twins.includes(one));
  const instancetypes = [...documents.filter(isCompanion), ...twins];
  const [hco] = ofKind('HyperConverged');
  const crs = ofKind('KubeVirt');
  const snapshot = offlineSnapshot({
    hosts,
    ...(crs.length > 0 ? { crs } : {}),
    ...(hco === undefined ? {} : { hco }),
    ...(instancetypes.length > 0 ? { instancetypes } : {}),
  });
  const names = vms.map(({ metadata }) => metadata?.name ?? '(no name)');
  return { native: single(vms, names, 'VirtualMachine or VirtualMachineInstance', files), snapshot };
}

async function openstackInput(
  files: readonly SourceFile[],
  hosts: readonly HostInventory[],
): Promise<NativeInput> {
  const { offlineSnapshot, parseNative } = await import('@vmgpu/openstack/translate');
  const documents = files.filter(({ path }) => !isNovaConf(path));
  const merged: Record<string, unknown> = {};
  for (const file of documents) {
    for (const document of parseYamlDocuments(file.text, file.path)) Object.assign(merged, document);
  }
  const config = files
    .filter(({ path }) => isNovaConf(path))
    .map(({ path, text }) => ({ service: novaServiceOf(path), text }));
  return {
    native: parseNative({ ...merged, ...(config.length > 0 ? { config } : {}) }),
    snapshot: offlineSnapshot({ hosts }),
  };
}

function isNovaConf(path: string): boolean {
  return path.endsWith('.conf');
}

/** `nova.conf` of a compute host holds everything a server needs to be read; other names say their service. */
function novaServiceOf(path: string): string {
  return /nova-(api|scheduler|conductor)/.exec(basename(path))?.[0] ?? 'nova-compute';
}

async function proxmoxInput(
  files: readonly SourceFile[],
  hosts: readonly HostInventory[],
): Promise<NativeInput> {
  const { offlineSnapshot, parsePciConfig } = await import('@vmgpu/proxmox/translate');
  const mappings = files
    .filter(({ path }) => basename(path) === 'pci.cfg')
    .flatMap(({ path, text }) => parsePciConfig(text, path));
  const vms = files.filter(({ path }) => basename(path) !== 'pci.cfg');
  const file = single(
    vms,
    vms.map(({ path }) => path),
    'VM configuration (NNN.conf)',
    files,
  ) as SourceFile;
  const vmid = Number(/(\d{3,9})\.conf$/.exec(file.path)?.[1]);
  const [host] = hosts;
  return {
    native: {
      config: file.text,
      ...(Number.isNaN(vmid) ? {} : { vmid }),
      ...(hosts.length === 1 && host ? { node: host.host } : {}),
    },
    snapshot: offlineSnapshot({ hosts, ...(mappings.length > 0 ? { mappings } : {}) }),
  };
}

function single<T>(
  found: readonly T[],
  names: readonly string[],
  what: string,
  files: readonly SourceFile[],
): T {
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  throw badInput(found.length === 0 ? 'no VM in what was given' : 'more than one VM in what was given', {
    where: { file: files.map(({ path }) => path).join(', ') },
    found: names.join(', ') || 'none',
    expected: `one ${what}`,
    ...(found.length > 1 ? { hint: 'say which with --vm NAME, or give one file' } : {}),
  });
}
