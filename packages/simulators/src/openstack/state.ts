import { createHash } from 'node:crypto';
import type { ConfigText, FlavorRecord, HostScenario, ImageRecord, Role, Scenario } from './scenario.ts';

/** All that a cloud knows, as JSON. */
export interface CloudState {
  readonly scenario: Omit<Scenario, 'flavors' | 'images' | 'hosts' | 'config'>;
  hosts: readonly HostScenario[];
  /** nova.conf of the services as they were last started. */
  config: readonly ConfigText[];
  flavors: readonly FlavorRecord[];
  images: readonly ImageRecord[];
  servers: ServerRecord[];
  /** Those that are gone: lists of changes have them. */
  deletedServers: readonly ServerRecord[];
  /** Names that somebody made; those of hosts come from their configuration. */
  resourceClasses: readonly string[];
  traits: readonly string[];
  /** What consumers hold, by consumer and provider name. */
  allocations: Record<string, Record<string, Record<string, number>>>;
  /** Servers by `host address` of the PCI device that they hold. */
  claims: Record<string, string>;
  /** Mediated devices that guests really got, as `type on host address`, by server. */
  mdevs: Record<string, readonly string[]>;
  registeredLimits: readonly RegisteredLimit[];
  tokens: Record<string, TokenRecord>;
  volumes: readonly { readonly id: string; readonly server: string | null }[];
  /** For ids: new ones are never those of before. */
  counter: number;
}

export interface RegisteredLimit {
  readonly id: string;
  readonly service_id: string;
  readonly region_id: string | null;
  readonly resource_name: string;
  readonly default_limit: number;
  readonly description: string | null;
}

export interface TokenRecord {
  readonly user: string;
  readonly userName: string;
  readonly project: string | null;
  readonly system: boolean;
  readonly roles: readonly Role[];
  /** Milliseconds since 1970. */
  readonly expires: number;
}

export interface ServerRecord {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly user: string;
  readonly created: number;
  readonly imageId: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly networks: readonly string[];
  readonly zone: string | null;
  readonly userData: string | null;
  readonly description: string | null;
  /** The flavor as it was when the server got it. */
  flavor: FlavorRecord;
  status: 'BUILD' | 'ACTIVE' | 'ERROR' | 'SHUTOFF' | 'RESIZE' | 'VERIFY_RESIZE' | 'REVERT_RESIZE' | 'DELETED';
  task: string | null;
  host: string | null;
  launched: number | null;
  fault: { readonly code: number; readonly message: string; readonly created: number } | null;
  /** The flavor of before while a resize is not confirmed, and whether the server ran. */
  old: { readonly flavor: FlavorRecord; readonly wasActive: boolean } | null;
  /** What happens next, and when. */
  due: { readonly at: number; readonly what: Due } | null;
  actions: readonly ActionRecord[];
}

export type Due =
  | 'schedule'
  | 'spawn'
  | 'delete'
  | 'destroy'
  | 'migrate'
  | 'confirm'
  | 'revert'
  | 'stop'
  | 'start';

export interface ActionRecord {
  readonly action: string;
  readonly request: string;
  readonly start: number;
  readonly events: readonly {
    readonly event: string;
    readonly result: 'Success' | 'Error';
    readonly time: number;
    readonly host: string | null;
    readonly details: string | null;
  }[];
}

export function createState({ flavors, images, hosts, config, ...scenario }: Scenario): CloudState {
  return {
    scenario,
    hosts,
    config,
    flavors,
    images,
    servers: [],
    deletedServers: [],
    resourceClasses: [],
    traits: [],
    allocations: {},
    claims: {},
    mdevs: {},
    registeredLimits: [],
    tokens: {},
    volumes: [],
    counter: 0,
  };
}

/** A UUID that a name always has. */
export function uuidOf(name: string): string {
  const hex = createHash('sha256').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function newUuid(state: CloudState): string {
  state.counter += 1;
  return uuidOf(`new ${state.counter}`);
}

/** As Nova writes times. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z');
}
