/** What the cluster has and allows now, with no call that the plan does not need. */
import { apiVersion, type CallOptions, isVmgpuError, type Scope, VmgpuError, type VmRef } from '@vmgpu/core';
import type { MdevType, PciItem, ProxmoxNode } from '../translate/inventory.ts';
import type {
  ProxmoxCaller,
  ProxmoxSnapshot,
  ProxmoxStorage,
  ProxmoxVm,
  SnapshotGap,
} from '../translate/snapshot.ts';
import { atLeast } from '../translate/versions.ts';
import { getPermissions, getVersion } from './access.ts';
import { listMappings } from './mappings.ts';
import { listMdevTypes, listNodes, listPciDevices } from './nodes.ts';
import type { PvePort } from './port.ts';
import { listStorages } from './storage.ts';
import { getVmConfig, listVms, type VmItem } from './vms.ts';

/** Reads with retries, each call by itself. */
export type Reader = <T>(call: (pve: PvePort, options: CallOptions) => Promise<T>) => Promise<T>;

/** Versions that the adapter knows: PCI mappings came with 8.0. */
const oldest = '8.0';
const newestKnown = '9.2';

/** How many VMs' configurations are read at once. */
const readsAtOnce = 8;

/**
 * Reads what plans of this scope need. With `vm`, only that VM's configuration is read, and only its node's hardware;
 * without, all of them: then the snapshot says which devices are in use. What the caller may not see is named in `gaps`.
 */
export async function readSnapshot(
  read: Reader,
  user: string,
  scope: Scope,
  ref: VmRef | undefined,
): Promise<ProxmoxSnapshot> {
  const gaps: SnapshotGap[] = [];
  const { version, release } = await read((pve, options) => getVersion(pve, options));
  checkVersion(version, gaps);
  const privileges = await read((pve, options) => getPermissions(pve, options));
  const [nodeItems, mappings, vmItems, storages] = await Promise.all([
    read((pve, options) => listNodes(pve, options)),
    read((pve, options) => listMappings(pve, undefined, options)),
    read((pve, options) => listVms(pve, options)),
    read((pve, options) => listStorages(pve, options)),
  ]);
  const wanted = vmItems.filter((vm) => ref === undefined || isMeant(vm, ref));
  const vms = await readVms(read, vmItems, wanted, gaps);
  const online = nodeItems.filter(({ status }) => status === 'online').map(({ node }) => node);
  for (const { node, status } of nodeItems) {
    if (status !== 'online') gaps.push({ path: `nodes.${node}`, why: `the node is ${status}` });
  }
  const home = ref && wanted.length === 1 ? wanted[0]?.node : undefined;
  const nodes = await readNodes(read, online.sort(), home, { user, privileges }, gaps);
  if (scope === 'platform' && !mayAny({ user, privileges }, /^\/(mapping(\/pci)?)?$/, ['Mapping.Modify'])) {
    gaps.push({
      path: 'mappings',
      why: 'only mappings that the caller may use are listed',
      needs: 'Mapping.Modify on /mapping/pci',
    });
  }
  return {
    apiVersion,
    kind: 'ProxmoxSnapshot',
    version: version ?? release,
    nodes,
    mappings: [...mappings].sort((a, b) => (a.id < b.id ? -1 : 1)),
    vms,
    storages: storages
      .filter(({ disable }) => !disable)
      .map(plainStorage)
      .sort((a, b) => (a.storage < b.storage ? -1 : 1)),
    caller: { user, privileges },
    ...(gaps.length > 0 ? { gaps } : {}),
  };
}

function checkVersion(version: string, gaps: SnapshotGap[]): void {
  if (!atLeast(version, oldest)) {
    throw new VmgpuError('unsupported', 'this version of Proxmox VE is too old', {
      found: version,
      expected: `${oldest} or newer, which have PCI mappings`,
    });
  }
  const [major = '', minor = ''] = version.split('.');
  if (!atLeast(newestKnown, `${major}.${minor}`)) {
    gaps.push({
      path: 'version',
      why: `${version} is newer than ${newestKnown}, the newest version that is known`,
    });
  }
}

function isMeant(vm: VmItem, { name, in: node }: VmRef): boolean {
  return (String(vm.vmid) === name || vm.name === name) && (node === undefined || vm.node === node);
}

