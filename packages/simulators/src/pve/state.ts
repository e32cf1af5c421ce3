import { createHash, randomUUID } from 'node:crypto';
import type { MappingState, MdevType, NodeScenario, Scenario, UserScenario } from './scenario.ts';

/** One VM as it lies in `NNN.conf`, and what runs. */
export interface VmState {
  readonly vmid: number;
  readonly node: string;
  config: Record<string, string>;
  /** Values that wait for the next full stop and start; null: the option goes away. */
  pending: Record<string, string | null>;
  /** Options the running machine was started with; undefined while it is stopped. */
  running: Record<string, string> | undefined;
}

export interface TaskState {
  readonly upid: string;
  readonly node: string;
  readonly type: string;
  readonly id: string;
  readonly user: string;
  readonly pid: number;
  /** Milliseconds of the simulator's clock. */
  readonly startedAt: number;
  readonly endsAt: number;
  log: string[];
  exitstatus: string | undefined;
}

/** Everything that changes. JSON. */
export interface ClusterState {
  version: string;
  nodes: NodeScenario[];
  mappings: MappingState[];
  users: UserScenario[];
  storages: Scenario['storages'];
  vms: VmState[];
  tasks: TaskState[];
  /** Devices that running VMs hold: `node/address` or `node/address/type#n` to vmid. */
  reservations: Record<string, number>;
  tickets: Record<string, { readonly user: string; readonly csrf: string; readonly expires: number }>;
  counter: number;
}

export function createState(scenario: Scenario): ClusterState {
  return {
    version: scenario.version,
    nodes: structuredClone(scenario.nodes) as NodeScenario[],
    mappings: structuredClone(scenario.mappings) as MappingState[],
    users: structuredClone(scenario.users) as UserScenario[],
    storages: scenario.storages,
    vms: [],
    tasks: [],
    reservations: {},
    tickets: {},
    counter: 0,
  };
}

/** `/etc/pve/qemu-server/NNN.conf`: descriptions above, options by name, what waits in its own section. */
export function vmFile(vm: VmState): string {
  const { description, ...options } = vm.config;
  const lines = (values: Readonly<Record<string, string>>) =>
    Object.keys(values)
      .sort()
      .map((key) => `${key}: ${values[key]}\n`)
      .join('');
  const about = (description ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `#${encodeURI(line)}\n`)
    .join('');
  const waiting = Object.entries(vm.pending);
  if (waiting.length === 0) return about + lines(options);
  const gone = waiting.filter(([, value]) => value === null).map(([key]) => key);
  const next = Object.fromEntries(waiting.flatMap(([key, value]) => (value === null ? [] : [[key, value]])));
  const deletes = gone.length === 0 ? '' : `delete: ${gone.sort().join(',')}\n`;
  return `${about}${lines(options)}\n[PENDING]\n${deletes}${lines(next)}`;
}

/** SHA-1 of the file's text, as qemu-server 9.2.6 makes it: any write changes it. */
export function vmDigest(vm: VmState): string {
  return sha1(vmFile(vm));
}

/** `/etc/pve/mapping/pci.cfg`, options in the order in which they lie in the state. */
export function mappingFile({ mappings }: Pick<ClusterState, 'mappings'>): string {
  const lines = ({ id, ...options }: MappingState) =>
    [
      id,
      ...Object.entries(options).flatMap(([key, value]) =>
        Array.isArray(value) ? value.map((entry) => `\t${key} ${entry}`) : [`\t${key} ${value}`],
      ),
    ].join('\n');
  return `${mappings.map(lines).join('\n\n')}\n`;
}

/** SHA-1 of the file's text, as PVE::SectionConfig makes it: any write changes it, to other entries too. */
export function mappingDigest(state: ClusterState): string {
  return sha1(mappingFile(state));
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

/** The newest machine version of the QEMU that goes with the release. */
export function qemuMachine(state: Pick<ClusterState, 'version'>): string {
  if (atLeast(state, '9.2')) return '11.0+pve2';
  if (atLeast(state, '9.0')) return '10.1+pve0';
  return atLeast(state, '8.4') ? '9.2+pve1' : '8.1+pve0';
}

export function newUuid(): string {
  return randomUUID();
}

/** Is the release at least this one? `8.4`, `9.2.6`. */
export function atLeast(state: Pick<ClusterState, 'version'>, wanted: string): boolean {
  const [a, b] = [state.version, wanted].map((version) => version.split('.').map(Number));
  for (let index = 0; index < Math.max(a?.length ?? 0, b?.length ?? 0); index += 1) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * Types a function offers now. A virtual function that carries a vGPU offers none; a card carries NVIDIA vGPUs of one size
 * at a time, and no more than fit; other vendors' instances only count down.
 */
export function offeredTypes(state: ClusterState, node: NodeScenario, address: string): readonly MdevType[] {
  const device = node.devices.find(({ id }) => id === address);
  const types = node.mdevTypes[address] ?? [];
  const nvidia = device?.vendor === '0x10de';
  const perFunction = nvidia && device?.nvidia !== undefined;
  const held = heldTypes(state, node, (id) => id === address);
  if (perFunction && held.length > 0) return [];
  if (!nvidia)
    return types.map((type) => ({ ...type, available: Math.max(0, type.available - held.length) }));
  const card = device?.physfn ?? address;
  const onCard = heldTypes(
    state,
    node,
    (id) => (node.devices.find((one) => one.id === id)?.physfn ?? id) === card,
  );
  const running = types.find(({ type }) => type === onCard[0]);
  const left = types.map((type) => {
    const fits = type.perCard === undefined || onCard.length < type.perCard;
    const oneSize = running === undefined || type.type === running.type || sameSize(type, running);
    const rest = perFunction ? type.available : type.available - held.length;
    return { ...type, available: fits && oneSize ? Math.max(0, rest) : 0 };
  });
  return perFunction ? left.filter(({ available }) => available > 0) : left;
}

function sameSize(a: MdevType, b: MdevType): boolean {
  return a.perCard !== undefined && a.perCard === b.perCard;
}

function heldTypes(state: ClusterState, node: NodeScenario, on: (address: string) => boolean): string[] {
  return Object.keys(state.reservations).flatMap((key) => {
    const [name, address = '', type] = key.split('/');
    return name === node.name && type !== undefined && on(address) ? [type.replace(/#.*$/, '')] : [];
  });
}
