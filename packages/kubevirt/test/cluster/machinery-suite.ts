import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GpuVm, Plan } from '@vmgpu/core';
import { apply, applyMany, undo } from '@vmgpu/core/engine';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectKube } from '../../src/client-node/index.ts';
import {
  createKubeVirt,
  type KubePort,
  type KubeVirtLive,
  kubeResources,
  kubevirtTranslator,
  offlineSnapshot,
  permittedDevices,
} from '../../src/index.ts';
import type { Manifest } from '../../src/translate/manifest.ts';
import { type Answer, type RawClient, rawClient } from './raw-client.ts';

/** A server of custom resources: the in-process one, or Kubernetes' own. */
export interface Machinery {
  readonly name: string;
  /** Two-writer races on the KubeVirt object. */
  readonly races: number;
  /** `admin` may do everything, `ops` what our two ClusterRoles allow. */
  kubeconfig(user: User): string;
  /** Takes away the token; `kubeconfig` has a new one afterwards. */
  expire(user: User): Promise<void>;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** etcd forgets what was before that version. */
  compact(version: string): Promise<void>;
  close(): Promise<void>;
}
export type User = 'admin' | 'ops';

const namespace = 'vms';
const vms = `/apis/kubevirt.io/v1/namespaces/${namespace}/virtualmachines`;
const crs = '/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts';
const noWaits = { prepareMs: 0, advertiseMs: 0, runningMs: 0 };

const machine = (name: string, domain: object = {}, spec: object = {}): Manifest => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachine',
  metadata: { name, namespace, labels: { suite: 'machinery' } },
  spec: {
    runStrategy: 'Halted',
    template: { spec: { domain: { devices: {}, memory: { guest: '1Gi' }, ...domain }, ...spec } },
  },
});

const entry = (name: string, id: string) => ({
  pciVendorSelector: id,
  resourceName: `example.com/${name}`,
  externalResourceProvider: true,
});

const kubeVirt = (entries: readonly object[], name = 'kubevirt'): Manifest => ({
  apiVersion: 'kubevirt.io/v1',
  kind: 'KubeVirt',
  metadata: { name, namespace: 'kubevirt' },
  spec: { configuration: { permittedHostDevices: { pciHostDevices: entries } } } as never,
});

const intent = (name: string): GpuVm => ({
  apiVersion: 'vmgpu/v1',
  kind: 'GpuVm',
  metadata: { name },
  spec: { cpu: { cores: 2 }, memory: '2GiB', gpus: [] },
});

const hex = (value: number) => value.toString(16).toUpperCase().padStart(4, '0');
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A plan of one step: this entry in the allow-list. */
function permit(name: string, id: string): Plan {
  return {
    apiVersion: 'vmgpu/v1',
    kind: 'Plan',
    platform: 'kubevirt',
    platformVersion: 'v1.9.0',
    vm: name,
    steps: [
      {
        id: 'config',
        kind: 'kubevirt.config',
        target: { type: 'KubeVirt', name: 'kubevirt', in: 'kubevirt' },
        after: kubeVirt([entry(name, id)]),
        scope: 'platform',
        risk: 'none',
        reversible: true,
        summary: `permit ${name}`,
      },
    ],
    diagnostics: [],
    requirements: [],
  };
}

/**
 * What concerns custom resources, through our own client and provider: the same on the in-process server and on
 * Kubernetes' own machinery. A difference is the in-process server's fault.
 */
