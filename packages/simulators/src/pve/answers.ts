import { type Caller, privilegesOn } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { findNode } from './hardware.ts';
import { type ClusterState, qemuMachine } from './state.ts';
import { summary } from './vms.ts';

/** One request to a route, authenticated. */
export interface RouteCall {
  readonly state: ClusterState;
  readonly caller: Caller;
  readonly params: Params;
  readonly now: number;
  readonly taskMs: number;
  /** Parts of the path that the pattern names, percent-decoded. */
  readonly path: Readonly<Record<string, string>>;
  /** SHA-256 of the certificate, where TLS is spoken. */
  readonly fingerprint: string | undefined;
}

const node = (call: RouteCall) => findNode(call.state, call.path.node ?? '');

export function version(state: ClusterState) {
  const [major = '9', minor = '0', patch = '11'] = state.version.split('.');
  return { release: `${major}.${minor}`, version: `${major}.${minor}.${patch}`, repoid: 'simulated' };
}

/** A free id: the wanted one, or the lowest from 100. Taken is a 400. */
export function nextId(state: ClusterState, params: Params): string {
  const taken = new Set(state.vms.map((vm) => vm.vmid));
  if (params.vmid !== undefined) {
    if (taken.has(Number(params.vmid)))
      throw badParameters({ vmid: `VM ${String(params.vmid)} already exists` });
    return String(params.vmid);
  }
  let id = 100;
  while (taken.has(id)) id += 1;
  return String(id);
}

export function listNodes({ state, fingerprint }: RouteCall): unknown {
  return state.nodes.map(({ name, online }) => ({
    id: `node/${name}`,
    node: name,
    type: 'node',
    status: online === false ? 'offline' : 'online',
    ...(fingerprint === undefined ? {} : { ssl_fingerprint: fingerprint }),
  }));
}

/** What the caller may see of VMs, nodes and storages. */
export function clusterResources({ state, caller, params }: RouteCall): unknown {
  const vms = state.vms
    .filter((vm) => privilegesOn(state, caller, `/vms/${vm.vmid}`).has('VM.Audit'))
    .map((vm) => ({ id: `qemu/${vm.vmid}`, type: 'qemu', node: vm.node, ...summary(vm) }));
  const nodes = state.nodes
    .filter(({ name }) => privilegesOn(state, caller, `/nodes/${name}`).has('Sys.Audit'))
    .map(({ name, online }) => ({
      id: `node/${name}`,
      type: 'node',
      node: name,
      status: online === false ? 'offline' : 'online',
    }));
  const stores = visibleStorages({ state, caller }).flatMap(({ storage }) =>
    state.nodes.map(({ name }) => ({
      id: `storage/${name}/${storage}`,
      type: 'storage',
      node: name,
      storage,
      status: 'available',
    })),
  );
  const kinds: Readonly<Record<string, readonly unknown[]>> = {
    vm: vms,
    node: nodes,
    storage: stores,
    sdn: [],
  };
  return params.type === undefined ? [...vms, ...nodes, ...stores] : kinds[String(params.type)];
}

/** Newest machine versions of the QEMU that goes with the release. */
export function machines(call: RouteCall): unknown {
  const { state } = call;
  node(call);
  const newest = qemuMachine(state);
  return ['i440fx', 'q35'].map((type) => ({ id: `pc-${type}-${newest}`, type, version: newest }));
}

export function storages(call: RouteCall): unknown {
  node(call);
  const { content, storage } = call.params;
  return visibleStorages(call)
    .filter((one) => storage === undefined || one.storage === storage)
    .filter((one) => content === undefined || one.content.split(',').includes(String(content)))
    .map(({ storage: name, content: kinds, type }) => ({
      storage: name,
      content: kinds,
      type,
      active: 1,
      enabled: 1,
      shared: 0,
      total: 1099511627776,
      used: 109951162777,
      avail: 989560464999,
    }));
}

export function visibleStorages({ state, caller }: Pick<RouteCall, 'state' | 'caller'>) {
  return state.storages.filter(({ storage }) => {
    const own = privilegesOn(state, caller, `/storage/${storage}`);
    return own.has('Datastore.Audit') || own.has('Datastore.AllocateSpace');
  });
}

/** Snippets that the scenario puts there; nothing else lies on a simulated storage. */
export function storageContent(call: RouteCall): unknown {
  node(call);
  const { storage = '' } = call.path;
  const found = call.state.storages.find((one) => one.storage === storage);
  if (!found) throw refuse(`storage '${storage}' does not exist\n`);
  return (found.snippets ?? []).map((file) => ({
    volid: `${storage}:snippets/${file}`,
    content: 'snippets',
  }));
}

export function networks(call: RouteCall): unknown {
  node(call);
  const bridges = [{ iface: 'vmbr0', type: 'bridge', active: 1, autostart: 1, bridge_ports: 'eno1' }];
  const wanted = String(call.params.type ?? 'bridge');
  return wanted === 'bridge' || wanted.startsWith('any') ? bridges : [];
}
