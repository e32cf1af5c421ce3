import { isVmgpuError, type Operation } from '@vmgpu/core';
import { type ApplyFailedDetails, apply, undo } from '@vmgpu/core/engine';
import { type KubeObject, type Scenario, sampleScenario, type Timings } from '@vmgpu/simulators/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type KubeVirtLive,
  type KubeVirtSettings,
  platformClusterRole,
  tenantClusterRole,
} from '../src/index.ts';
import type { Manifest } from '../src/translate/manifest.ts';
import { quickClock, startCluster, type TestCluster } from './cluster/cluster.ts';
import { draCluster, openShift } from './cluster/scenarios.ts';
import { instancetype, namingVm } from './instancetype-support.ts';
import { intentOf, smallCatalog } from './support.ts';

/*
 * The two roles are enough, and nothing in them is too much: every journey goes with one role alone, and again without
 * each single right; then something has to say which verb on which resource was missing.
 */

const roles = { platform: platformClusterRole, tenant: tenantClusterRole };

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** One verb on one resource. */
interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
}

const rulesOf = (role: Manifest) => role.rules as unknown as readonly Rule[];

const rightsOf = (role: Manifest): readonly Right[] =>
  rulesOf(role).flatMap(({ apiGroups: [group = ''], resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => ({ group, resource, verb }))),
  );

const withRights = (role: Manifest, rights: readonly Right[]): Manifest => ({
  ...role,
  rules: rights.map(({ group, resource, verb }) => ({
    apiGroups: [group],
    resources: [resource],
    verbs: [verb],
  })),
});

/** As the server says it (apiserver, pkg/endpoints/handlers/responsewriters/errors.go). */
const refusalOf = ({ group, resource, verb }: Right) =>
  `cannot ${verb} resource "${resource}" in API group "${group}"`;

interface Journey {
  readonly role: keyof typeof roles;
  readonly scenario: Scenario;
  readonly settings?: KubeVirtSettings;
  go(traveller: Traveller): Promise<void>;
}

interface Traveller {
  readonly provider: KubeVirtLive;
  /** Plans with the role's scope and applies; all of it is taken back in the end. */
  apply(spec: object): Promise<void>;
  /** Waits until KubeVirt says so. */
  until(state: string): Promise<void>;
}

const machine = { memory: '2GiB', cpu: { cores: 2 } };
const resource = 'nvidia.com/GA102GL_A10';
const wholeGpu = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } } as const;
const namedGpu = { ...wholeGpu, device: { name: resource } } as const;
const onNode = (node: string, rest = {}) => ({ providerOptions: { kubevirt: { nodes: [node], ...rest } } });
const manual = { providerOptions: { kubevirt: { patch: { spec: { runStrategy: 'Manual' } } } } };
/** Too long to stand in the VM itself. */
const userData = (word: string) => `#cloud-config\n${`# ${word}\n`.repeat(400)}`;
const vgpuTable = (name: string, devices: Readonly<Record<string, number>>) => ({
  ...machine,
  gpus: [{ name: 'vgpu0', mode: 'vgpu', profile: 'A10-24Q' }],
  ...onNode('gpu-2', {
    vgpuManager: { repository: 'registry.example.com/nvidia', version: '550.90.05' },
    vgpuConfig: { configMap: 'vgpu-types', name, devices },
  }),
});

