import { describe, expect, it } from 'vitest';
import { sampleNode, sampleScenario, startKube } from '../src/kube/index.ts';
import { clientOf, kubevirt, machine, nodes, vms, withKube } from './kube-client.ts';

const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const configMaps = '/api/v1/namespaces/vms/configmaps';

describe('discovery', () => {
  it('names versions, groups and resources, and 404 for what is not installed', () =>
    withKube({}, async ({ get }) => {
      expect((await get('/version')).body).toMatchObject({ major: '1', minor: '36', gitVersion: 'v1.36.2' });
      expect((await get('/api')).body.versions).toEqual(['v1']);
      const { groups } = (await get('/apis')).body;
      expect(groups.map(({ name }: { name: string }) => name)).toContain('subresources.kubevirt.io');
      expect((await get('/apis/kubevirt.io')).body.preferredVersion.version).toBe('v1');
      const { resources } = (await get('/apis/kubevirt.io/v1')).body;
      const names = resources.map(({ name }: { name: string }) => name);
      expect(names).toContain('virtualmachines/status');
      expect(names).not.toContain('virtualmachineinstances/status');
      expect((await get('/apis/hco.kubevirt.io/v1')).status).toBe(404);
      const crds = await get('/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
      expect(crds.body.items).toHaveLength(9);
    }));
});

describe('who may do what', () => {
  const users = [
    { name: 'admin', token: 'admin-token', groups: ['system:masters'] },
    { name: 'gpu-sdk', token: 'sdk', roles: { vms: ['kubevirt.io:view'] } },
    { name: 'short', token: 'short', groups: ['system:masters'], tokenExpiresAt: 1000 },
  ];
  const scenario = { ...sampleScenario(), users };

  it('forbids with the texts of the real server', () =>
    withKube({ scenario }, async ({ get, post, put }) => {
      const options = { token: 'sdk' };
      const refused = await get(nodes, options);
      expect(refused.status).toBe(403);
      expect(refused.body.message).toBe(
        'nodes is forbidden: User "gpu-sdk" cannot list resource "nodes" in API group "" at the cluster scope',
      );
      expect((await get(vms, options)).status).toBe(200);
      expect((await post(vms, machine('a', []), options)).body.message).toBe(
        'virtualmachines.kubevirt.io is forbidden: User "gpu-sdk" cannot create resource "virtualmachines" in API group "kubevirt.io" in the namespace "vms"',
      );
      const start = '/apis/subresources.kubevirt.io/v1/namespaces/vms/virtualmachines/good/start';
      expect((await put(start, {}, options)).body.message).toBe(
        'virtualmachines.subresources.kubevirt.io "good" is forbidden: User "gpu-sdk" cannot update resource "virtualmachines/start" in API group "subresources.kubevirt.io" in the namespace "vms"',
      );
      const attributes = { verb: 'list', group: '', resource: 'nodes' };
      const ask = { spec: { resourceAttributes: attributes } };
      const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      expect((await post(review, ask, options)).body.status.allowed).toBe(false);
    }));

  it('refuses unknown and expired tokens with 401, and knows nobody as anonymous', () =>
    withKube({ scenario }, async ({ get }, simulator) => {
      expect((await get(nodes, { token: 'nonsense' })).body).toMatchObject({
        code: 401,
        reason: 'Unauthorized',
      });
      expect((await get(nodes, { token: 'short' })).status).toBe(200);
      simulator.advance(1000);
      expect((await get(nodes, { token: 'short' })).status).toBe(401);
      simulator.expireToken('admin-token');
      expect((await get(nodes)).status).toBe(401);
      const nobody = await fetch(simulator.url + nodes);
      expect(((await nobody.json()) as { message: string }).message).toContain('User "system:anonymous"');
    }));

  it('goes by RoleBindings made through the API', () =>
    withKube({ scenario }, async ({ get, post }) => {
      const rbac = '/apis/rbac.authorization.k8s.io/v1';
      const apiVersion = 'rbac.authorization.k8s.io/v1';
      const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list'] }];
      await post(`${rbac}/clusterroles`, {
        apiVersion,
        kind: 'ClusterRole',
        metadata: { name: 'see' },
        rules,
      });
      const subjects = [{ kind: 'User', name: 'gpu-sdk' }];
      const roleRef = { kind: 'ClusterRole', name: 'see' };
      const binding = {
        apiVersion,
        kind: 'ClusterRoleBinding',
        metadata: { name: 'see' },
        subjects,
        roleRef,
      };
      expect((await post(`${rbac}/clusterrolebindings`, binding)).status).toBe(201);
      expect((await get(nodes, { token: 'sdk' })).status).toBe(200);
      expect((await get(`${nodes}/gpu-1`, { token: 'sdk' })).status).toBe(403);
    }));
});

describe('objects', () => {
  it('are made, read, changed and removed, with names and errors as the server gives them', () =>
    withKube({}, async ({ get, post, put, merge, remove }) => {
      const made = await post(configMaps, { ...configMap(''), metadata: { generateName: 'made-' } });
      expect(made.status).toBe(201);
      expect(made.body.metadata.name).toMatch(/^made-[a-z0-9]{5}$/);
      expect((await post(configMaps, configMap('a', { k: '1' }))).body.metadata.uid).toBeTruthy();
      expect((await post(configMaps, configMap('a'))).body).toMatchObject({
        code: 409,
        reason: 'AlreadyExists',
        message: 'configmaps "a" already exists',
      });
      expect((await get(`${configMaps}/b`)).body).toMatchObject({
        code: 404,
        message: 'configmaps "b" not found',
      });
      expect((await get(`${vms}/b`)).body.message).toBe('virtualmachines.kubevirt.io "b" not found');
      const same = await merge(`${configMaps}/a`, { data: { k: '1' } });
      const changed = await merge(`${configMaps}/a`, { data: { k: '2' } });
      expect(Number(changed.body.metadata.resourceVersion)).toBe(
        Number(same.body.metadata.resourceVersion) + 1,
      );
      const dry = await merge(`${configMaps}/a?dryRun=All`, { data: { k: '3' } });
      expect(dry.body.data.k).toBe('3');
      expect((await get(`${configMaps}/a`)).body.data.k).toBe('2');
      const wrong = await put(`${configMaps}/a`, { ...configMap('other') });
      expect(wrong.body.message).toBe(
        'the name of the object (other) does not match the name on the URL (a)',
      );
      expect((await post('/api/v1/namespaces/none/configmaps', configMap('a'))).body.message).toBe(
        'namespaces "none" not found',
      );
      expect((await post(configMaps, configMap('Big'))).status).toBe(422);
      expect((await remove(`${configMaps}/a`)).body).toMatchObject({ kind: 'Status', status: 'Success' });
      expect((await get(`${configMaps}/a`)).status).toBe(404);
    }));

  it('takes 100 races of two writers on the KubeVirt CR: one of each pair gets 409, nothing is lost', () =>
    withKube({}, async ({ get, put }) => {
      let conflicts = 0;
      const add = async (entry: string) => {
        for (;;) {
          const { body } = await get(kubevirt);
          body.spec.configuration.developerConfiguration ??= { featureGates: [] };
          body.spec.configuration.developerConfiguration.featureGates.push(entry);
          const answer = await put(kubevirt, body);
          if (answer.status === 200) return;
          expect(answer.body.message).toBe(
            'Operation cannot be fulfilled on kubevirts.kubevirt.io "kubevirt": the object has been modified; please apply your changes to the latest version and try again',
          );
          conflicts += 1;
        }
      };
      for (let race = 0; race < 100; race += 1) await Promise.all([add(`a${race}`), add(`b${race}`)]);
      const { body } = await get(kubevirt);
      expect(new Set(body.spec.configuration.developerConfiguration.featureGates).size).toBe(200);
      expect(conflicts).toBeGreaterThan(50);
    }));

  it('wants a resourceVersion to replace a custom resource', () =>
    withKube({}, async ({ get, put }) => {
      const { body } = await get(kubevirt);
      delete body.metadata.resourceVersion;
      expect((await put(kubevirt, body)).body.message).toBe(
        'KubeVirt.kubevirt.io "kubevirt" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
      );
    }));

  it('keeps status and spec apart, and counts generations', () =>
    withKube({ controllers: { virtOperator: false } }, async ({ get, merge }) => {
      const before = (await get(kubevirt)).body;
      const tried = await merge(kubevirt, { status: { phase: 'Deleted' } });
      expect(tried.body.status.phase).toBe('Deployed');
      const set = await merge(`${kubevirt}/status`, { status: { phase: 'Deploying' }, spec: { infra: {} } });
      expect(set.body.status.phase).toBe('Deploying');
      expect(set.body.spec).toEqual(before.spec);
      expect(set.body.metadata.generation).toBe(1);
      const next = await merge(kubevirt, { spec: { configuration: { imagePullPolicy: 'Always' } } });
      expect(next.body.metadata.generation).toBe(2);
      expect(
        (await merge('/apis/kubevirt.io/v1/namespaces/vms/virtualmachineinstances/a/status', {})).status,
      ).toBe(404);
    }));

  it('patches by JSON patch with tests, and strategically for core types alone', () =>
    withKube({}, async ({ post, json, send }) => {
      await post(configMaps, configMap('a', { k: '1' }));
      const good = [
        { op: 'test', path: '/data/k', value: '1' },
        { op: 'replace', path: '/data/k', value: '2' },
        { op: 'add', path: '/metadata/labels', value: { 'a/b': 'c' } },
        { op: 'remove', path: '/metadata/labels/a~1b' },
      ];
      expect((await json(`${configMaps}/a`, good)).body.data).toEqual({ k: '2' });
      const failed = await json(`${configMaps}/a`, good);
      expect(failed.body).toMatchObject({
        code: 422,
        reason: 'Invalid',
        message: 'the server rejected our request due to an error in our request',
      });
      const strategic = { type: 'application/strategic-merge-patch+json' };
      const taints = { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } };
      await send('PATCH', `${nodes}/cpu-1`, taints, strategic);
      const more = { spec: { taints: [{ key: 'b', effect: 'NoSchedule' }] } };
      const { body } = await send('PATCH', `${nodes}/cpu-1`, more, strategic);
      expect(body.spec.taints.map(({ key }: { key: string }) => key)).toEqual(['a', 'b']);
      expect((await send('PATCH', kubevirt, {}, strategic)).status).toBe(415);
    }));

  it('holds a deleted object until its finalizers are gone', () =>
    withKube({}, async ({ get, post, merge, remove }) => {
      const held = configMap('held');
      await post(configMaps, { ...held, metadata: { name: 'held', finalizers: ['example.com/x'] } });
      const marked = await remove(`${configMaps}/held`);
      expect(marked.body.metadata.deletionTimestamp).toBeTruthy();
      expect((await get(`${configMaps}/held`)).status).toBe(200);
      await merge(`${configMaps}/held`, { metadata: { finalizers: null } });
      expect((await get(`${configMaps}/held`)).status).toBe(404);
    }));
});

