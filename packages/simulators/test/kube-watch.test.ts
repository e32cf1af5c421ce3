import { describe, expect, it } from 'vitest';
import { sampleScenario, startKube } from '../src/kube/index.ts';
import { nodes, withKube } from './kube-client.ts';

const label = (value: string) => ({ metadata: { labels: { seen: value } } });
const summary = (events: readonly { type: string; object: { metadata: { name: string } } }[]) =>
  events.map(({ type, object }) => `${type} ${object.metadata.name}`);

describe('watches', () => {
  it('begin with what is there, or after a version', () =>
    withKube({}, async ({ get, merge, watch }) => {
      const { resourceVersion } = (await get(nodes)).body.metadata;
      const all = await watch(`${nodes}?watch=1`);
      const later = await watch(`${nodes}?watch=true&resourceVersion=${resourceVersion}`);
      await merge(`${nodes}/gpu-1`, label('a'));
      expect(summary(await all.until(4))).toEqual([
        'ADDED cpu-1',
        'ADDED gpu-1',
        'ADDED gpu-2',
        'MODIFIED gpu-1',
      ]);
      expect(summary(await later.until(1))).toEqual(['MODIFIED gpu-1']);
      all.close();
      later.close();
    }));

  it('tell what comes into and goes out of a selection', () =>
    withKube({}, async ({ merge, watch }) => {
      const chosen = await watch(`${nodes}?watch=1&labelSelector=seen=a`);
      await merge(`${nodes}/gpu-1`, label('a'));
      await merge(`${nodes}/gpu-1`, { metadata: { labels: { more: '1' } } });
      await merge(`${nodes}/gpu-1`, label('b'));
      expect(summary(await chosen.until(3))).toEqual(['ADDED gpu-1', 'MODIFIED gpu-1', 'DELETED gpu-1']);
      chosen.close();
    }));

  it('end cleanly after timeoutSeconds', () =>
    withKube({}, async ({ watch }) => {
      const short = await watch(`${nodes}?watch=1&timeoutSeconds=1`);
      expect(short.status).toBe(200);
      expect(await short.ended).toBe('end');
    }));

  it('send bookmarks to those who allow them, and mark the end of initial events', () =>
    withKube({}, async ({ get, watch }, simulator) => {
      const streaming = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
      const stream = await watch(`${nodes}?watch=1&allowWatchBookmarks=true&${streaming}`);
      const events = await stream.until(4);
      expect(events[3].object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
      const plain = await watch(
        `${nodes}?watch=1&resourceVersion=${events[3].object.metadata.resourceVersion}`,
      );
      simulator.bookmark();
      expect((await stream.until(5))[4].type).toBe('BOOKMARK');
      expect(plain.events).toEqual([]);
      expect((await get(`${nodes}?watch=1&sendInitialEvents=true`)).status).toBe(422);
      stream.close();
      plain.close();
    }));

  it('tell that a version is too old as an event, with HTTP 200', () =>
    withKube({}, async ({ watch }) => {
      const old = await watch(`${nodes}?watch=1&resourceVersion=1`);
      expect(old.status).toBe(200);
      const [event] = await old.until(1);
      expect(event).toMatchObject({
        type: 'ERROR',
        object: { kind: 'Status', code: 410, reason: 'Expired' },
      });
      expect(event.object.message).toMatch(/^too old resource version: 1 \(\d+\)$/);
      expect(await old.ended).toBe('end');
    }));

  it('forget versions that the history no longer reaches back to', () =>
    withKube({ history: 8 }, async ({ get, merge, watch }) => {
      const { resourceVersion } = (await get(nodes)).body.metadata;
      for (let index = 0; index < 12; index += 1) await merge(`${nodes}/gpu-1`, label(`v${index}`));
      const old = await watch(`${nodes}?watch=1&resourceVersion=${resourceVersion}`);
      expect((await old.until(1))[0].object.code).toBe(410);
    }));
});

describe('a restart', () => {
  it('resets open watches, forbids everything for a moment, and makes every older version too old', () =>
    withKube({}, async ({ get, watch }, simulator) => {
      const { resourceVersion } = (await get(nodes)).body.metadata;
      const open = await watch(`${nodes}?watch=1&resourceVersion=${resourceVersion}`);
      await simulator.kill();
      expect(await open.ended).toBe('ECONNRESET');
      await expect(get(nodes)).rejects.toThrow();
      await simulator.start({ forbiddenRequests: 1 });
      const early = await get(nodes);
      expect(early.status).toBe(403);
      expect(early.body.message).toContain('nodes is forbidden: User "admin" cannot list resource "nodes"');
      expect((await get(nodes)).status).toBe(200);
      const old = await watch(`${nodes}?watch=1&resourceVersion=${resourceVersion}`);
      expect((await old.until(1))[0].object.code).toBe(410);
      const { metadata } = (await get(nodes)).body;
      const fresh = await watch(`${nodes}?watch=1&resourceVersion=${metadata.resourceVersion}`);
      expect(fresh.events).toEqual([]);
      fresh.close();
    }));
});

describe('an old etcd', () => {
  const options = { oldEtcd: true, freshnessTimeout: 5 };
  it('breaks three kinds of watch and one of lists, and no others', () =>
    withKube(options, async ({ get, watch, merge }) => {
      await merge('/api/v1/namespaces/vms', label('a'));
      const { resourceVersion } = (await get(nodes)).body.metadata;
      const first = async (query: string) => (await (await watch(`${nodes}?watch=1${query}`)).until(1))[0];
      expect((await first('')).object.message).toMatch(
        /^Timeout: Too large resource version: \d+, current: \d+$/,
      );
      const broken =
        'a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled';
      expect((await first('&resourceVersion=0&allowWatchBookmarks=true')).object.message).toBe(broken);
      const streaming = '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
      expect((await first(streaming)).object.message).toBe(broken);
      expect((await first('&resourceVersion=0')).type).toBe('ADDED');
      const works = await watch(`${nodes}?watch=1&resourceVersion=${resourceVersion}`);
      await merge(`${nodes}/gpu-1`, label('b'));
      expect((await works.until(1))[0].type).toBe('MODIFIED');
      works.close();
      await merge('/api/v1/namespaces/vms', label('b'));
      const listed = (await get(nodes)).body.metadata.resourceVersion;
      const again = await get(`${nodes}?resourceVersion=${listed}&resourceVersionMatch=NotOlderThan`);
      expect(again.status).toBe(504);
    }));
});

describe('faults', () => {
  it('answer with a status, now and then, and say when to come again', () =>
    withKube({}, async ({ get }, { faults }) => {
      faults.add({ verb: 'list', path: '/nodes', after: 1, times: 1, status: 429, retryAfter: 2 });
      expect((await get(nodes)).status).toBe(200);
      const refused = await get(nodes);
      expect(refused.status).toBe(429);
      expect(refused.headers.get('retry-after')).toBe('2');
      expect(refused.body).toMatchObject({ kind: 'Status', reason: 'TooManyRequests' });
      expect((await get(nodes)).status).toBe(200);
    }));

  it('cut connections before or after the work, and truncate bodies', () =>
    withKube({}, async ({ get, merge }, { faults }) => {
      const removeBefore = faults.add({ method: 'PATCH', cut: 'before' });
      await expect(merge(`${nodes}/gpu-1`, label('a'))).rejects.toThrow();
      removeBefore();
      expect((await get(`${nodes}/gpu-1`)).body.metadata.labels.seen).toBeUndefined();
      faults.add({ method: 'PATCH', cut: 'after', times: 1 });
      await expect(merge(`${nodes}/gpu-1`, label('a'))).rejects.toThrow();
      expect((await get(`${nodes}/gpu-1`)).body.metadata.labels.seen).toBe('a');
      faults.add({ method: 'GET', truncate: 20, times: 1 });
      expect(typeof (await get(nodes)).body).toBe('string');
    }));

  it('cut all that is open', () =>
    withKube({}, async ({ get, watch }, simulator) => {
      const open = await watch(`${nodes}?watch=1`);
      await open.until(3);
      simulator.cut();
      expect(await open.ended).toBe('ECONNRESET');
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect((await get(nodes)).status).toBe(200);
    }));
});

describe('requests', () => {
  it('are logged and counted', () =>
    withKube({}, async ({ get }, { requests }) => {
      await get(`${nodes}?limit=1`);
      await get('/version');
      expect(requests.counts).toEqual({ 'list nodes': 1, 'get /version': 1 });
      expect(requests.entries[0]).toMatchObject({ user: 'admin', status: 200, query: '?limit=1' });
      requests.clear();
      expect(requests.total()).toBe(0);
    }));
});

describe('TLS', () => {
  it('has its own CA, knows users by certificate, and puts both in the kubeconfig', async () => {
    const users = [{ name: 'cert-admin', groups: ['system:masters'] }];
    const simulator = await startKube({
      clock: 'manual',
      tls: true,
      scenario: { ...sampleScenario(), users },
    });
    const config = simulator.kubeconfig();
    const decode = (text: string) => Buffer.from(text, 'base64');
    const { cluster } = config.clusters[0];
    const { user } = config.users[0];
    const { request } = await import('node:https');
    const answer = (credentials: object) =>
      new Promise<number | undefined>((resolve, reject) => {
        const ca = decode(cluster['certificate-authority-data']);
        request(cluster.server + nodes, { ca, agent: false, ...credentials }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
    const cert = decode(user['client-certificate-data']);
    const key = decode(user['client-key-data']);
    expect(await answer({ cert, key })).toBe(200);
    expect(await answer({})).toBe(403);
    await simulator.close();
  });

  it('is deterministic with a manual clock', async () => {
    const texts: string[] = [];
    for (let run = 0; run < 2; run += 1) {
      await withKube({}, async ({ get, merge }, simulator) => {
        await merge(`${nodes}/gpu-1`, label('a'));
        simulator.advance(1000);
        texts.push(JSON.stringify((await get(nodes)).body));
      });
    }
    expect(texts[0]).toBe(texts[1]);
  });
});