export function describeMachinery(open: () => Promise<Machinery>): void {
  let machinery: Machinery;
  let port: KubePort;
  let raw: RawClient;
  let provider: KubeVirtLive;
  const opened: KubePort[] = [];

  const connect = (user: User): KubePort => {
    const made = connectKube({ content: machinery.kubeconfig(user) });
    opened.push(made);
    return made;
  };

  beforeAll(async () => {
    machinery = await open();
    port = connect('admin');
    raw = await rawClient(machinery.kubeconfig('admin'));
    provider = createKubeVirt({ port: connect('ops'), namespace, waits: noWaits });
  });
  afterAll(async () => {
    for (const one of opened) one.close();
    raw?.close();
    await machinery?.close();
  });
  beforeEach(async () => {
    for (const resource of [kubeResources.virtualMachines, kubeResources.kubeVirts]) {
      for await (const { metadata } of port.list(resource)) {
        const { name = '', namespace: where = '' } = metadata ?? {};
        await port.patch(
          resource,
          { name, namespace: where },
          { type: 'merge', body: { metadata: { finalizers: null } } as never },
        );
        await port
          .delete(resource, { name, namespace: where }, { gracePeriodSeconds: 0 })
          .catch(() => undefined);
      }
    }
    await port.create(
      kubeResources.kubeVirts,
      kubeVirt([entry('foreign-1', '1002:74B5'), entry('foreign-2', '8086:56C0')]),
    );
  });

  const crNames = async () =>
    permittedDevices(
      await port.get(kubeResources.kubeVirts, { name: 'kubevirt', namespace: 'kubevirt' }),
    ).map(({ resourceName }) => resourceName);

  const failure = async (work: Promise<unknown>) =>
    (await work.then(
      () => expect.fail('it was not refused'),
      (error: unknown) => error,
    )) as { code: string; message: string; details: Record<string, unknown> };

  describe('an instance type', () => {
    it('is read beside the VM that names it, whoever expands it', async () => {
      const kind = 'VirtualMachineInstancetype';
      const type = {
        apiVersion: 'instancetype.kubevirt.io/v1beta1',
        kind,
        metadata: { name: 'gpu.large', namespace },
        spec: {
          cpu: { guest: 4, dedicatedCPUPlacement: true },
          memory: { guest: '8Gi', hugepages: { pageSize: '1Gi' } },
          gpus: [{ name: 'gpu0', deviceName: 'nvidia.com/GA102GL_A10' }],
        },
      } as Manifest;
      const template = { spec: { domain: { devices: {} } } };
      const spec = { runStrategy: 'Halted', instancetype: { kind, name: 'gpu.large' }, template };
      await port.create(kubeResources.instancetypes, type);
      try {
        await port.create(kubeResources.virtualMachines, { ...machine('named'), spec });
        const described = await createKubeVirt({ port, namespace }).describe({ name: 'named' });
        const { intent: read } = kubevirtTranslator.toIntent(described);
        expect(read.spec).toMatchObject({
          cpu: { cores: 4, sockets: 4, dedicated: true },
          memory: '8GiB',
          hugepages: '1GiB',
          gpus: [{ name: 'gpu0' }],
        });
      } finally {
        // First the VM: where webhooks look, it cannot be changed any more without its instance type.
        await port.delete(kubeResources.virtualMachines, { name: 'named', namespace });
        await port.delete(kubeResources.instancetypes, { name: 'gpu.large', namespace });
      }
    });
  });

  describe('fields', () => {
    const wrong = () => machine('strict', { gpus: [{ name: 'x' }] }, { gpus: [] });
    const unknown = 'unknown field "spec.template.spec.domain.gpus", unknown field "spec.template.spec.gpus"';

    it('that nobody knows are an error in strict mode, and nothing is made', async () => {
      const error = await failure(port.create(kubeResources.virtualMachines, wrong()));
      expect(error.code).toBe('refused');
      expect(error.message).toContain(
        `VirtualMachine in version "v1" cannot be handled as a VirtualMachine: strict decoding error: ${unknown}`,
      );
      expect((await raw.get(`${vms}/strict`)).status).toBe(404);
    });

    it('that nobody knows are pruned otherwise, with a word or without', async () => {
      const warned = await raw.post(vms, wrong());
      expect([warned.status, warned.warnings]).toEqual([
        201,
        ['unknown field "spec.template.spec.domain.gpus"', 'unknown field "spec.template.spec.gpus"'],
      ]);
      const { template } = warned.body.spec;
      expect([template.spec.gpus, template.spec.domain.gpus]).toEqual([undefined, undefined]);
      const ignored = await raw.post(`${vms}?fieldValidation=Ignore`, {
        ...wrong(),
        metadata: { name: 'ignored' },
      });
      expect([ignored.status, ignored.warnings, ignored.body.spec.template.spec.gpus]).toEqual([
        201,
        [],
        undefined,
      ]);
    });

    it('of the wrong type are named with their path', async () => {
      const error = await failure(
        port.create(kubeResources.virtualMachines, machine('typed', { cpu: { cores: 'two' } })),
      );
      expect([error.code, error.details.status]).toEqual(['refused', 422]);
      expect(error.details.causes).toContainEqual({
        reason: 'FieldValueTypeInvalid',
        message: expect.stringContaining(
          'spec.template.spec.domain.cpu.cores in body must be of type integer: "string"',
        ),
        field: 'spec.template.spec.domain.cpu.cores',
      });
    });

    it('that are required are missed', async () => {
      const bare = { ...machine('bare'), spec: { runStrategy: 'Halted' } } as never;
      const answer = await raw.post(vms, bare);
      expect([answer.status, answer.body.reason]).toEqual([422, 'Invalid']);
      expect(answer.body.details.causes).toContainEqual({
        reason: 'FieldValueRequired',
        message: 'Required value',
        field: 'spec.template',
      });
    });

    it('of status are kept apart from spec, which alone counts as a generation', async () => {
      const path = `${crs}/kubevirt`;
      await port.delete(kubeResources.kubeVirts, { name: 'kubevirt', namespace: 'kubevirt' });
      const made = await raw.post(crs, { ...kubeVirt([]), status: { phase: 'Deployed' } });
      expect([made.status, made.body.status, made.body.metadata.generation]).toEqual([201, undefined, 1]);
      const told = await raw.merge(`${path}/status`, { spec: { x: 1 }, status: { phase: 'Deployed' } });
      expect([told.body.status?.phase, told.body.spec.x, told.body.metadata.generation]).toEqual([
        'Deployed',
        undefined,
        1,
      ]);
      const changed = await raw.merge(path, { spec: { imageTag: 'v1' }, status: { phase: 'Deleted' } });
      expect([changed.body.status?.phase, changed.body.metadata.generation]).toEqual(['Deployed', 2]);
    });
  });

  describe('writes', () => {
    it('of an old version are refused, in every form', async () => {
      const first = await port.create(kubeResources.virtualMachines, machine('old'));
      await raw.merge(`${vms}/old`, { metadata: { labels: { second: 'x' } } });
      const put = await failure(port.replace(kubeResources.virtualMachines, first));
      expect([put.code, put.details.status, put.details.reason]).toEqual(['conflict', 409, 'Conflict']);
      expect(put.message).toContain('the object has been modified; please apply your changes to the latest');
      const stale = { metadata: { resourceVersion: first.metadata?.resourceVersion } };
      const merged = await raw.merge(`${vms}/old`, { ...stale, spec: { runStrategy: 'Manual' } });
      expect([merged.status, merged.body.reason]).toEqual([409, 'Conflict']);
      const { resourceVersion: _without, ...metadata } = first.metadata as Record<string, unknown>;
      const blind = await raw.put(`${vms}/old`, { ...first, metadata });
      expect([blind.status, blind.body.message]).toEqual([
        422,
        expect.stringContaining(
          'metadata.resourceVersion: Invalid value: 0: must be specified for an update',
        ),
      ]);
      const test = [{ op: 'test', path: '/metadata/labels/second', value: 'y' }];
      expect((await raw.json(`${vms}/old`, test)).status).toBe(422);
    });

    it('twice under one name, of another object and as a trial', async () => {
      const made = await port.create(kubeResources.virtualMachines, machine('one'));
      const twice = await failure(port.create(kubeResources.virtualMachines, machine('one')));
      expect([twice.code, twice.message]).toEqual([
        'already-exists',
        expect.stringContaining('virtualmachines.kubevirt.io "one" already exists'),
      ]);
      const other = await failure(
        port.delete(kubeResources.virtualMachines, { name: 'one', namespace }, { uid: 'somebody-else' }),
      );
      expect(other.code).toBe('conflict');
      await port.create(kubeResources.virtualMachines, machine('trial'), { dryRun: true });
      expect((await raw.get(`${vms}/trial`)).status).toBe(404);
      await port.delete(kubeResources.virtualMachines, { name: 'one', namespace }, { dryRun: true });
      expect((await raw.get(`${vms}/one`)).body.metadata.uid).toBe(made.metadata?.uid);
      expect((await failure(port.get(kubeResources.virtualMachines, { name: 'no', namespace }))).code).toBe(
        'not-found',
      );
      const strategic = await raw.send('PATCH', `${vms}/one`, '{}', 'application/strategic-merge-patch+json');
      expect(strategic.status).toBe(415);
    });

    it('that change nothing make no new version', async () => {
      const made = await port.create(kubeResources.virtualMachines, machine('same'));
      const again = await port.patch(
        kubeResources.virtualMachines,
        { name: 'same', namespace },
        { type: 'merge', body: { spec: { runStrategy: 'Halted' } } as never },
      );
      expect(again.metadata?.resourceVersion).toBe(made.metadata?.resourceVersion);
    });

    it('hold a deleted object until its finalizers are gone', async () => {
      const held = machine('held');
      await port.create(kubeResources.virtualMachines, {
        ...held,
        metadata: { ...held.metadata, finalizers: ['example.com/hold'] } as never,
      });
      await port.delete(kubeResources.virtualMachines, { name: 'held', namespace });
      const { body } = await raw.get(`${vms}/held`);
      expect(body.metadata.deletionTimestamp).toBeDefined();
      await raw.merge(`${vms}/held`, { metadata: { finalizers: null } });
      expect((await raw.get(`${vms}/held`)).status).toBe(404);
    });
  });

  describe('server-side apply', () => {
    const applied = (manager: string, entries: readonly object[], force?: boolean) =>
      port.patch(
        kubeResources.kubeVirts,
        { name: 'kubevirt', namespace: 'kubevirt' },
        {
          type: 'apply',
          body: kubeVirt(entries),
          fieldManager: manager,
          ...(force === undefined ? {} : { force }),
        },
      );

    it('takes the lists of the KubeVirt object as one field each: force takes it whole', async () => {
      const error = await failure(applied('second', [entry('own', '10DE:2236')]));
      expect([error.code, error.details.causes]).toEqual([
        'conflict',
        [
          {
            reason: 'FieldManagerConflict',
            message: expect.stringMatching(/^conflict with "[^"]+"/),
            field: '.spec.configuration.permittedHostDevices.pciHostDevices',
          },
        ],
      ]);
      expect(await crNames()).toEqual(['example.com/foreign-1', 'example.com/foreign-2']);
      await applied('second', [entry('own', '10DE:2236')], true);
      expect(await crNames()).toEqual(['example.com/own']);
    });

    it('makes what is not there, owns it, and takes away what it no longer says', async () => {
      const ref = { name: 'applied', namespace };
      const send = (body: Manifest) =>
        port.patch(kubeResources.virtualMachines, ref, { type: 'apply', body, fieldManager: 'one' });
      const made = await send(machine('applied', { ioThreadsPolicy: 'auto' }));
      expect(made.metadata?.managedFields).toMatchObject([
        { manager: 'one', operation: 'Apply', apiVersion: 'kubevirt.io/v1' },
      ]);
      const again = await send(machine('applied', { ioThreadsPolicy: 'auto' }));
      expect(again.metadata?.resourceVersion).toBe(made.metadata?.resourceVersion);
      const less = await send(machine('applied'));
      const { domain } = (less.spec as { template: { spec: { domain: object } } }).template.spec;
      expect(domain).not.toHaveProperty('ioThreadsPolicy');
      const misspelt = await failure(send(machine('applied', { ioThreadPolicy: 'auto' })));
      expect([misspelt.code, misspelt.message]).toEqual([
        'refused',
        expect.stringContaining('.spec.template.spec.domain.ioThreadPolicy: field not declared in schema'),
      ]);
    });
  });

  describe('lists', () => {
    it('come in pages of one version, by labels and by name', async () => {
      for (let index = 0; index < 7; index += 1) {
        const one = machine(`page-${index}`);
        await port.create(kubeResources.virtualMachines, {
          ...one,
          metadata: { ...one.metadata, labels: { parity: index % 2 ? 'odd' : 'even' } } as never,
        });
      }
      const versions = new Set<string>();
      const names: (string | undefined)[] = [];
      for await (const page of port.pages(kubeResources.virtualMachines, { namespace, limit: 3 })) {
        versions.add(page.resourceVersion);
        names.push(...page.items.map(({ metadata }) => metadata?.name));
        await port
          .delete(kubeResources.virtualMachines, { name: 'page-6', namespace })
          .catch(() => undefined);
      }
      expect([versions.size, names]).toEqual([
        1,
        Array.from({ length: 7 }, (_none, index) => `page-${index}`),
      ]);
      const first = await raw.get(`${vms}?limit=2`);
      expect(first.body.metadata.remainingItemCount).toBe(4);
      const odd = await raw.get(`${vms}?labelSelector=parity%3Dodd`);
      expect(odd.body.items).toHaveLength(3);
      const named = await raw.get(`${vms}?fieldSelector=metadata.name%3Dpage-2`);
      expect(named.body.items).toHaveLength(1);
      expect((await raw.get(`${vms}?fieldSelector=spec.x%3D1`)).status).toBe(400);
    });

    it('expire by compaction and restart with HTTP 410, and our client reads on or says so', async () => {
      for (const name of ['a', 'b', 'c', 'd'])
        await port.create(kubeResources.virtualMachines, machine(name));
      const first = await raw.get(`${vms}?limit=2`);
      const { continue: token, resourceVersion } = first.body.metadata;
      await port.create(kubeResources.virtualMachines, machine('e'));
      const now = await raw.get(vms);
      await machinery.compact(now.body.metadata.resourceVersion);
      await machinery.kill();
      await machinery.start();
      const next = await eventually(() => raw.get(`${vms}?limit=2&continue=${encodeURIComponent(token)}`));
      expect([next.status, next.body.reason, next.body.metadata.continue]).toEqual([
        410,
        'Expired',
        expect.any(String),
      ]);
      const exact = await raw.get(
        `${vms}?resourceVersion=${resourceVersion}&resourceVersionMatch=Exact&limit=2`,
      );
      expect([exact.status, exact.body.reason]).toEqual([410, 'Expired']);
    });

    it('of a version of the future are answered with 504', async () => {
      const { body } = await raw.get(vms);
      const future = Number(body.metadata.resourceVersion) + 1_000_000;
      const answer = await raw.get(`${vms}?resourceVersion=${future}&resourceVersionMatch=NotOlderThan`);
      expect([answer.status, answer.body.reason]).toEqual([504, 'Timeout']);
      expect(answer.body.message).toMatch(/^Timeout: Too large resource version: \d+, current: \d+$/);
    });
  });

  describe('watches', () => {
    it('tell what comes, changes and goes, through a kill of the server', async () => {
      const stop = new AbortController();
      const seen: string[] = [];
      const known = new Set<string>();
      const watching = (async () => {
        for await (const event of port.watch(kubeResources.virtualMachines, {
          namespace,
          signal: stop.signal,
        })) {
          if (event.type === 'reset') known.clear();
          if (event.type === 'reset' || event.type === 'synced') seen.push(event.type);
          else {
            const name = event.object.metadata?.name ?? '';
            if (event.type === 'deleted') known.delete(name);
            else known.add(name);
            seen.push(`${event.type} ${name}`);
          }
        }
      })().catch((error: unknown) => error);
      await until(() => seen.includes('synced'));
      await port.create(kubeResources.virtualMachines, machine('w1'));
      await raw.merge(`${vms}/w1`, { spec: { runStrategy: 'Manual' } });
      await port.create(kubeResources.virtualMachines, machine('w2'));
      await port.delete(kubeResources.virtualMachines, { name: 'w1', namespace });
      await until(() => seen.includes('deleted w1'));
      expect(seen).toEqual(['reset', 'synced', 'added w1', 'modified w1', 'added w2', 'deleted w1']);
      await machinery.kill();
      await machinery.start();
      await eventually(() => raw.post(vms, machine('w3')));
      await until(() => known.has('w3'));
      expect([...known].sort()).toEqual(['w2', 'w3']);
      stop.abort();
      await watching;
    });

    it('from before a restart are too old: an event with HTTP 200', async () => {
      const { body } = await raw.get(vms);
      await port.create(kubeResources.virtualMachines, machine('later'));
      await machinery.kill();
      await machinery.start();
      const version = body.metadata.resourceVersion;
      const answer = await eventually(() =>
        raw.get(`${vms}?watch=1&resourceVersion=${version}&timeoutSeconds=5`),
      );
      expect([answer.status, answer.events]).toMatchObject([
        200,
        [{ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } }],
      ]);
      expect(answer.events[0]?.object.message).toMatch(/^too old resource version: \d+ \(\d+\)$/);
    });

    it('end cleanly when their time is over, and bookmark where they are', async () => {
      await port.create(kubeResources.virtualMachines, machine('marked'));
      const answer = await raw.get(
        `${vms}?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1`,
      );
      expect(answer.status).toBe(200);
      expect(answer.events.map(({ type }) => type).slice(0, 2)).toEqual(['ADDED', 'BOOKMARK']);
      expect(answer.events[1]?.object).toMatchObject({
        kind: 'VirtualMachine',
        metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } },
      });
    });

    it('tell a status change soon', async () => {
      const stop = new AbortController();
      const latencies: number[] = [];
      const cr = { name: 'kubevirt', namespace: 'kubevirt' };
      let sent = 0;
      const tick = () => {
        sent = performance.now();
        return raw.merge(`${crs}/kubevirt/status`, { status: { phase: `Tick${latencies.length}` } });
      };
      const work: Promise<unknown>[] = [];
      for await (const event of port.watch(kubeResources.kubeVirts, {
        namespace: cr.namespace,
        signal: stop.signal,
      })) {
        if (event.type === 'modified') latencies.push(performance.now() - sent);
        if (latencies.length === 200) break;
        if (event.type === 'modified' || event.type === 'synced') {
          await pause(2);
          work.push(tick());
        }
      }
      await Promise.all(work);
      stop.abort();
      latencies.sort((a, b) => a - b);
      const [median = 0, most = 0] = [latencies[100], latencies[190]];
      console.log(
        `${machinery.name}: status change to event: median ${median.toFixed(1)} ms, 95 % ${most.toFixed(1)} ms`,
      );
      expect(latencies).toHaveLength(200);
    });
  });

  describe('the allow-list', () => {
    it('loses no entry of others when two write at once', async () => {
      const journals = [];
      const { races } = machinery;
      for (let index = 0; index < races; index += 1) {
        const both = [
          apply(permit(`a-${index}`, `AAAA:${hex(index)}`), provider),
          apply(permit(`b-${index}`, `BBBB:${hex(index)}`), provider),
        ];
        await Promise.all(both);
        journals.push(...both.map((operation) => operation.toJSON()));
      }
      const names = new Set(await crNames());
      expect(names.size).toBe(2 * races + 2);
      for (const journal of journals) await undo(journal, provider);
      const lost = ['example.com/foreign-1', 'example.com/foreign-2'].filter((name) => !names.has(name));
      console.log(`${machinery.name}: ${races} races of two writers, foreign entries lost: ${lost.length}`);
      expect(await crNames()).toEqual(['example.com/foreign-1', 'example.com/foreign-2']);
    });

    it('keeps what somebody without our care adds at the same time', async () => {
      const foreign = async (index: number): Promise<void> => {
        const path = `${crs}/kubevirt`;
        const { body } = await raw.get(path);
        const list = body.spec.configuration.permittedHostDevices.pciHostDevices;
        const added = [...list, entry(`theirs-${index}`, `CCCC:${hex(index)}`)];
        body.spec.configuration.permittedHostDevices.pciHostDevices = added;
        if ((await raw.put(path, body)).status === 409) await foreign(index);
      };
      const rounds = Math.min(machinery.races, 25);
      for (let index = 0; index < rounds; index += 1) {
        await Promise.all([foreign(index), apply(permit(`ours-${index}`, `DDDD:${hex(index)}`), provider)]);
      }
      expect(new Set(await crNames()).size).toBe(2 * rounds + 2);
    });
  });

  describe('an apply', () => {
    const count = 40;
    const planned = () => {
      const snapshot = offlineSnapshot();
      return Array.from({ length: count }, (_none, index) => {
        const halted = {
          ...intent(`many-${index}`),
          spec: {
            ...intent('').spec,
            providerOptions: { kubevirt: { namespace, patch: { spec: { runStrategy: 'Halted' } } } },
          },
        };
        return kubevirtTranslator.plan(halted, snapshot, { scope: 'vm' });
      });
    };

    it('makes every VM once though the server is killed in the middle, and says unchanged afterwards', async () => {
      const plans = planned();
      let done = 0;
      let trouble: Promise<void> | undefined;
      const jobs = plans.map((plan) => ({ plan, provider }));
      const results = await applyMany(jobs, {
        concurrency: 8,
        onEvent({ type }) {
          if (type === 'step-end') done += 1;
          if (done >= 8)
            trouble ??= machinery
              .kill()
              .then(() => pause(300))
              .then(() => machinery.start());
        },
      });
      expect(trouble, 'the server was killed').toBeDefined();
      await trouble;
      expect(results.filter(({ ok }) => !ok)).toEqual([]);
      const { body } = await eventually(() => raw.get(vms));
      expect(body.items).toHaveLength(count);
      const again = await applyMany(jobs, { concurrency: 8 });
      expect(again.every((one) => one.ok && !one.result.changed)).toBe(true);
    });

    it('goes on with a new token when the old one ends in the middle', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'vmgpu-machinery-'));
      const path = join(folder, 'config');
      writeFileSync(path, machinery.kubeconfig('ops'));
      const own = connectKube({ path });
      const through = createKubeVirt({ port: own, namespace, waits: noWaits });
      try {
        let index = 0;
        for (const plan of planned()) {
          if (index === 10) {
            await machinery.expire('ops');
            writeFileSync(path, machinery.kubeconfig('ops'));
          }
          expect((await apply(plan, through)).changed).toBe(true);
          index += 1;
        }
        await machinery.expire('ops');
        const error = await failure(Promise.resolve(apply(planned()[0] as Plan, through)));
        expect(error).toMatchObject({ code: 'apply-failed', details: { failure: { code: 'auth-failed' } } });
      } finally {
        own.close();
        rmSync(folder, { recursive: true });
        provider = createKubeVirt({ port: connect('ops'), namespace, waits: noWaits });
      }
    });

    it('needs no more than our two roles, and names what else is forbidden', async () => {
      const ops = connect('ops');
      const ref = { name: 'kubevirt', namespace: 'kubevirt' };
      const error = await failure(ops.delete(kubeResources.kubeVirts, ref));
      expect([error.code, error.message]).toEqual([
        'permission-denied',
        expect.stringContaining(
          'kubevirts.kubevirt.io "kubevirt" is forbidden: User "ops" cannot delete resource "kubevirts" in API group "kubevirt.io" in the namespace "kubevirt"',
        ),
      ]);
    });
  });
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await pause(5);
}

/** The answer of a server that has just come back: refusals of the first moments are passed over. */
async function eventually(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && ![403, 429, 500, 503].includes(answer.status)) return answer;
    await pause(50);
  }
}