describe('server-side apply', () => {
  const path = (manager: string, force = false) =>
    `${kubevirt}?fieldManager=${manager}${force ? '&force=true' : ''}`;
  const config = (pciHostDevices: unknown[]) => ({
    apiVersion: 'kubevirt.io/v1',
    kind: 'KubeVirt',
    metadata: { name: 'kubevirt', namespace: 'kubevirt' },
    spec: { configuration: { permittedHostDevices: { pciHostDevices } } },
  });
  const a10 = { pciVendorSelector: '10DE:2236', resourceName: 'nvidia.com/GA102GL_A10' };
  const t4 = { pciVendorSelector: '10DE:1EB8', resourceName: 'nvidia.com/TU104GL_TESLA_T4' };

  it('treats the lists of the KubeVirt CR as one field each: a second manager gets a conflict, force takes it', () =>
    withKube({}, async ({ get, apply }) => {
      expect((await apply(path('one'), config([a10]))).status).toBe(200);
      const refused = await apply(path('two'), config([t4]));
      expect(refused.status).toBe(409);
      expect(refused.body.message).toBe(
        'Apply failed with 1 conflict: conflict with "one": .spec.configuration.permittedHostDevices.pciHostDevices',
      );
      expect(refused.body.details.causes[0]).toMatchObject({ reason: 'FieldManagerConflict' });
      expect((await apply(path('two', true), config([t4]))).status).toBe(200);
      const { body } = await get(kubevirt);
      expect(body.spec.configuration.permittedHostDevices.pciHostDevices).toEqual([t4]);
      const managers = body.metadata.managedFields.map(({ manager }: { manager: string }) => manager);
      expect(managers).toEqual(['two']);
    }));

  it('takes away what a manager no longer applies, and creates what is not there', () =>
    withKube({}, async ({ get, apply }) => {
      const place = `${configMaps}/new?fieldManager=one`;
      expect((await apply(place, configMap('new', { a: '1', b: '2' }))).body.data).toEqual({
        a: '1',
        b: '2',
      });
      await apply(`${configMaps}/new?fieldManager=two`, configMap('new', { c: '3' }));
      expect((await apply(place, configMap('new', { a: '1' }))).body.data).toEqual({ a: '1', c: '3' });
      const before = (await get(`${configMaps}/new`)).body.metadata.resourceVersion;
      expect((await apply(place, configMap('new', { a: '1' }))).body.metadata.resourceVersion).toBe(before);
      expect((await apply(`${configMaps}/new`, configMap('new'))).body.message).toContain(
        'fieldManager: Required value: is required for apply patch',
      );
    }));

  it('conflicts with fields that an update set', () =>
    withKube({}, async ({ post, apply }) => {
      await post(`${configMaps}?fieldManager=kubectl`, configMap('a', { k: '1' }));
      expect((await apply(`${configMaps}/a?fieldManager=sdk`, configMap('a', { k: '2' }))).body.message).toBe(
        'Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.k',
      );
    }));
});

