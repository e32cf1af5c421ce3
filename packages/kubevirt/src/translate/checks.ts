import { type GpuVm, knownValue, nearest, parseBytes } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import { handsOutGroups } from './gpu-operator.ts';
import { entryNames } from './gpus.ts';
import { at, listAt, type Manifest, objectAt, textAt } from './manifest.ts';
import type { ResolvedGpu } from './resolve.ts';
import type { KubeVirtNode, KubeVirtSnapshot } from './snapshot.ts';

/** Resources that container plugins publish: they hand KubeVirt no addresses. */
const containerResources = new Set(['nvidia.com/gpu', 'gpu.intel.com/i915', 'gpu.intel.com/xe']);

interface Circumstances {
  /** The plan itself makes nodes publish devices. */
  readonly preparesNodes: boolean;
  /** The VM is there and may hold devices that count as taken. */
  readonly holdsGpus: boolean;
  /** The person takes a VM that waits for free devices. */
  readonly mayWait: boolean;
}

/**
 * Rules that nobody else checks before a VM hangs in `Starting`: since KubeVirt 0.45 the webhook takes any `deviceName`,
 * and the launcher pod fails or waits later.
 */
export function checkResources(
  resolved: readonly ResolvedGpu[],
  snapshot: KubeVirtSnapshot,
  { preparesNodes, holdsGpus, mayWait }: Circumstances,
  report: Report,
): void {
  for (const { resource, path, request } of resolved) {
    if (resource !== undefined && containerResources.has(resource)) {
      const message = `${resource} is published for containers; a VM that asks for it never gets an address`;
      report(
        'blocked',
        'container-resource',
        `${path}.device`,
        message,
        'ask for the resource of the KubeVirt plugin',
      );
    }
    if (request.mode === 'passthrough' && entryNames(request).length > 1 && handsOutGroups(snapshot)) {
      report(
        'approximated',
        'plugin-hands-out-groups',
        `${path}.count`,
        'the device plugin of this GPU Operator (before v26.7) hands out every function of an IOMMU group: the second GPU may turn out to be an audio function',
        'update the GPU Operator to v26.7 or later',
      );
    }
  }
  if (snapshot.nodes === undefined || snapshot.nodes.length === 0) return;
  const wanted = countByResource(resolved);
  const published = [...new Set(snapshot.nodes.flatMap(({ allocatable }) => Object.keys(allocatable)))];
  let absent = false;
  for (const [resource, { path }] of wanted) {
    if (published.includes(resource)) continue;
    absent = true;
    const near = nearest(
      resource,
      published.filter((name) => name.includes('/')),
    );
    const hint = near.length > 0 ? `; nearest: ${near.join(', ')}` : '';
    const message = `no node publishes ${resource}${hint}`;
    if (preparesNodes) {
      report(
        'approximated',
        'resource-predicted',
        path,
        `${message}. The name is a prediction until the nodes are prepared`,
      );
    } else
      report(
        'blocked',
        'resource-absent',
        path,
        message,
        'check the name, the node label and the device plugin',
      );
  }
  if (absent || wanted.size === 0) return;
  checkFit(wanted, snapshot.nodes, { holdsGpus, mayWait }, report);
}

type Wanted = ReadonlyMap<string, { readonly count: number; readonly path: string }>;

function countByResource(resolved: readonly ResolvedGpu[]): Wanted {
  const counts = new Map<string, { count: number; path: string }>();
  for (const { resource, request, path } of resolved) {
    if (resource === undefined) continue;
    const known = counts.get(resource);
    counts.set(resource, {
      count: (known?.count ?? 0) + entryNames(request).length,
      path: known?.path ?? path,
    });
  }
  return counts;
}