const journeys: Readonly<Record<string, Journey>> = {
  'whole GPUs with the GPU Operator': {
    role: 'platform',
    scenario: withObjects((object) =>
      object.kind === 'ClusterPolicy' ? { ...object, metadata: { name: object.metadata.name } } : object,
    ),
    go: (traveller) => traveller.apply({ ...machine, gpus: [wholeGpu], ...onNode('gpu-1') }),
  },
  'vGPUs of a table of our own, which changes': {
    role: 'platform',
    scenario: sampleScenario(),
    async go(traveller) {
      await traveller.apply(vgpuTable('first', { 'A10-24Q': 1 }));
      await traveller.apply(vgpuTable('second', { 'A10-24Q': 1 }));
    },
  },
  'whole GPUs on OpenShift': {
    role: 'platform',
    scenario: openShift(),
    go: (traveller) => traveller.apply({ ...machine, gpus: [wholeGpu], ...onNode('gpu-1') }),
  },
  'whole GPUs with a DRA driver': {
    role: 'platform',
    scenario: draCluster(),
    go: (traveller) => traveller.apply({ ...machine, gpus: [wholeGpu] }),
  },
  'a VM that is changed, restarted, stopped and started': {
    role: 'tenant',
    scenario: withObjects(prepare),
    async go({ provider, ...traveller }) {
      const vm = { name: 'train-1' };
      await traveller.apply({ ...machine, gpus: [namedGpu], userData: userData('first') });
      await traveller.apply({
        ...machine,
        cpu: { cores: 4 },
        gpus: [namedGpu],
        userData: userData('second'),
      });
      await traveller.apply({ ...machine, cpu: { cores: 4 }, userData: userData('second'), ...manual });
      await provider.power(vm, 'stop');
      await traveller.until('Stopped');
      await provider.power(vm, 'start');
      await traveller.until('Running');
    },
  },
  'an instance without a VM, on a disk of its own': {
    role: 'tenant',
    scenario: withObjects(prepare),
    go: (traveller) =>
      traveller.apply({
        ...machine,
        gpus: [namedGpu],
        disks: [{ name: 'root', size: '10GiB' }],
        providerOptions: { kubevirt: { kind: 'VirtualMachineInstance' } },
      }),
  },
  'an administrator reads a VM with an instance type': { role: 'platform', ...reading() },
  'a tenant reads a VM with an instance type': { role: 'tenant', ...reading() },
  'a VM that claims a GPU': {
    role: 'tenant',
    scenario: draCluster(),
    settings: { gpuProvider: 'dra' },
    go: (traveller) => traveller.apply({ ...machine, gpus: [wholeGpu] }),
  },
  'a VM of an instance type that is read by an administrator': {
    role: 'platform',
    scenario: withInstancetype(),
    go: async () => undefined,
  },
  'a VM of an instance type that is read by its owner': {
    role: 'tenant',
    scenario: withInstancetype(),
    go: async () => undefined,
  },
};

/** The instance type lies in the namespace: those of the cluster everybody may read. */
function reading(): Pick<Journey, 'scenario' | 'go'> {
  // Without nodes: what they publish, and when, is the matter of other journeys.
  const objects = (sampleScenario().objects ?? []).filter((object) =>
    ['Namespace', 'KubeVirt'].includes(object.kind),
  );
  const kind = 'VirtualMachineInstancetype';
  const type = { ...instancetype({}), kind, metadata: { name: 'own', namespace: 'vms' } };
  const spec = { runStrategy: 'Halted', instancetype: { kind, name: 'own' }, preference: undefined };
  const added = [type, namingVm({}, spec)] as readonly unknown[] as KubeObject[];
  return {
    scenario: { products: ['kubevirt'], objects: [...objects, ...added] },
    go: async ({ provider }) => void (await provider.describe({ name: 'train-1' })),
  };
}

function withObjects(edit: (object: KubeObject) => KubeObject): Scenario {
  const { objects = [], ...rest } = sampleScenario();
  return { ...rest, objects: objects.map(edit) };
}

/** An instance type of a namespace: those of the cluster may be read by everybody. */
function withInstancetype(): Scenario {
  const { objects = [], ...rest } = sampleScenario();
  const kind = 'VirtualMachineInstancetype';
  const small: KubeObject = {
    apiVersion: 'instancetype.kubevirt.io/v1beta1',
    kind,
    metadata: { name: 'small', namespace: 'vms' },
    spec: { cpu: { guest: 2 }, memory: { guest: '2Gi' } },
  };
  const vm: KubeObject = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name: 'train-1', namespace: 'vms' },
    spec: {
      runStrategy: 'Halted',
      instancetype: { kind, name: 'small' },
      template: { spec: { domain: { devices: {} } } },
    },
  };
  return { ...rest, objects: [...objects, small, vm] };
}

/** What an administrator has done before tenants come. */
function prepare(object: KubeObject): KubeObject {
  const { kind, metadata, spec } = object;
  if (kind === 'KubeVirt') {
    const entry = { pciVendorSelector: '10DE:2236', resourceName: resource, externalResourceProvider: true };
    return { ...object, spec: { configuration: { permittedHostDevices: { pciHostDevices: [entry] } } } };
  }
  if (kind === 'ClusterPolicy') return { ...object, spec: { ...spec, sandboxWorkloads: { enabled: true } } };
  if (metadata.name !== 'gpu-1') return object;
  const labels = { ...metadata.labels, 'nvidia.com/gpu.workload.config': 'vm-passthrough' };
  return { ...object, metadata: { ...metadata, labels } };
}