describe('lists', () => {
  it('come in pages of one version, by labels and by fields', () =>
    withKube({}, async ({ get, merge }) => {
      const first = await get(`${nodes}?limit=2`);
      expect(first.body.items).toHaveLength(2);
      expect(first.body.metadata.remainingItemCount).toBe(1);
      await merge(`${nodes}/gpu-2`, { metadata: { labels: { changed: 'yes' } } });
      const token = first.body.metadata.continue;
      const second = await get(`${nodes}?limit=2&continue=${token}`);
      expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
      expect(second.body.metadata.continue).toBeUndefined();
      expect(second.body.items[0].metadata.labels.changed).toBeUndefined();
      const changed = await get(`${nodes}?labelSelector=changed,kubernetes.io/arch in (amd64,arm64)`);
      expect(changed.body.items).toHaveLength(1);
      expect((await get(`${nodes}?labelSelector=!changed`)).body.items).toHaveLength(2);
      const named = await get(`${nodes}?fieldSelector=metadata.name=gpu-1`);
      expect(named.body.items[0].metadata.name).toBe('gpu-1');
      expect((await get(`${nodes}?fieldSelector=spec.x=1`)).body.message).toBe(
        'field label not supported: spec.x',
      );
    }));

  it('answer a version of the future with 504 and Retry-After', () =>
    withKube({ freshnessTimeout: 5 }, async ({ get }) => {
      const answer = await get(`${nodes}?resourceVersion=999999&resourceVersionMatch=NotOlderThan`);
      expect(answer.status).toBe(504);
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(answer.body.message).toMatch(/^Timeout: Too large resource version: 999999, current: \d+$/);
      expect(answer.body.details.causes[0].reason).toBe('ResourceVersionTooLarge');
    }));

  it('expire by compaction and restart, in both forms, and not by one of them alone', () =>
    withKube({}, async ({ get, merge }, simulator) => {
      const { metadata } = (await get(`${nodes}?limit=1`)).body;
      await merge(`${nodes}/gpu-2`, { metadata: { labels: { changed: 'yes' } } });
      const page = `${nodes}?limit=1&continue=${metadata.continue}`;
      const exact = `${nodes}?resourceVersion=${metadata.resourceVersion}&resourceVersionMatch=Exact`;
      simulator.compact();
      expect((await get(page)).status).toBe(200);
      expect((await get(exact)).status).toBe(200);
      await simulator.restart();
      const gone = await get(page);
      expect(gone.body).toMatchObject({ code: 410, reason: 'Expired' });
      const rest = await get(`${nodes}?continue=${gone.body.metadata.continue}`);
      expect(rest.body.items.map((node: { metadata: { name: string } }) => node.metadata.name)).toEqual([
        'gpu-1',
        'gpu-2',
      ]);
      expect((await get(exact)).body).toMatchObject({
        code: 410,
        message: 'The resourceVersion for the provided list is too old.',
      });
    }));

  it('gives 5,000 nodes whole, in pages and compressed', async () => {
    const objects = Array.from({ length: 5000 }, (_, index) =>
      sampleNode(`node-${String(index).padStart(4, '0')}`),
    );
    const simulator = await startKube({ clock: 'manual', scenario: { objects } });
    const { get } = clientOf(simulator);
    const whole = await get(nodes);
    expect(whole.body.items).toHaveLength(5000);
    expect(whole.headers.get('content-encoding')).toBe('gzip');
    let token = '';
    let seen = 0;
    do {
      const { body } = await get(`${nodes}?limit=500&continue=${token}`);
      seen += body.items.length;
      token = body.metadata.continue ?? '';
    } while (token);
    expect(seen).toBe(5000);
    expect(simulator.requests.counts['list nodes']).toBe(11);
    await simulator.close();
  });
});
