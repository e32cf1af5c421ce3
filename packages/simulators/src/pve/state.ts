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
  /** Milliseconds of the simulator's clock at which it ends. */
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

/** SHA-1 of the file's text, as PVE::SectionConfig and qemu-server make it: any write changes it. */
export function vmDigest(vm: VmState): string {
  return createHash('sha1')
    .update(JSON.stringify([vm.config, vm.pending]))
    .digest('hex');
}
export function mappingDigest(state: ClusterState): string {
  return createHash('sha1').update(JSON.stringify(state.mappings)).digest('hex');
}

export function newUuid(): string {
  return randomUUID();
}

/** Is the release at least this one? `8.4`, `9.2.6`. */
export function atLeast(state: ClusterState, wanted: string): boolean {
  const [a, b] = [state.version, wanted].map((version) => version.split('.').map(Number));
  for (let index = 0; index < Math.max(a?.length ?? 0, b?.length ?? 0); index += 1) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Types a function offers now: what running machines hold is gone. */
export function offeredTypes(state: ClusterState, node: NodeScenario, address: string): readonly MdevType[] {
  return (node.mdevTypes[address] ?? []).map((type) => {
    const held = Object.keys(state.reservations).filter((key) =>
      key.startsWith(`${node.name}/${address}/`),
    ).length;
    return { ...type, available: Math.max(0, type.available - held) };
  });
}
