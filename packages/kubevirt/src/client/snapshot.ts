import {
  type CallOptions,
  type Clock,
  deepFreeze,
  isVmgpuError,
  type Scope,
  type SnapshotOptions,
  type VmRef,
} from '@vmgpu/core';
import { retryCall } from '@vmgpu/core/resilience';
import { at, compact, listAt, type Manifest, textAt } from '../translate/manifest.ts';
import {
  type KubeVirtDistribution,
  type KubeVirtNode,
  type KubeVirtProvider,
  type KubeVirtSnapshot,
  newestKnownVersion,
  type SnapshotGap,
} from '../translate/snapshot.ts';
import { readBeside } from './instancetype.ts';
import { type Allocated, readAllocated, readNodes } from './nodes.ts';
import type { KubePort, ObjectRef } from './port.ts';
import { inVersion, type KubeResource, resources } from './resources.ts';
import { isNotFound } from './status.ts';
import { tidy } from './tidy.ts';

export interface ReaderSettings {
  readonly port: KubePort;
  readonly clock: Clock;
  readonly namespace: string;
  /** When the cluster does not tell by itself who publishes GPUs. */
  readonly provider?: KubeVirtProvider | undefined;
}

/** Reads with retry, and notes what could not be read instead of guessing it. */
interface Reader {
  readonly port: KubePort;
  readonly options: CallOptions;
  /** undefined when it is forbidden, with a gap; null when there is none. */
  attempt<T>(what: string, read: () => Promise<T>): Promise<T | null | undefined>;
  readonly gaps: SnapshotGap[];
}

/** What the cluster has and allows now. Asks only for what plans of the scope use; what RBAC forbids is in `gaps`. */
export async function readCluster(
  settings: ReaderSettings,
  scope: Scope,
  options: SnapshotOptions = {},
): Promise<KubeVirtSnapshot> {
  const reader = createReader(settings, options);
  const { port } = settings;
  const groups = await readGroups(reader);
  const served = (group: string) => groups?.get(group);
  const platform = scope === 'platform';
  const [crs, nodes, virtualMachines, hco, policy, classes, storage, server] = await Promise.all([
    many(reader, resources.kubeVirts, groups ? served('kubevirt.io') : null),
    readUsedNodes(reader),
    options.vm && readVm(reader, settings.namespace, options.vm),
    one(reader, resources.hyperConvergeds, served('hco.kubevirt.io')),
    one(reader, resources.clusterPolicies, served('nvidia.com')),
    served('nvidia.com') === undefined
      ? many(reader, resources.deviceClasses, served('resource.k8s.io'))
      : [],
    platform ? many(reader, resources.storageClasses, 'v1') : undefined,
    platform ? reader.attempt('server version', () => port.read('/version', reader.options)) : undefined,
  ]);
  const [cr] = crs ?? [];
  const version = await kubeVirtVersion(reader, cr);
  const instancetypes = await readInstancetypes(reader, virtualMachines);
  const provider =
    settings.provider ?? providerOf({ served, policy, classes: classes ?? [], cr, nodes: nodes ?? [] });
  const operatorVersion = await gpuOperatorVersion(reader, policy, platform);
  return deepFreeze({
    apiVersion: 'vmgpu/v1',
    kind: 'Snapshot',
    platform: 'kubevirt',
    version,
    provider,
    distribution: distributionOf(served, cr, hco),
    namespace: settings.namespace,
    hosts: [],
    ...compact({
      crs: crs?.map(tidy),
      hco: hco && tidy(hco),
      clusterPolicy: policy && tidy(policy),
      operatorVersion,
      nodes,
      virtualMachines,
      instancetypes,
      storageClasses: storage?.map(({ metadata }) => metadata?.name ?? ''),
      serverVersion: textAt(server, 'gitVersion'),
      gaps: reader.gaps.length > 0 ? [...reader.gaps].sort((a, b) => (a.what < b.what ? -1 : 1)) : undefined,
    }),
  } as KubeVirtSnapshot);
}

