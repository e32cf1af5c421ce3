import { apiVersion, deepFreeze, type HostInventory, VmgpuError } from '@vmgpu/core';
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
  nothing,
  optional,
  shape,
  text,
} from '@vmgpu/core/schema';
import { listAt, type Manifest, textAt } from './manifest.ts';
import { atLeast } from './version.ts';

/** Who publishes the GPUs as node resources. */
export type KubeVirtProvider =
  /** NVIDIA GPU Operator with its sandbox device plugin. */
  | 'nvidia-operator'
  /** KubeVirt's own device plugin. */
  | 'kubevirt-builtin'
  /** Harvester's pcidevices, which also writes the KubeVirt CR. */
  | 'harvester'
  /** Dynamic Resource Allocation with NVIDIA's driver. */
  | 'dra'
  /** AMD GPU Operator. */
  | 'amd';

/** Whose installation it is: decides the namespace of the KubeVirt CR and who owns it. */
export type KubeVirtDistribution = 'kubevirt' | 'virtnest' | 'openshift' | 'harvester';

export interface KubeVirtNode {
  readonly name: string;
  readonly ready: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Extended resources by name; other amounts (memory, cpu) may be there too. */
  readonly allocatable: Readonly<Record<string, string>>;
  /** Sum of the limits of unfinished pods on the node, for extended resources. */
  readonly allocated: Readonly<Record<string, number>>;
}

/** What a cluster has and allows now. A field that is absent was not read; an empty list or null means there is none. */
export interface KubeVirtSnapshot {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'Snapshot';
  readonly platform: 'kubevirt';
  /** `status.observedKubeVirtVersion`: `v1.9.0`. */
  readonly version: string;
  readonly provider: KubeVirtProvider;
  readonly distribution: KubeVirtDistribution;
  /** Namespace for VMs that name none. */
  readonly namespace: string;
  /** The KubeVirt CRs of the cluster; one, on a healthy one. */
  readonly crs?: readonly Manifest[];
  /** The HyperConverged object that owns the KubeVirt CR. */
  readonly hco?: Manifest | null;
  readonly clusterPolicy?: Manifest | null;
  /** Release of the NVIDIA GPU Operator: `v26.7.0`. */
  readonly operatorVersion?: string;
  readonly nodes?: readonly KubeVirtNode[];
  /** VMs and VMIs that plans may be about. */
  readonly virtualMachines?: readonly Manifest[];
  /** What these VMs name: instance types, preferences, their ControllerRevisions; or such a VM as virt-api expands it. */
  readonly instancetypes?: readonly Manifest[];
  readonly storageClasses?: readonly string[];
  /** Release of the API server: `v1.36.2`. */
  readonly serverVersion?: string;
  /** What could not be read, for lack of rights or because nobody answers. */
  readonly gaps?: readonly SnapshotGap[];
  readonly hosts: readonly HostInventory[];
}

/** Something of the cluster that the snapshot does not know. */
export interface SnapshotGap {
  readonly what: string;
  /** In the platform's words. */
  readonly why: string;
}

export type OfflineOptions = Partial<Omit<KubeVirtSnapshot, 'apiVersion' | 'kind' | 'platform'>>;

/** Release the offline snapshot assumes when none is given: the newest one that the rules were checked on. */
export const newestKnownVersion = 'v1.9.0';

/**
 * A snapshot for rendering without a cluster. Defaults: KubeVirt v1.9.0, upstream installation, NVIDIA GPU Operator
 * (on Harvester its own plugin), namespace `default`, nothing read.
 */
export function offlineSnapshot(options: OfflineOptions = {}): KubeVirtSnapshot {
  const distribution = options.distribution ?? 'kubevirt';
  return deepFreeze({
    apiVersion,
    kind: 'Snapshot',
    platform: 'kubevirt',
    version: newestKnownVersion,
    provider: distribution === 'harvester' ? 'harvester' : 'nvidia-operator',
    namespace: 'default',
    hosts: [],
    ...structuredClone(options),
    distribution,
  });
}

