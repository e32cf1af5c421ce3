import { type GpuVm, isVmgpuError, type Operation, type Plan } from '@vmgpu/core';
import { apply, undo } from '@vmgpu/core/engine';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectKube } from '../src/client-node/index.ts';
import {
  createKubeVirt,
  type KubePort,
  type KubeVirtLive,
  type KubeVirtSnapshot,
  kubeResources,
  permittedDevices,
} from '../src/index.ts';
import { type LiveCluster, liveCluster } from './cluster/live-harness.ts';
import { smallCatalog } from './support.ts';

/*
 * The whole way on a cluster: the simulator, or any that VMGPU_LIVE_KUBECONFIG points at. Everything made is removed again;
 * what the cluster lacks is said, and only what needs it is left out.
 */

const suffix = process.pid.toString(36);
const name = `vmgpu-live-${suffix}`;
let cluster: LiveCluster;
let port: KubePort;
let provider: KubeVirtLive;
let snapshot: KubeVirtSnapshot;
let namespace = name;
let madeNamespace = false;
let madeKubeVirt = false;
const lacks: string[] = [];

beforeAll(async () => {
  cluster = await liveCluster();
  port = connectKube(cluster.kubeconfig);
  namespace = await ownNamespace();
  const waits = { prepareMs: cluster.patience, advertiseMs: cluster.patience, runningMs: cluster.patience };
  provider = createKubeVirt({ port, namespace, waits });
  snapshot = await provider.snapshot('platform', { vm: { name } });
  if (cluster.mayMake && snapshot.crs?.length === 0) {
    await makeKubeVirt();
    snapshot = await provider.snapshot('platform', { vm: { name } });
  }
  for (const { what, why } of snapshot.gaps ?? []) lacks.push(`${what}: ${why}`);
  if (snapshot.crs?.length !== 1) lacks.push('a KubeVirt object');
  if (cluster.node === undefined) lacks.push('a node that may be labelled (VMGPU_LIVE_NODE)');
  if (lacks.length > 0) console.log(`${cluster.name} lacks:\n  ${lacks.join('\n  ')}`);
});

afterAll(async () => {
  if (madeKubeVirt) await port.delete(kubeResources.kubeVirts, { name, namespace });
  if (madeNamespace) await port.delete(kubeResources.namespaces, { name: namespace });
  port?.close();
  await cluster?.close();
});

/** What still stands on the cluster when a test fails. */
const begun: Operation[] = [];
function begin(plan: Plan): Operation {
  const operation = apply(plan, provider);
  begun.push(operation);
  return operation;
}
afterEach(async () => {
  for (const operation of begun.splice(0).reverse()) {
    await operation.then(undefined, () => undefined);
    await undo(operation.toJSON(), provider).then(undefined, (error: unknown) => console.log(String(error)));
  }
});

/** A namespace of our own where we may make one, else one that is there for VMs. */
async function ownNamespace(): Promise<string> {
  try {
    await port.create(kubeResources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    madeNamespace = true;
    return name;
  } catch (error) {
    if (!isVmgpuError(error) || !['permission-denied', 'not-found'].includes(error.code)) throw error;
    return process.env.VMGPU_LIVE_NAMESPACE ?? 'vms';
  }
}

/** Where only the CRDs are, an object for the tests that need no more; where virt-operator runs it would install KubeVirt. */
async function makeKubeVirt(): Promise<void> {
  const spec = { configuration: {} };
  const cr = { apiVersion: 'kubevirt.io/v1', kind: 'KubeVirt', metadata: { name, namespace }, spec };
  try {
    await port.create(kubeResources.kubeVirts, cr);
    madeKubeVirt = true;
  } catch (error) {
    if (!isVmgpuError(error) || !['permission-denied', 'not-found'].includes(error.code)) throw error;
    lacks.push(`the right to make a KubeVirt object: ${error.message}`);
  }
}

const hasKubeVirt = () => snapshot.crs?.length === 1;

function intent(spec: Partial<GpuVm['spec']> = {}): GpuVm {
  const gpu = { name: 'gpu0', mode: 'passthrough', device: { id: cluster.device } } as const;
  return {
    apiVersion: 'vmgpu/v1',
    kind: 'GpuVm',
    metadata: { name },
    spec: { cpu: { cores: 2 }, memory: '2GiB', gpus: [gpu], ...spec },
  };
}

async function planOf(vm: GpuVm): Promise<Plan> {
  const now = await provider.snapshot('platform', { vm: { name } });
  return provider.translate.plan(vm, now, { catalog: smallCatalog });
}

async function failureOf(work: PromiseLike<unknown>) {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isVmgpuError(error)) throw new Error(`expected a failure, got ${String(error)}`);
  return error;
}

const exists = (vm = name) =>
  provider.describe({ name: vm }).then(
    () => true,
    () => false,
  );

