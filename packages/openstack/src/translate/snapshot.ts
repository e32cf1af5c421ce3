import { apiVersion, type GpuDevice, type HostInventory, VmgpuError } from '@vmgpu/core';
import {
  anything,
  boolean,
  check,
  choice,
  dictionary,
  either,
  exactShape,
  list,
  literal,
  nothing,
  number,
  optional,
  type Schema,
  shape,
  text,
} from '@vmgpu/core/schema';
import { newestRelease, parseRelease } from './releases.ts';

/** Where configuration files go, and how they are put into effect. */
export type Deployment = 'packages' | 'kolla-ansible' | 'openstack-ansible' | 'devstack';
export const deployments = ['packages', 'kolla-ansible', 'openstack-ansible', 'devstack'] as const;

/** Services whose configuration a GPU needs. */
export type NovaService = 'nova-compute' | 'nova-api' | 'nova-scheduler' | 'nova-conductor' | 'placement-api';
export const novaServices = [
  'nova-compute',
  'nova-api',
  'nova-scheduler',
  'nova-conductor',
  'placement-api',
] as const;

/** A flavor as Nova's API answers, at 2.61 or later (or with its extra specs added). */
export interface NovaFlavor {
  readonly id?: string;
  readonly name?: string;
  /** Name in the flavor that a server embeds. */
  readonly original_name?: string;
  readonly vcpus: number;
  /** MiB */
  readonly ram: number;
  /** GiB */
  readonly disk: number;
  readonly ephemeral?: number;
  readonly 'OS-FLV-EXT-DATA:ephemeral'?: number;
  /** MiB; an empty string stands for 0. */
  readonly swap?: number | string;
  readonly description?: string | null;
  readonly 'os-flavor-access:is_public'?: boolean;
  readonly extra_specs?: Readonly<Record<string, string>>;
}

/** An image as Glance's API answers: properties are flat strings. */
export type GlanceImage = Readonly<Record<string, unknown>> & { readonly id: string; readonly name?: string };

/** A server as Nova's API answers, at 2.47 or later. */
export type NovaServer = Readonly<Record<string, unknown>> & {
  readonly id?: string;
  readonly name: string;
  readonly flavor: NovaFlavor;
};

/** A configuration text of one service, of one host when it is only for that. */
export interface NovaConfigText {
  readonly service: NovaService;
  readonly host?: string;
  readonly text: string;
}

/** A compute host as `GET /os-hypervisors/detail` answers. */
export interface NovaHypervisor {
  /** Also the id of its root provider in Placement. */
  readonly id: string;
  readonly hypervisor_hostname: string;
  readonly state: string;
  readonly status: string;
}

