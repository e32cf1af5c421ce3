import { type apiVersion as ApiVersion, apiVersion, deepFreeze, type HostInventory } from '@vmgpu/core';
import {
  anything,
  boolean,
  check,
  choice,
  dictionary,
  either,
  integer,
  list,
  literal,
  optional,
  shape,
  text,
} from '@vmgpu/core/schema';
import { nodeFromInventory, type ProxmoxNode } from './inventory.ts';
import type { PciMapping } from './mapping.ts';

/** What a Proxmox VE cluster has and allows now. Everything that was not read is absent, never empty. */
export interface ProxmoxSnapshot {
  readonly apiVersion: typeof ApiVersion;
  readonly kind: 'ProxmoxSnapshot';
  /** Version of Proxmox VE or, more exactly, of qemu-server: `9.2`, `9.2.6`. */
  readonly version: string;
  readonly nodes: readonly ProxmoxNode[];
  readonly mappings?: readonly PciMapping[];
  readonly vms?: readonly ProxmoxVm[];
  readonly storages?: readonly ProxmoxStorage[];
  /** Who will apply the plan. */
  readonly caller?: ProxmoxCaller;
  /** What could not be read although it would have been of use. */
  readonly gaps?: readonly SnapshotGap[];
}

export interface SnapshotGap {
  /** Where in the snapshot something is missing: `nodes.pve2.pci`. */
  readonly path: string;
  readonly why: string;
  /** The right that would show it: `Sys.Audit on /`. */
  readonly needs?: string;
}

export interface ProxmoxVm {
  readonly vmid: number;
  readonly node: string;
  readonly name?: string;
  readonly status?: 'running' | 'stopped';
  /** Options as they will be at the next start (pending values merged), all as text. */
  readonly config: Readonly<Record<string, string>>;
  readonly digest?: string;
}

export interface ProxmoxStorage {
  readonly storage: string;
  /** Kinds of content it takes: `images,rootdir,snippets`. */
  readonly content: string;
  /** Nodes it exists on; absent for all. */
  readonly nodes?: readonly string[];
}

export interface ProxmoxCaller {
  /** Authenticated id: `root@pam`, `dev@pve`, for API tokens `dev@pve!ci`. */
  readonly user: string;
  /** Privileges by ACL path as `GET /access/permissions` answers them; absent when not read. */
  readonly privileges?: Readonly<Record<string, readonly string[]>>;
}

export interface OfflineSnapshotOptions {
  /** Default `9.2`. */
  readonly version?: string;
  /** Hosts as captures show them; each becomes the node of that name. */
  readonly hosts?: readonly HostInventory[];
  readonly mappings?: readonly PciMapping[];
  readonly caller?: ProxmoxCaller;
}

/** A snapshot for planning and rendering without network: a version, and hosts from captures. */
export function offlineSnapshot(options: OfflineSnapshotOptions = {}): ProxmoxSnapshot {
  const { version = '9.2', hosts = [], mappings, caller } = options;
  return deepFreeze({
    apiVersion,
    kind: 'ProxmoxSnapshot',
    version,
    nodes: hosts.map(nodeFromInventory),
    ...(mappings === undefined ? {} : { mappings }),
    ...(caller === undefined ? {} : { caller }),
  });
}

const flag = optional(either(boolean(), integer()));
const schema = shape({
  apiVersion: literal(apiVersion),
  kind: literal('ProxmoxSnapshot'),
  version: text(),
  nodes: list(
    shape({
      name: text(),
      pci: optional(
        list(
          shape({
            id: text(),
            class: text(),
            vendor: text(),
            device: text(),
            iommugroup: integer(),
            mdev: flag,
            nvidia: flag,
            virtfns: optional(dictionary(text())),
          }),
        ),
      ),
      mdevTypes: optional(dictionary(list(shape({ type: text(), available: integer() })))),
      numaNodes: optional(dictionary(integer())),
    }),
  ),
  mappings: optional(list(shape({ id: text(), map: list(text()), mdev: flag, digest: optional(text()) }))),
  vms: optional(
    list(
      shape({
        vmid: integer(),
        node: text(),
        name: optional(text()),
        status: optional(choice('running', 'stopped')),
        config: dictionary(anything()),
      }),
    ),
  ),
  storages: optional(list(shape({ storage: text(), content: text() }))),
  caller: optional(shape({ user: text(), privileges: optional(dictionary(list(text()))) })),
  gaps: optional(list(shape({ path: text(), why: text(), needs: optional(text()) }))),
});

/**
 * Checks a snapshot read back from disk, and brings what the API answers as numbers (`mdev: 1`, `memory: 8192`) into
 * the one form that the adapter works with. Throws `bad-input` that names each wrong place.
 */
export function parseSnapshot(document: unknown): ProxmoxSnapshot {
  const raw = check(schema, document, 'not a Proxmox VE snapshot') as unknown as ProxmoxSnapshot;
  const { mappings, vms } = raw;
  return deepFreeze({
    ...raw,
    ...(mappings === undefined ? {} : { mappings: mappings.map(readMapping) }),
    ...(vms === undefined ? {} : { vms: vms.map((vm) => ({ ...vm, config: optionsAsText(vm.config) })) }),
  });
}

/** A mapping as the API answers it, with booleans for its flags. */
export function readMapping(mapping: PciMapping): PciMapping {
  const flags = (['mdev', 'live-migration-capable'] as const).filter((key) => mapping[key] !== undefined);
  return { ...mapping, ...Object.fromEntries(flags.map((key) => [key, Boolean(mapping[key])])) };
}

/** Options as the API answers them (text, numbers, booleans) as text. */
export function optionsAsText(options: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([key, value]) => [key, typeof value === 'boolean' ? (value ? '1' : '0') : String(value)]),
  );
}