/** Long enough that nothing is ready before somebody waits for it by list and watch. */
const slow = { handler: 600, operator: 600, reconcile: 600 };

async function travel(journey: Journey, rights: readonly Right[], timings: Partial<Timings> = {}) {
  const cluster = await startCluster({ scenario: journey.scenario, timings });
  for (const [name, role] of Object.entries(roles)) {
    const own = withRights(role, name === journey.role ? rights : []);
    cluster.kube.put(own as unknown as KubeObject);
  }
  const report: Report = { errors: [], refused: [], used: new Set() };
  const operations: Operation[] = [];
  const provider = await cluster.connect('ops', journey.settings);
  const scope = journey.role === 'platform' ? 'platform' : 'vm';
  const vm = { name: 'train-1' };
  const look = async () => {
    const snapshot = await provider.snapshot(scope, { vm });
    report.refused.push(...(snapshot.gaps ?? []).map(({ why }) => why));
    return snapshot;
  };
  const traveller: Traveller = {
    provider,
    async apply(spec) {
      const options = { catalog: smallCatalog, scope } as const;
      const plan = provider.translate.plan(intentOf(spec), await look(), options);
      const operation = apply(plan, provider, { clock: quickClock });
      operations.push(operation);
      await operation;
    },
    async until(state) {
      const now = async () => (await provider.describe(vm)) as { status?: { printableStatus?: string } };
      while ((await now()).status?.printableStatus !== state)
        await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
  const note = (error: unknown) => noteError(report, error);
  await journey.go(traveller).then(look).catch(note);
  for (const operation of operations.reverse())
    await undo(operation.toJSON(), provider, { clock: quickClock }).then(undefined, note);
  for (const key of usedRights(cluster)) report.used.add(key);
  await cluster.close();
  return report;
}

interface Report {
  /** What ended a part of the journey. */
  readonly errors: unknown[];
  /** What the server refused: gaps of snapshots, errors of code `permission-denied`, what an undo had to leave. */
  readonly refused: string[];
  /** What was asked for and not refused. */
  readonly used: Set<string>;
}

function noteError({ errors, refused }: Report, error: unknown): void {
  if (!isVmgpuError(error)) throw error;
  errors.push(error);
  const { failure, left = [] } = (error.details ?? {}) as Partial<ApplyFailedDetails>;
  if ((failure ?? error).code === 'permission-denied') refused.push(error.message);
  else refused.push(...left.map(({ why }) => why));
}

/** What was asked for and not refused, as `verb group resource`. */
function usedRights({ kube }: TestCluster): ReadonlySet<string> {
  return new Set(
    kube.requests.entries.flatMap(({ verb, path, status }) => {
      const parts = path.split('/').filter(Boolean);
      const [group = '', ...rest] =
        parts[0] === 'api' ? ['', ...parts.slice(2)] : [parts[1], ...parts.slice(3)];
      const [plural = '', , ...sub] = rest[0] === 'namespaces' ? rest.slice(2) : rest;
      return status === 403 || plural === ''
        ? []
        : [keyOf({ verb, group, resource: [plural, ...sub].join('/') })];
    }),
  );
}

const keyOf = ({ verb, group, resource }: Right) => `${verb} ${group} ${resource}`;

describe.each(Object.entries(roles))('the role of scope %s', (name, role) => {
  const rights = rightsOf(role);
  const own = Object.entries(journeys).filter(([, journey]) => journey.role === name);
  const travelled = new Map<Journey, Report>();
  beforeAll(async () => {
    const travels = own.map(async ([, journey]) =>
      travelled.set(journey, await travel(journey, rights, slow)),
    );
    await Promise.all(travels);
  }, 60_000);

  it.each(own)('is enough for %s', (_name, journey) => {
    expect(travelled.get(journey)?.errors).toEqual([]);
  });

  it.concurrent.each(rights.map((right) => [right.verb, right.resource, right] as const))(
    'cannot do without %s of %s',
    async (_verb, _resource, right) => {
      const using = own.find(([, journey]) => travelled.get(journey)?.used.has(keyOf(right)));
      if (!using) return expect.fail('no journey needs it');
      const rest = rights.filter((other) => other !== right);
      const waits = right.verb === 'watch' || keyOf(right).startsWith('list kubevirt.io virtualmachine');
      const { refused } = await travel(using[1], rest, waits ? slow : {});
      expect(refused.join('\n')).toContain(refusalOf(right));
    },
  );
});
