/** Nodes and their hardware. Source: pve-manager 9.2.11, `PVE::API2::Nodes`, `PVE::API2::Hardware::PCI`, `PVE::Report`. */
import type { CallOptions } from '@vmgpu/core';
import type { MdevType, PciItem } from '../translate/inventory.ts';
import { at, type PvePort } from './port.ts';

export interface NodeItem {
  readonly node: string;
  readonly status: 'online' | 'offline' | 'unknown';
  /** SHA-256 of the node's certificate. */
  readonly ssl_fingerprint?: string;
}

export interface NodeStatus {
  readonly pveversion?: string;
  readonly 'boot-info'?: { readonly mode?: 'efi' | 'legacy-bios'; readonly secureboot?: number };
  readonly 'current-kernel'?: { readonly release?: string };
  readonly cpuinfo?: { readonly model?: string; readonly sockets?: number; readonly cpus?: number };
  readonly memory?: { readonly total?: number; readonly free?: number };
}

/** `GET /nodes`; any user. */
export function listNodes(pve: PvePort, options: CallOptions = {}): Promise<readonly NodeItem[]> {
  return pve.get(at`/nodes`, options);
}

/** `GET /nodes/{node}/status`; Sys.Audit on /nodes/{node}. */
export function getNodeStatus(pve: PvePort, node: string, options: CallOptions = {}): Promise<NodeStatus> {
  return pve.get(at`/nodes/${node}/status`, options);
}

/** `GET /nodes/{node}/report`; Sys.Audit on /nodes/{node}. Takes seconds; holds configurations: never log it. */
export function getNodeReport(pve: PvePort, node: string, options: CallOptions = {}): Promise<string> {
  return pve.get(at`/nodes/${node}/report`, options);
}

/** Every PCI function, bridges too. `GET /nodes/{node}/hardware/pci`; Sys.Audit or Sys.Modify on `/`. */
export function listPciDevices(
  pve: PvePort,
  node: string,
  options: CallOptions = {},
): Promise<readonly PciItem[]> {
  const parameters = { 'pci-class-blacklist': '' };
  return pve.get(at`/nodes/${node}/hardware/pci`, { ...options, parameters });
}

/** Mediated types of a device, by address. `GET /nodes/{node}/hardware/pci/{pci-id-or-mapping}/mdev`; as the list. */
export function listMdevTypes(
  pve: PvePort,
  node: string,
  address: string,
  options: CallOptions = {},
): Promise<readonly MdevType[]> {
  return pve.get(at`/nodes/${node}/hardware/pci/${address}/mdev`, options);
}
