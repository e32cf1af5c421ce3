import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationEvent } from '@vmgpu/core';
import { apply } from '@vmgpu/core/engine';
import { type KubeOptions, type KubeSimulator, sampleNode, sampleScenario } from '@vmgpu/simulators/kube';
import { afterEach, describe, expect, it } from 'vitest';
import { connectKube } from '../src/client-node/index.ts';
import { createKubeVirt, type KubeVirtLive } from '../src/index.ts';
import { quickClock, startCluster, type TestCluster, tokens } from './cluster/cluster.ts';
import { intentOf, smallCatalog } from './support.ts';

const gpu = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' } } as const;
const intent = intentOf({
  cpu: { cores: 4 },
  memory: '8GiB',
  gpus: [gpu],
  providerOptions: { kubevirt: { nodes: ['gpu-1'] } },
});

let open: TestCluster | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Long enough that the trouble comes while a step waits. */
const timings = { handler: 250, operator: 250 };

async function start(options: KubeOptions = {}): Promise<TestCluster> {
  open = await startCluster({ timings, freshnessTimeout: 50, ...options });
  return open;
}

type When = (event: OperationEvent) => boolean;
const whilePreparing: When = (event) => event.type === 'step-progress' && event.step.startsWith('node/');
const whileStarting: When = (event) => event.type === 'step-progress' && event.step.startsWith('vm/');

/** Applies the intent, makes trouble at that moment, and expects the right end. */
async function survive(
  cluster: TestCluster,
  provider: KubeVirtLive,
  when: When,
  trouble: () => Promise<unknown>,
) {
  const snapshot = await provider.snapshot('platform', { vm: { name: 'train-1' } });
  const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog });
  let troubled: Promise<unknown> | undefined;
  const result = await apply(plan, provider, {
    clock: quickClock,
    onEvent(event) {
      if (when(event)) troubled ??= trouble();
    },
  });
  expect(troubled, 'the trouble came').toBeDefined();
  await troubled;
  expect(result.steps.map(({ status }) => status)).toEqual(['updated', 'updated', 'updated', 'created']);
  const machines = cluster.kube.objects('virtualmachines.kubevirt.io');
  expect(machines.map(({ status }) => status?.printableStatus)).toEqual(['Running']);
  expect(cluster.kube.objects('virtualmachineinstances.kubevirt.io')).toHaveLength(1);
}

/** Name, moment, and what happens to the server. */
const troubles: readonly (readonly [string, When, (kube: KubeSimulator) => Promise<unknown>])[] = [
  [
    'the server is killed and comes back',
    whilePreparing,
    (kube) =>
      kube
        .kill()
        .then(() => pause(60))
        .then(() => kube.start()),
  ],
  [
    'the server restarts, and refuses everybody for a moment',
    whileStarting,
    (kube) => kube.restart({ forbiddenMs: 60 }),
  ],
  [
    'the server restarts, and refuses three requests',
    whilePreparing,
    (kube) => kube.restart({ forbiddenRequests: 3 }),
  ],
  ['every connection is cut', whileStarting, async (kube) => kube.cut()],
  [
    'lists and watches are compacted away',
    whileStarting,
    async (kube) => {
      kube.compact();
      await kube.restart();
    },
  ],
  [
    'watches are too old, which the server says by its status',
    whileStarting,
    async (kube) => {
      kube.faults.add({ verb: 'watch', status: 410, reason: 'Expired', times: 2 });
      kube.cut();
    },
  ],
  [
    'watches end in the middle of an event',
    whilePreparing,
    async (kube) => {
      kube.faults.add({ verb: 'watch', truncate: 300, times: 2 });
      kube.cut();
    },
  ],
  [
    'every second answer is 503',
    whilePreparing,
    async (kube) => {
      for (const after of [1, 3, 5]) kube.faults.add({ status: 503, times: 1, after });
    },
  ],
  [
    'the server slows clients down',
    whilePreparing,
    async (kube) => {
      kube.faults.add({ status: 429, retryAfter: 1, times: 3 });
    },
  ],
  [
    'answers of writes get lost',
    whilePreparing,
    async (kube) => {
      kube.faults.add({ method: 'PUT', cut: 'after', times: 1 });
      kube.faults.add({ method: 'POST', cut: 'after', times: 2 });
    },
  ],
  [
    'answers are cut off',
    whilePreparing,
    async (kube) => {
      kube.faults.add({ verb: 'get', truncate: 40, times: 2 });
    },
  ],
];

it('a list that expires half-way is read anew, from one state of the cluster', async () => {
  const { objects = [], ...rest } = sampleScenario();
  const nodes = Array.from({ length: 1_200 }, (_none, index) => sampleNode(`node-${index}`));
  const cluster = await start({ scenario: { ...rest, objects: [...objects, ...nodes] } });
  cluster.kube.faults.add({
    verb: 'list',
    path: '/nodes',
    after: 2,
    times: 1,
    status: 410,
    reason: 'Expired',
  });
  const provider = await cluster.connect('ops');
  const snapshot = await provider.snapshot('platform');
  expect(new Set(snapshot.nodes?.map(({ name }) => name)).size).toBe(1_203);
  expect(snapshot.nodes).toHaveLength(1_203);
  expect(cluster.kube.requests.counts['list nodes']).toBe(6);
});

describe('an apply ends in the right state when', () => {
  it.each(troubles)('%s', async (_name, when, trouble) => {
    const cluster = await start();
    await survive(cluster, await cluster.connect('ops'), when, () => trouble(cluster.kube));
  });

  it('an old etcd is behind the server', async () => {
    const cluster = await start({ oldEtcd: true });
    await survive(cluster, await cluster.connect('ops'), whileStarting, async () => cluster.kube.cut());
  });

  it('the token expires, and the kubeconfig has a new one', async () => {
    const cluster = await start();
    const folder = mkdtempSync(join(tmpdir(), 'vmgpu-kubeconfig-'));
    const path = join(folder, 'config');
    try {
      writeFileSync(path, JSON.stringify(cluster.kube.kubeconfig('ops')));
      const port = connectKube({ path }, { clock: quickClock, requestMs: 600_000 });
      const provider = createKubeVirt({ port, namespace: 'vms', clock: quickClock });
      await survive(cluster, provider, whilePreparing, async () => {
        writeFileSync(path, JSON.stringify(cluster.kube.kubeconfig('admin')));
        cluster.kube.expireToken(tokens.ops);
        cluster.kube.cut();
      });
      port.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('the token expires for good: it says so, and no secret', async () => {
    const cluster = await start();
    const provider = await cluster.connect('ops');
    const snapshot = await provider.snapshot('platform', { vm: { name: 'train-1' } });
    const plan = provider.translate.plan(intent, snapshot, { catalog: smallCatalog });
    cluster.kube.expireToken(tokens.ops);
    const error = await apply(plan, provider, { clock: quickClock }).then(
      () => undefined,
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: 'apply-failed', details: { failure: { code: 'auth-failed' } } });
    expect(JSON.stringify([error, String(error.stack)])).not.toContain(tokens.ops);
  });
});