/** The VMs that name a PCI mapping, among those that the caller may see. */
export async function vmsUsingMapping(read: Reader, id: string): Promise<readonly number[]> {
  const items = await read((pve, options) => listVms(pve, options));
  const vms = await readVms(read, items, items, []);
  const named = new RegExp(`(^|,)mapping=${id}(,|$)`);
  return vms
    .filter(({ config }) =>
      Object.entries(config).some(([key, value]) => /^hostpci\d+$/.test(key) && named.test(value ?? '')),
    )
    .map(({ vmid }) => vmid);
}

async function readVms(
  read: Reader,
  items: readonly VmItem[],
  wanted: readonly VmItem[],
  gaps: SnapshotGap[],
): Promise<readonly ProxmoxVm[]> {
  const configs = new Map<number, Pick<ProxmoxVm, 'config' | 'digest'>>();
  const queue = [...wanted];
  const work = async () => {
    for (let item = queue.shift(); item; item = queue.shift()) {
      const { vmid } = item;
      const place = item;
      try {
        const answer = await read((pve, options) => getVmConfig(pve, place, options));
        if (answer) configs.set(vmid, { config: answer.options, digest: answer.digest });
      } catch (error) {
        if (!isVmgpuError(error) || !['permission-denied', 'unreachable'].includes(error.code)) throw error;
        gaps.push({ path: `vms.${vmid}.config`, why: error.message });
      }
    }
  };
  await Promise.all(Array.from({ length: readsAtOnce }, work));
  return items.map(({ vmid, node, name, status, tags }) => ({
    vmid,
    node,
    ...(name === undefined ? {} : { name }),
    ...(status === 'running' || status === 'stopped' ? { status } : {}),
    // Of VMs that were not asked for the list tells the tags alone.
    ...(configs.get(vmid) ?? { config: tags === undefined ? {} : { tags } }),
  }));
}

async function readNodes(
  read: Reader,
  names: readonly string[],
  home: string | undefined,
  caller: ProxmoxCaller,
  gaps: SnapshotGap[],
): Promise<readonly ProxmoxNode[]> {
  if (!mayAny(caller, /^\/$/, ['Sys.Audit', 'Sys.Modify'])) {
    if (names.length > 0) {
      gaps.push({
        path: 'nodes',
        why: 'the nodes’ hardware is not shown; name GPUs by their mapping',
        needs: 'Sys.Audit on /',
      });
    }
    return names.map((name) => ({ name }));
  }
  return Promise.all(
    names.map(async (name): Promise<ProxmoxNode> => {
      if (home !== undefined && home !== name) return { name };
      try {
        const items = await read((pve, options) => listPciDevices(pve, name, options));
        const pci = [...items].sort((a, b) => (a.id < b.id ? -1 : 1));
        const mdevTypes = await readMdevTypes(read, name, pci);
        return { name, pci, ...(Object.keys(mdevTypes).length > 0 ? { mdevTypes } : {}) };
      } catch (error) {
        if (!isVmgpuError(error) || error.code !== 'unreachable') throw error;
        gaps.push({ path: `nodes.${name}.pci`, why: error.message });
        return { name };
      }
    }),
  );
}

/** One list for each card: the virtual functions of one offer the same, those that are taken nothing. */
async function readMdevTypes(
  read: Reader,
  node: string,
  pci: readonly PciItem[],
): Promise<Readonly<Record<string, readonly MdevType[]>>> {
  const cards = new Map<string, PciItem[]>();
  for (const item of pci.filter(({ mdev }) => mdev)) {
    const card = item.physfn ?? item.id;
    cards.set(card, [...(cards.get(card) ?? []), item]);
  }
  const types: Record<string, readonly MdevType[]> = {};
  for (const functions of cards.values()) {
    for (const { id } of functions) {
      const offered = await read((pve, options) => listMdevTypes(pve, node, id, options));
      if (offered.length === 0) continue;
      types[id] = offered;
      break;
    }
  }
  return types;
}

function mayAny(caller: ProxmoxCaller, path: RegExp, anyOf: readonly string[]): boolean {
  if (caller.user === 'root@pam') return true;
  return Object.entries(caller.privileges ?? {}).some(
    ([at, privileges]) => path.test(at) && anyOf.some((privilege) => privileges.includes(privilege)),
  );
}

function plainStorage({
  storage,
  content = '',
  nodes,
}: {
  storage: string;
  content?: string;
  nodes?: string;
}): ProxmoxStorage {
  return {
    storage,
    content,
    ...(nodes === undefined || nodes === '' ? {} : { nodes: nodes.split(/[,; ]+/) }),
  };
}