export interface NovaAggregate {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** A provider of GPUs in Placement: a PCI device, or a card that makes vGPUs. */
export interface GpuProvider {
  readonly uuid: string;
  readonly name: string;
  /** Name of the host's root provider. */
  readonly host: string;
  /** By resource class. */
  readonly inventories: Readonly<Record<string, { readonly total: number; readonly reserved: number }>>;
  readonly usages: Readonly<Record<string, number>>;
  readonly traits: readonly string[];
}

/** Something that could not be seen. */
export interface SnapshotGap {
  readonly path: string;
  readonly why: string;
  /** The right that would show it. */
  readonly needs?: string;
}

/** What one OpenStack cloud has and allows now. Lists are absent when they were not asked for. */
export interface OpenStackSnapshot {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'OpenStackSnapshot';
  /** Version of Nova: `29.0.0`. */
  readonly version: string;
  readonly deployment: Deployment;
  /** GPUs of the compute hosts; empty when none were read. */
  readonly hosts: readonly HostInventory[];
  readonly flavors?: readonly NovaFlavor[];
  readonly images?: readonly GlanceImage[];
  readonly servers?: readonly NovaServer[];
  /** Ids of networks by name. */
  readonly networks?: Readonly<Record<string, string>>;
  readonly traits?: readonly string[];
  readonly resourceClasses?: readonly string[];
  /** nova.conf as it is; what stands there is kept. */
  readonly config?: readonly NovaConfigText[];
  readonly providers?: readonly GpuProvider[];
  readonly hypervisors?: readonly NovaHypervisor[];
  readonly aggregates?: readonly NovaAggregate[];
  /** Limits and use of the project, as Nova counts them; -1 is no limit. */
  readonly limits?: Readonly<Record<string, number>>;
  readonly gaps?: readonly SnapshotGap[];
}

const loose = <T>() => shape({}) as unknown as Schema<T>;
const flavor = shape({
  id: optional(text()),
  name: optional(text()),
  original_name: optional(text()),
  vcpus: number(),
  ram: number(),
  disk: number(),
  ephemeral: optional(number()),
  'OS-FLV-EXT-DATA:ephemeral': optional(number()),
  swap: optional(either(number(), text())),
  description: optional(either(text(), nothing())),
  'os-flavor-access:is_public': optional(boolean()),
  extra_specs: optional(dictionary(text())),
}) as Schema<NovaFlavor>;

const snapshotSchema = exactShape({
  apiVersion: literal(apiVersion),
  kind: literal('OpenStackSnapshot'),
  version: text(),
  deployment: choice(...deployments),
  hosts: list(shape({ host: text(), gpus: list(loose<GpuDevice>()) })),
  flavors: optional(list(flavor)),
  images: optional(list(shape({ id: text(), name: optional(text()) }))),
  servers: optional(list(shape({ id: optional(text()), name: text(), flavor }))),
  networks: optional(dictionary(text())),
  traits: optional(list(text())),
  resourceClasses: optional(list(text())),
  config: optional(
    list(exactShape({ service: choice(...novaServices), host: optional(text()), text: text() })),
  ),
  providers: optional(list(loose<GpuProvider>())),
  hypervisors: optional(list(loose<NovaHypervisor>())),
  aggregates: optional(list(loose<NovaAggregate>())),
  limits: optional(dictionary(number())),
  gaps: optional(list(shape({ path: text(), why: text(), needs: optional(text()) }))),
});

/** Checks a snapshot read from disk. Throws `bad-input` with every wrong place, `unknown-name` for a release unknown. */
export function parseSnapshot(document: unknown): OpenStackSnapshot {
  const snapshot = check(snapshotSchema, document, 'not an OpenStack snapshot') as OpenStackSnapshot;
  parseRelease(snapshot.version);
  return snapshot;
}

export interface OfflineOptions {
  /** Release: `2024.1`, `caracal`, `29`; the newest known when not given. */
  readonly version?: string;
  readonly hosts?: readonly HostInventory[];
  /** How the cloud was deployed; plain packages when not given. */
  readonly deployment?: Deployment;
}

/** A snapshot for planning without a network. Throws `unknown-name` for a release or deployment that does not exist. */
export function offlineSnapshot(options: OfflineOptions = {}): OpenStackSnapshot {
  const { version = String(newestRelease.nova), hosts = [], deployment = 'packages' } = options;
  if (!deployments.includes(deployment)) {
    throw new VmgpuError('unknown-name', 'no deployment tool of this name', {
      found: deployment,
      expected: deployments.join(', '),
    });
  }
  return {
    apiVersion,
    kind: 'OpenStackSnapshot',
    version: `${parseRelease(version).nova}.0.0`,
    deployment,
    hosts,
  };
}

/** What a native VM is read from: API answers, and the configuration when somebody has it. */
export interface OpenStackNative {
  readonly server: NovaServer;
  /** The flavor with its extra specs, when the server does not embed them. */
  readonly flavor?: NovaFlavor;
  /** Its image; for a server with its root on a volume, the volume's image metadata with the image's id. */
  readonly image?: GlanceImage;
  readonly config?: readonly NovaConfigText[];
  /** Answer of `GET /allocations/{server}`. */
  readonly allocations?: Readonly<Record<string, { readonly resources: Readonly<Record<string, number>> }>>;
  /** Names of those resource providers, by uuid. */
  readonly providers?: Readonly<Record<string, string>>;
}

const nativeSchema = shape({
  server: shape({ name: text(), flavor }),
  flavor: optional(flavor),
  image: optional(shape({ id: text() })),
  config: optional(list(shape({ service: choice(...novaServices), text: text() }))),
  allocations: optional(dictionary(shape({ resources: dictionary(number()) }))),
  providers: optional(dictionary(text())),
  request: optional(anything()),
});

/** Checks a document that a server shall be read from: `{ server, flavor?, image?, config? ... }`. */
export function parseNative(document: unknown): OpenStackNative {
  return check(nativeSchema, document, 'not an OpenStack server') as OpenStackNative;
}