describe('a live cluster', () => {
  it('is read: versions, nodes and what they hold', () => {
    expect(snapshot.version).toMatch(/^v\d+\.\d+/);
    expect(snapshot.serverVersion ?? 'v1').toMatch(/^v1/);
    for (const { allocatable, allocated } of snapshot.nodes ?? []) {
      for (const [resource, used] of Object.entries(allocated)) {
        expect(used).toBeLessThanOrEqual(Number(allocatable[resource] ?? 0));
      }
    }
  });

  it('goes from labels over the allow-list and allocatable to a VM that runs, and back', async (context) => {
    if (!hasKubeVirt() || cluster.node === undefined || snapshot.clusterPolicy == null) return context.skip();
    const vm = intent({ providerOptions: { kubevirt: { nodes: [cluster.node] } } });
    const plan = await planOf(vm);
    const operation = begin(plan);
    await operation;
    const running = (await provider.describe({ name })) as { status: { printableStatus: string } };
    expect(running.status.printableStatus).toBe('Running');
    const resource =
      permittedDevices((await provider.snapshot('platform')).crs?.[0]).at(-1)?.resourceName ?? '';
    const after = await provider.snapshot('platform', { vm: { name } });
    expect(after.nodes?.some(({ allocated }) => (allocated[resource] ?? 0) > 0)).toBe(true);

    const again = await apply(await planOf(vm), provider);
    expect(again.changed).toBe(false);
    const { intent: read } = provider.translate.toIntent(running, after);
    expect(read.spec.gpus).toMatchObject([{ mode: 'passthrough', device: { id: cluster.device } }]);

    // What KubeVirt would take and leave hanging is refused before anything is made.
    const misspelt = `${resource.slice(0, -1)}X`;
    const wrong = { name: 'gpu0', mode: 'passthrough', device: { name: misspelt } } as const;
    const other = { ...intent({ gpus: [wrong] }), metadata: { name: `${name}-2` } };
    expect((await failureOf(apply(await planOf(other), provider))).message).toContain(resource);
    expect(await exists(`${name}-2`)).toBe(false);

    await undo(operation.toJSON(), provider);
    expect(await exists()).toBe(false);
    const restored = await provider.snapshot('platform');
    expect(restored.crs?.[0]?.spec).toEqual(snapshot.crs?.[0]?.spec);
    expect(restored.clusterPolicy?.spec).toEqual(snapshot.clusterPolicy?.spec);
  });

  it('stops and starts a VM when asked', async (context) => {
    if (!hasKubeVirt() || snapshot.nodes === undefined) return context.skip();
    const manual = { providerOptions: { kubevirt: { patch: { spec: { runStrategy: 'Manual' } } } } };
    const { gpus: _none, ...plain } = intent(manual).spec;
    const operation = begin(await planOf({ ...intent(), spec: plain }));
    await operation;
    await provider.power({ name }, 'start');
    const error = await failureOf(
      (async () => {
        for (;;) await provider.power({ name }, 'start');
      })(),
    );
    expect(error.code).toBe('conflict');
    await undo(operation.toJSON(), provider);
    expect(await exists()).toBe(false);
  });

  it("passes the server's refusal on, with its causes, before anything is made", async (context) => {
    if (!hasKubeVirt()) return context.skip();
    const { gpus: _none, ...spec } = intent().spec;
    const broken = {
      kubevirt: { patch: { spec: { template: { spec: { domain: { gpus: [{ name: 'x' }] } } } } } },
    };
    const plan = await planOf({ ...intent(), spec: { ...spec, providerOptions: broken } });
    const refused = await failureOf(apply(plan, provider));
    expect(refused.code).toBe('apply-failed');
    expect(await exists()).toBe(false);
  });

  it('loses no entry of others in races for the KubeVirt object', async (context) => {
    if (!hasKubeVirt()) return context.skip();
    const cr = snapshot.crs?.[0];
    const ref = { name: cr?.metadata?.name ?? '', namespace: cr?.metadata?.namespace ?? '' };
    const step = (resourceName: string, selector: string) => ({
      apiVersion: 'kubevirt.io/v1',
      kind: 'KubeVirt',
      metadata: ref,
      spec: {
        configuration: {
          permittedHostDevices: { pciHostDevices: [{ pciVendorSelector: selector, resourceName }] },
        },
      },
    });
    const quick = createKubeVirt({ port, namespace, waits: { advertiseMs: 0 } });
    const planFor = (who: string, index: number): Plan => ({
      ...emptyPlan,
      vm: `${who}-${index}`,
      steps: [
        {
          id: 'config',
          kind: 'kubevirt.config',
          target: { type: 'KubeVirt', name: ref.name, in: ref.namespace },
          after: step(`example.com/${who}-${index}`, `${who === 'a' ? 'AAAA' : 'BBBB'}:${hex(index)}`),
          scope: 'platform',
          risk: 'none',
          reversible: true,
          summary: `permit ${who}-${index}`,
        },
      ],
    });
    const journals = [];
    for (let index = 0; index < cluster.races; index += 1) {
      const both = ['a', 'b'].map((who) => apply(planFor(who, index), quick));
      await Promise.all(both);
      journals.push(...both.map((operation) => operation.toJSON()));
    }
    const foreign = permittedDevices(cr).map(({ resourceName }) => resourceName);
    expect(new Set(await entries()).size).toBe(new Set(foreign).size + 2 * cluster.races);
    for (const journal of journals) await undo(journal, quick);
    expect(await entries()).toEqual(foreign);

    async function entries() {
      return permittedDevices(await port.get(kubeResources.kubeVirts, ref)).map(
        ({ resourceName }) => resourceName,
      );
    }
  });
});

const hex = (value: number) => value.toString(16).toUpperCase().padStart(4, '0');

const emptyPlan: Plan = {
  apiVersion: 'vmgpu/v1',
  kind: 'Plan',
  platform: 'kubevirt',
  platformVersion: 'v1.9.0',
  vm: 'race',
  steps: [],
  diagnostics: [],
  requirements: [],
};
