import { afterAll, describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import {
  type KubeVirtNode,
  type KubeVirtSnapshot,
  kubevirtTranslator,
  offlineSnapshot,
} from '../src/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import { smallCatalog } from './support.ts';

/*
 * VMs that KubeVirt's webhook takes and that never start: its own recorded verdicts, and those that the reference lists
 * for the scheduler, the device plugin and libvirt. Each is blocked by the plan, before anything is created.
 */

interface Verdict {
  readonly id: string;
  readonly object: Manifest;
  readonly kubevirtConfiguration?: object;
  readonly webhook: { readonly allowed?: boolean };
  readonly launcherPod?: { readonly error?: string };
  readonly launcherHostDevices?: { readonly error?: string };
}

const a10 = 'nvidia.com/GA102GL_A10';
const permitted = (resourceName = a10) => ({
  permittedHostDevices: {
    pciHostDevices: [{ pciVendorSelector: '10DE:2236', resourceName, externalResourceProvider: true }],
  },
});

const node = (allocatable: object, extra: Partial<KubeVirtNode> = {}) =>
  ({ name: 'gpu-1', labels: {}, ready: true, allocatable, allocated: {}, ...extra }) as KubeVirtNode;

const cr = (configuration: object): Manifest => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'KubeVirt',
  metadata: { name: 'kubevirt', namespace: 'kubevirt' },
  spec: { configuration } as never,
});

function vm(gpus: readonly object[]): Manifest {
  const domain = { memory: { guest: '4Gi' }, devices: { gpus } };
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name: 'vm', namespace: 'vms' },
    spec: { runStrategy: 'Always', template: { spec: { domain } } } as never,
  };
}

const gpus = (deviceName: string, count = 1) =>
  Array.from({ length: count }, (_none, index) => ({ name: `gpu${index}`, deviceName }));

/** The codes that block a plan of this very VM on a cluster with these permissions and nodes. */
function blocked(object: Manifest, configuration: object, nodes: readonly KubeVirtNode[]): readonly string[] {
  const snapshot: KubeVirtSnapshot = offlineSnapshot({
    crs: [cr(configuration)],
    nodes,
    namespace: 'vms',
    clusterPolicy: { metadata: { name: 'cluster-policy' }, spec: { sandboxWorkloads: { enabled: true } } },
  });
  const { intent } = kubevirtTranslator.toIntent(object, snapshot);
  const { diagnostics } = kubevirtTranslator.plan(intent, snapshot, { catalog: smallCatalog, scope: 'vm' });
  return diagnostics.flatMap(({ kind, code }) => (kind === 'blocked' ? [code] : []));
}

const ready = [node({ [a10]: '2' })];
const listed: readonly (readonly [string, Manifest, object, readonly KubeVirtNode[]])[] = [
  ['a resource that nobody knows', vm(gpus('nvidia.com/H100')), permitted(), ready],
  ['a resource that is misspelt', vm(gpus('nvidia.com/GA102GL_A1O')), permitted(), ready],
  ['another case', vm(gpus('nvidia.com/GA102GL_a10')), permitted(), ready],
  ['not permitted', vm(gpus(a10)), { permittedHostDevices: { pciHostDevices: [] } }, ready],
  ['permitted under a misspelt name', vm(gpus(a10)), permitted('nvidia.com/GA102GL_A1O'), ready],
  [
    "the container plugin's resource",
    vm(gpus('nvidia.com/gpu')),
    permitted(),
    [node({ 'nvidia.com/gpu': '2' })],
  ],
  [
    'more than any node has',
    vm(gpus(a10, 3)),
    permitted(),
    [...ready, node({ [a10]: '2' }, { name: 'gpu-2' })],
  ],
  ['free nowhere', vm(gpus(a10)), permitted(), [node({ [a10]: '2' }, { allocated: { [a10]: 2 } })]],
  [
    'free only where the node is not ready',
    vm(gpus(a10)),
    permitted(),
    [node({ [a10]: '2' }, { ready: false })],
  ],
  ['published, but none healthy', vm(gpus(a10)), permitted(), [node({ [a10]: '0' })]],
  ['a name that libvirt does not take', vm([{ name: 'gpu.0', deviceName: a10 }]), permitted(), ready],
];

const verdicts = sharedJson<{ verdicts: readonly Verdict[] }>(
  'kubevirt/golden/verdicts-kubevirt-v1.9.0.json',
);
const recorded = (verdicts?.verdicts ?? []).filter(
  ({ object, webhook, launcherPod, launcherHostDevices }) =>
    object.kind !== 'KubeVirt' && webhook.allowed && (launcherPod?.error ?? launcherHostDevices?.error),
);

describe('what KubeVirt takes and leaves hanging is blocked before', () => {
  let found = 0;
  afterAll(() => {
    console.log(
      `accepted by KubeVirt and never started: ${found} of ${listed.length + recorded.length} refused first`,
    );
  });

  it.each(listed)('%s', (_name, object, configuration, nodes) => {
    expect(blocked(object, configuration, nodes)).not.toEqual([]);
    found += 1;
  });

  it('and the same with nothing wrong is not', () => {
    expect(blocked(vm(gpus(a10, 2)), permitted(), ready)).toEqual([]);
  });

  it.each(recorded.map((verdict) => [verdict.id, verdict] as const))('recorded: %s', (id, verdict) => {
    const { object, kubevirtConfiguration = {} } = verdict;
    // What went wrong there was the plugin's: a node publishes as much as it handed out.
    const short = id === 'vm-pt-2-short-env';
    const nodes = [node({ [a10]: short ? '1' : '8', 'nvidia.com/gpu': '8', 'nvidia.com/GRID_P4-1Q': '8' })];
    expect(blocked(object, kubevirtConfiguration, nodes)).not.toEqual([]);
    found += 1;
  });
});