function createReader({ port, clock }: ReaderSettings, { signal, timeoutMs }: CallOptions): Reader {
  const options = compact({ signal, timeoutMs });
  const gaps: SnapshotGap[] = [];
  return {
    port,
    options,
    gaps,
    async attempt(what, read) {
      try {
        return await retryCall(read, { clock, ...(signal && { signal }), tries: 6, baseMs: 200 });
      } catch (error) {
        if (isNotFound(error)) return null;
        if (!isVmgpuError(error) || error.code !== 'permission-denied') throw error;
        gaps.push({ what, why: error.message });
        return undefined;
      }
    },
  };
}

async function all({ port, options }: Reader, resource: KubeResource): Promise<readonly Manifest[]> {
  const items: Manifest[] = [];
  // Items of a list come without their kind.
  const apiVersion = [resource.group, resource.version].filter(Boolean).join('/');
  for await (const item of port.list(resource, options))
    items.push({ apiVersion, kind: resource.kind, ...item });
  return items;
}

/** The objects of a kind; none when its group is not served, undefined when they may not be read. */
async function many(
  reader: Reader,
  resource: KubeResource,
  version: string | null | undefined,
): Promise<readonly Manifest[] | undefined> {
  if (version === undefined) return [];
  // Without discovery the usual version is tried.
  const served = version === null ? resource : inVersion(resource, version);
  const items = await reader.attempt(`${resource.kind} objects`, () => all(reader, served));
  return items === null ? [] : items;
}

async function one(reader: Reader, resource: KubeResource, version: string | undefined) {
  const items = await many(reader, resource, version);
  return items && (items[0] ?? null);
}

/** API groups and the version of each that the server prefers: one request tells which add-ons are installed. */
async function readGroups(reader: Reader): Promise<ReadonlyMap<string, string> | null | undefined> {
  const list = await reader.attempt('API groups', () => reader.port.read('/apis', reader.options));
  return (
    list &&
    new Map(
      listAt(list, 'groups').map((group) => [
        textAt(group, 'name') ?? '',
        textAt(group, 'preferredVersion', 'version') ?? '',
      ]),
    )
  );
}

async function readUsedNodes(reader: Reader): Promise<readonly KubeVirtNode[] | undefined> {
  const { port, options } = reader;
  const nodes = await reader.attempt('nodes', () => readNodes(port, options));
  if (nodes === null) reader.gaps.push({ what: 'nodes', why: 'the server has no objects of that kind' });
  if (!nodes) return undefined;
  const used: Allocated | null | undefined = await reader.attempt('pods of the nodes', () =>
    readAllocated(port, nodes, options),
  );
  return nodes.map((node) => ({ ...node, allocated: used?.get(node.name) ?? {} }));
}

/** A VM, or a VMI that has none, as a list for the snapshot: empty when there is neither. */
async function readVm(
  reader: Reader,
  namespace: string,
  vm: VmRef,
): Promise<readonly Manifest[] | undefined> {
  const ref = vmRef(vm, namespace);
  const what = `VM ${ref.namespace}/${ref.name}`;
  for (const resource of [resources.virtualMachines, resources.instances]) {
    const found = await reader.attempt(what, () => reader.port.get(resource, ref, reader.options));
    if (found === undefined) return undefined;
    if (found) return [tidy(found)];
  }
  return [];
}

/** What the VM names; undefined when it names nothing. What cannot be had is a gap. */
async function readInstancetypes(reader: Reader, vms: readonly Manifest[] | undefined) {
  const [vm] = vms ?? [];
  if (vm === undefined) return undefined;
  const what = `instance type of VM ${vm.metadata?.namespace}/${vm.metadata?.name}`;
  const read = await reader.attempt(what, () => readBeside(reader.port, vm, reader.options));
  reader.gaps.push(...(read?.unread ?? []));
  return read && read.documents.length > 0 ? read.documents : undefined;
}