/** All devices of a VM must come from one node. */
function checkFit(
  wanted: Wanted,
  nodes: readonly KubeVirtNode[],
  { holdsGpus, mayWait }: Pick<Circumstances, 'holdsGpus' | 'mayWait'>,
  report: Report,
): void {
  const has = (node: KubeVirtNode, resource: string) => Number(node.allocatable[resource] ?? 0);
  const fits = (room: (node: KubeVirtNode, resource: string) => number) =>
    nodes.some(
      (node) => node.ready && [...wanted].every(([resource, { count }]) => room(node, resource) >= count),
    );
  const [first] = wanted.values();
  const list = [...wanted].map(([resource, { count }]) => `${count} × ${resource}`).join(' and ');
  const per = nodes
    .map((node) => `${node.name} ${[...wanted.keys()].map((resource) => has(node, resource)).join('/')}`)
    .join(', ');
  if (!fits(has)) {
    const message = `no ready node has ${list} (${per}), and a VM cannot be split`;
    report('blocked', 'no-node-fits', first?.path ?? 'spec.gpus', message, 'ask for fewer devices');
    return;
  }
  // What is in use may be in use by this VM.
  const free = (node: KubeVirtNode, resource: string) =>
    has(node, resource) - (node.allocated[resource] ?? 0);
  if (holdsGpus || fits(free)) return;
  const places = nodes
    .flatMap((node) => [...wanted.keys()].map((resource) => [node, resource] as const))
    .filter(([node, resource]) => has(node, resource) > 0)
    .map(([node, resource]) => `${node.name} ${free(node, resource)} of ${has(node, resource)} ${resource}`);
  const message = `no ready node has ${list} free now (${places.join(', ')}): the VM ${mayWait ? 'waits' : 'would wait'}`;
  const hint =
    'free devices and plan again, or set providerOptions.kubevirt.acceptWaiting: true to let it wait';
  if (mayWait) report('approximated', 'no-node-free', first?.path ?? 'spec.gpus', message);
  else report('blocked', 'no-node-free', first?.path ?? 'spec.gpus', message, hint);
}

/** What the finished VM says that will not work well with GPUs. */
export function checkVm(
  intent: GpuVm,
  manifest: Manifest,
  resolved: readonly ResolvedGpu[],
  snapshot: KubeVirtSnapshot,
  report: Report,
): void {
  const isVm = manifest.kind === 'VirtualMachine';
  const vmi = isVm ? objectAt(manifest, 'spec', 'template', 'spec') : objectAt(manifest, 'spec');
  const strategy = textAt(vmi, 'evictionStrategy');
  if (resolved.length > 0 && strategy?.startsWith('LiveMigrate')) {
    const message = `evictionStrategy ${strategy}: a VM with a VFIO device cannot move, so draining its node hangs`;
    report(
      'approximated',
      'eviction',
      'spec.providerOptions.kubevirt.patch',
      message,
      'say evictionStrategy: None',
    );
  }
  for (const list of ['gpus', 'hostDevices']) {
    for (const { name } of listAt(vmi, 'domain', 'devices', list)) {
      if (typeof name !== 'string' || /^[\w-]+$/.test(name)) continue;
      const message = `the device name ${name} becomes a libvirt alias, which takes letters, digits, "-" and "_": the launcher would fail`;
      report('blocked', 'gpu-name', 'spec.providerOptions.kubevirt.patch', message, 'rename the device');
    }
  }
  const memory = at(vmi, 'domain', 'memory') ?? at(vmi, 'domain', 'resources', 'requests', 'memory');
  if (memory === undefined && at(manifest, 'spec', 'instancetype') === undefined) {
    report(
      'blocked',
      'memory',
      'spec.memory',
      'the VM has no memory',
      'say spec.memory, or name an instance type',
    );
  }
  for (const [key, value] of Object.entries(intent.metadata.labels ?? {})) {
    if (
      /^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/.test(value) &&
      /^([a-z0-9.-]+\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(key)
    )
      continue;
    const message = `${key}: ${value} is no label as Kubernetes wants it`;
    report(
      'blocked',
      'label',
      `metadata.labels.${key}`,
      message,
      'letters, digits, "-", "_" and ".", at most 63',
    );
  }
  const { memory: amount, hugepages, firmware } = intent.spec;
  if (amount !== undefined && hugepages !== undefined && parseBytes(amount) % parseBytes(hugepages) !== 0) {
    const message = `memory ${amount} is not a multiple of the page size ${hugepages}`;
    report('blocked', 'hugepages', 'spec.memory', message, 'change one of them');
  }
  const ids = new Set(resolved.flatMap((gpu) => gpu.ids as readonly string[]));
  const large = snapshot.hosts
    .flatMap(({ gpus }) => gpus)
    .some((gpu) => ids.has(gpu.id.slice(0, 9)) && knownValue(gpu.bars)?.some(({ size }) => size > 2 ** 32));
  if (large && firmware?.type !== 'uefi') {
    report(
      'approximated',
      'large-bar',
      'spec.firmware.type',
      'the card has a register window above 4 GiB, which guests with BIOS often cannot use',
      'say firmware: { type: uefi, secureBoot: false }',
    );
  }
}
