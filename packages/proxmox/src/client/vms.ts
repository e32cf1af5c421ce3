/** Virtual machines. Source: qemu-server 9.2.6, `PVE::API2::Qemu`; pve-manager 9.2.11, `PVE::API2::Cluster`. */
import { type CallOptions, isVmgpuError } from '@vmgpu/core';
import type { VmOptions } from '../translate/option-text.ts';
import { optionsAsText } from '../translate/snapshot.ts';
import { at, type PvePort } from './port.ts';

/** Where a VM lies. */
export interface VmPlace {
  readonly node: string;
  readonly vmid: number;
}

export interface VmItem extends VmPlace {
  readonly name?: string;
  readonly status?: string;
  /** With semicolons between. */
  readonly tags?: string;
}

export interface VmConfigAnswer {
  /** All as text; `digest` apart. */
  readonly options: VmOptions;
  readonly digest: string;
}

/** One option of a VM as it is and as the next start makes it. */
export interface PendingItem {
  readonly key: string;
  readonly value?: string | number;
  readonly pending?: string | number;
  /** 1 when it goes at the next start, 2 when by force. */
  readonly delete?: number;
}

/** VMs of the whole cluster that the caller may see. `GET /cluster/resources`; filtered by VM.Audit. */
export async function listVms(pve: PvePort, options: CallOptions = {}): Promise<readonly VmItem[]> {
  const items = await pve.get<readonly (VmItem & { readonly type?: string; readonly template?: number })[]>(
    at`/cluster/resources`,
    { ...options, parameters: { type: 'vm' } },
  );
  return items
    .filter(({ type, template }) => (type ?? 'qemu') === 'qemu' && !template)
    .sort((a, b) => a.vmid - b.vmid);
}

/** The lowest free id at this moment; another caller may get the same. `GET /cluster/nextid`; any user. */
export async function getNextVmid(pve: PvePort, options: CallOptions = {}): Promise<number> {
  return Number(await pve.get<string | number>(at`/cluster/nextid`, options));
}

/**
 * As the next start makes it; null when there is no such VM on the node. `GET /nodes/{node}/qemu/{vmid}/config`; VM.Audit on
 * /vms/{vmid}.
 */
export async function getVmConfig(
  pve: PvePort,
  { node, vmid }: VmPlace,
  options: CallOptions = {},
): Promise<VmConfigAnswer | null> {
  try {
    const answer = await pve.get<Readonly<Record<string, unknown>>>(
      at`/nodes/${node}/qemu/${vmid}/config`,
      options,
    );
    const { digest, ...rest } = answer;
    return { options: optionsAsText(rest), digest: String(digest ?? '') };
  } catch (error) {
    if (isVmgpuError(error) && error.code === 'not-found') return null;
    throw error;
  }
}

/** What runs beside what waits for the next start. `GET /nodes/{node}/qemu/{vmid}/pending`; VM.Audit. */
export function getVmPending(
  pve: PvePort,
  { node, vmid }: VmPlace,
  options: CallOptions = {},
): Promise<readonly PendingItem[]> {
  return pve.get(at`/nodes/${node}/qemu/${vmid}/pending`, options);
}

/**
 * A task (qmcreate). `POST /nodes/{node}/qemu`; VM.Allocate on /vms/{vmid} or on the pool, and what each option needs.
 */
export function createVm(
  pve: PvePort,
  { node, vmid }: VmPlace,
  vm: VmOptions,
  options: CallOptions = {},
): Promise<string> {
  return pve.post(at`/nodes/${node}/qemu`, { ...options, parameters: { ...vm, vmid } });
}

export interface VmChange {
  readonly options: VmOptions;
  readonly delete: readonly string[];
  /** Removes the volumes of deleted drives, too. */
  readonly force?: true;
  /** Refused when the configuration has changed since it was read. */
  readonly digest: string;
}

function changeParameters({ options, delete: remove, force, digest }: VmChange) {
  return { ...options, ...(remove.length > 0 ? { delete: remove.join(',') } : {}), force, digest };
}

/** At once, with its errors. `PUT /nodes/{node}/qemu/{vmid}/config`; a VM.Config privilege for each option. */
export async function updateVm(
  pve: PvePort,
  { node, vmid }: VmPlace,
  change: VmChange,
  options: CallOptions = {},
): Promise<void> {
  await pve.put(at`/nodes/${node}/qemu/${vmid}/config`, { ...options, parameters: changeParameters(change) });
}

/** The same as a task, for changes that make volumes. `POST /nodes/{node}/qemu/{vmid}/config`. */
export function updateVmInTask(
  pve: PvePort,
  { node, vmid }: VmPlace,
  change: VmChange,
  options: CallOptions = {},
): Promise<string> {
  const parameters = changeParameters(change);
  return pve.post(at`/nodes/${node}/qemu/${vmid}/config`, { ...options, parameters });
}

/** null when there is no such VM. `GET /nodes/{node}/qemu/{vmid}/status/current`; VM.Audit. */
export async function getVmStatus(
  pve: PvePort,
  { node, vmid }: VmPlace,
  options: CallOptions = {},
): Promise<'running' | 'stopped' | null> {
  try {
    const path = at`/nodes/${node}/qemu/${vmid}/status/current`;
    const { status } = await pve.get<{ readonly status: string }>(path, options);
    return status === 'running' ? 'running' : 'stopped';
  } catch (error) {
    if (isVmgpuError(error) && error.code === 'not-found') return null;
    throw error;
  }
}

/** A task (qmstart). `POST /nodes/{node}/qemu/{vmid}/status/start`; VM.PowerMgmt. */
export function startVm(pve: PvePort, { node, vmid }: VmPlace, options: CallOptions = {}): Promise<string> {
  return pve.post(at`/nodes/${node}/qemu/${vmid}/status/start`, options);
}

/**
 * A task (qmshutdown): asks the guest, and switches off when it has not followed within `seconds`.
 * `POST /nodes/{node}/qemu/{vmid}/status/shutdown`; VM.PowerMgmt.
 */
export function shutDownVm(
  pve: PvePort,
  { node, vmid }: VmPlace,
  seconds: number,
  options: CallOptions = {},
): Promise<string> {
  const parameters = { timeout: seconds, forceStop: true };
  return pve.post(at`/nodes/${node}/qemu/${vmid}/status/shutdown`, { ...options, parameters });
}

/** A task (qmdestroy): the VM, its volumes, and its place in jobs. `DELETE /nodes/{node}/qemu/{vmid}`; VM.Allocate. */
export function destroyVm(pve: PvePort, { node, vmid }: VmPlace, options: CallOptions = {}): Promise<string> {
  return pve.delete(at`/nodes/${node}/qemu/${vmid}`, { ...options, parameters: { purge: true } });
}