const manifest = shape({ kind: optional(text()), apiVersion: optional(text()) });
const snapshotSchema = shape({
  apiVersion: literal(apiVersion),
  kind: literal('Snapshot'),
  platform: literal('kubevirt'),
  version: text(),
  provider: choice('nvidia-operator', 'kubevirt-builtin', 'harvester', 'dra', 'amd'),
  distribution: choice('kubevirt', 'virtnest', 'openshift', 'harvester'),
  namespace: text(),
  crs: optional(list(manifest)),
  hco: optional(either(manifest, nothing())),
  clusterPolicy: optional(either(manifest, nothing())),
  operatorVersion: optional(text()),
  nodes: optional(
    list(
      shape({
        name: text(),
        ready: boolean(),
        labels: dictionary(text()),
        allocatable: dictionary(text()),
        allocated: dictionary(integer()),
      }),
    ),
  ),
  virtualMachines: optional(list(manifest)),
  instancetypes: optional(list(manifest)),
  storageClasses: optional(list(text())),
  serverVersion: optional(text()),
  gaps: optional(list(shape({ what: text(), why: text() }))),
  hosts: list(shape({ host: text(), gpus: list(anything()) })),
});

/** Checks a snapshot that was read from a file. Throws `bad-input` that names each wrong place. */
export function parseSnapshot(document: unknown): KubeVirtSnapshot {
  return deepFreeze(
    structuredClone(check(snapshotSchema, document, 'not a KubeVirt snapshot')),
  ) as KubeVirtSnapshot;
}

/** The object that carries the allow-list: HyperConverged where one is, else the KubeVirt CR. */
export interface ConfigObject {
  readonly apiVersion: string;
  readonly kind: 'KubeVirt' | 'HyperConverged';
  readonly name: string;
  readonly namespace: string;
  /** As it is now; null when known to be absent, undefined when not read. */
  readonly existing: Manifest | null | undefined;
  /** HyperConverged's newer layout: `mediatedDevicesConfiguration.enabled` instead of a gate of its own. */
  readonly enabledField: boolean;
}

/** Throws `conflict` when a cluster has more than one KubeVirt CR: KubeVirt allows only one. */
export function configObject(snapshot: KubeVirtSnapshot): ConfigObject {
  const { crs, hco, distribution, version } = snapshot;
  if (hco || distribution === 'openshift') {
    const api = hco?.apiVersion ?? 'hco.kubevirt.io/v1beta1';
    const operator = listAt(hco, 'status', 'versions').find((entry) => entry.name === 'operator');
    return {
      apiVersion: api,
      kind: 'HyperConverged',
      name: hco?.metadata?.name ?? 'kubevirt-hyperconverged',
      namespace: hco?.metadata?.namespace ?? 'openshift-cnv',
      // Items of a list come without their kind.
      existing: hco && { apiVersion: api, kind: 'HyperConverged', ...hco },
      enabledField: api.endsWith('/v1') && atLeast(textAt(operator, 'version') ?? '0', '1.19'),
    };
  }
  if ((crs?.length ?? 0) > 1) {
    throw new VmgpuError('conflict', 'the cluster has more than one KubeVirt object', {
      found: (crs ?? []).map((cr) => `${cr.metadata?.namespace}/${cr.metadata?.name}`).join(', '),
      expected: 'exactly one',
    });
  }
  const [cr = null] = crs ?? [];
  const existing = crs && cr && { apiVersion: 'kubevirt.io/v1', kind: 'KubeVirt', ...cr };
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    name: existing?.metadata?.name ?? 'kubevirt',
    namespace:
      existing?.metadata?.namespace ?? (distribution === 'virtnest' ? 'virtnest-system' : 'kubevirt'),
    existing,
    enabledField: atLeast(version, '1.8'),
  };
}