/** `namespace/name` is understood, too. */
export function vmRef({ name, in: namespace }: VmRef, fallback: string): Required<ObjectRef> {
  const [short = name, own] = name.split('/').reverse();
  return { name: short, namespace: namespace ?? own ?? fallback };
}

/** The CR says it; where nobody may read that, the API of KubeVirt's own subresources does, to everybody. */
async function kubeVirtVersion(reader: Reader, cr: Manifest | undefined): Promise<string> {
  const said =
    textAt(cr, 'status', 'observedKubeVirtVersion') ?? textAt(cr, 'status', 'targetKubeVirtVersion');
  if (said !== undefined) return said;
  const path = '/apis/subresources.kubevirt.io/v1/version';
  const answer = await reader
    .attempt('KubeVirt version', () => reader.port.read(path, { ...reader.options }))
    .catch((error: unknown) => {
      // virt-api is not up: that is for the person to know, and no reason to read nothing at all.
      if (isVmgpuError(error) && error.code === 'unreachable') return null;
      throw error;
    });
  const version = textAt(answer, 'gitVersion');
  if (version !== undefined) return version;
  if (answer !== undefined) {
    const why = `no KubeVirt answers on this cluster; the rules of ${newestKnownVersion} are used`;
    reader.gaps.push({ what: 'KubeVirt version', why });
  }
  return newestKnownVersion;
}

interface Signs {
  readonly served: (group: string) => string | undefined;
  readonly policy: Manifest | null | undefined;
  readonly classes: readonly Manifest[];
  readonly cr: Manifest | undefined;
  readonly nodes: readonly KubeVirtNode[];
}

/** Who publishes GPUs, by what is installed; by the allow-list where that may not be seen. */
function providerOf({ served, policy, classes, cr, nodes }: Signs): KubeVirtProvider {
  if (served('devices.harvesterhci.io') !== undefined) return 'harvester';
  if (policy) return 'nvidia-operator';
  if (classes.some(({ metadata }) => metadata?.name === 'vfio.gpu.nvidia.com')) return 'dra';
  if (served('amd.com') !== undefined) return 'amd';
  if (
    nodes.some(({ labels }) => Object.keys(labels).some((key) => key.startsWith('nvidia.com/gpu.deploy.')))
  ) {
    return 'nvidia-operator';
  }
  const permitted = at(cr, 'spec', 'configuration', 'permittedHostDevices');
  const entries = [...listAt(permitted, 'pciHostDevices'), ...listAt(permitted, 'mediatedDevices')];
  return entries.some(({ externalResourceProvider }) => externalResourceProvider === true)
    ? 'nvidia-operator'
    : 'kubevirt-builtin';
}

function distributionOf(
  served: Signs['served'],
  cr: Manifest | undefined,
  hco: Manifest | null | undefined,
): KubeVirtDistribution {
  const namespace = cr?.metadata?.namespace;
  if (namespace === 'harvester-system' || served('devices.harvesterhci.io') !== undefined) return 'harvester';
  if (hco) return 'openshift';
  return namespace === 'virtnest-system' ? 'virtnest' : 'kubevirt';
}

/** The chart marks the policy; else the tag of the operator's own image. */
async function gpuOperatorVersion(
  reader: Reader,
  policy: Manifest | null | undefined,
  platform: boolean,
): Promise<string | undefined> {
  if (!policy) return undefined;
  const labelled = policy.metadata?.labels?.['app.kubernetes.io/version'];
  if (labelled !== undefined || !platform) return labelled;
  const ref = { name: 'gpu-operator', namespace: 'gpu-operator' };
  const deployment = await reader.attempt('GPU Operator version', () =>
    reader.port.get(resources.deployments, ref, reader.options),
  );
  const image = textAt(listAt(deployment, 'spec', 'template', 'spec', 'containers')[0], 'image');
  return /:(v\d[\w.-]*)$/.exec(image ?? '')?.[1];
}
