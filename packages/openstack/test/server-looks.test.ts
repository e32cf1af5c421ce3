/** Looks at servers that are being built, counted in requests to a cloud of a few lines. */
import { idleClock } from '@vmgpu/conformance';
import { describe, expect, it } from 'vitest';
import type { OsPort, ServiceRequest } from '../src/client/port.ts';
import { createServerLooks } from '../src/steps/server-looks.ts';

type Listed = { readonly id: string; readonly name: string; status: string; updated?: string };

function cloud(...names: readonly string[]) {
  const servers: Listed[] = names.map((name) => ({ id: `id-${name}`, name, status: 'BUILD' }));
  const asked: string[] = [];
  const since: string[] = [];
  /** Servers that a list does not show. */
  const hidden = new Set<string>();
  let failures = 0;
  const answer = async (_service: string, { path, query = {} }: ServiceRequest) => {
    const parameters = new URLSearchParams(query as Record<string, string>);
    const shown = parameters.get('name');
    since.push(...parameters.getAll('changes-since'));
    asked.push(shown === null ? path : `${path} ${shown}`);
    if (failures > 0) {
      failures -= 1;
      throw new Error('the list was refused');
    }
    const id = path.startsWith('/servers/id-') ? path.slice('/servers/'.length) : undefined;
    const server = servers.find((one) => one.id === id);
    if (id !== undefined) return { status: server ? 200 : 404, json: () => ({ server }) };
    return { status: 200, json: () => ({ servers: servers.filter((one) => !hidden.has(one.id)) }) };
  };
  const clock = idleClock();
  const looks = createServerLooks({ request: answer } as unknown as OsPort, clock);
  const of = (name: string) => ({ id: `id-${name}`, name });
  return { servers, asked, since, hidden, clock, looks, of, failNext: () => (failures = 1) };
}

describe('a look', () => {
  it('is at the one server while no other is built', async () => {
    const { looks, of, asked } = cloud('train-1');
    const done = looks.expect(of('train-1'));
    expect(await looks.look(of('train-1'), {})).toMatchObject({ name: 'train-1', status: 'BUILD' });
    done();
    expect(await looks.look(of('train-1'), {})).toMatchObject({ name: 'train-1' });
    expect(asked).toEqual(['/servers/id-train-1', '/servers/id-train-1']);
  });

  it('says null of one that is gone', async () => {
    const { looks, of } = cloud();
    looks.expect(of('train-1'));
    expect(await looks.look(of('train-1'), {})).toBeNull();
  });

  it('costs one list for all that are built at once, until it is 1 s old', async () => {
    const { looks, of, asked, clock, servers } = cloud('train-1', 'train-2', 'train-3');
    const all = servers.map(({ name }) => of(name));
    for (const one of all) looks.expect(one);
    const seen = await Promise.all(all.map((one) => looks.look(one, {})));
    expect(seen.map((server) => server?.name)).toEqual(['train-1', 'train-2', 'train-3']);
    await clock.sleep(900);
    await Promise.all(all.map((one) => looks.look(one, {})));
    expect(asked).toEqual(['/servers/detail ^train-']);
    await clock.sleep(200);
    const [first] = servers;
    if (first) first.status = 'ACTIVE';
    expect(await looks.look(of('train-1'), {})).toMatchObject({ status: 'ACTIVE' });
    expect(asked).toHaveLength(2);
  });

  it('asks anew for a server that is expected since, half a second after the last list', async () => {
    const { looks, of, asked, clock } = cloud('train-1', 'train-2', 'web');
    looks.expect(of('train-1'));
    looks.expect(of('train-2'));
    await looks.look(of('train-1'), {});
    looks.expect(of('web'));
    await clock.sleep(400);
    await looks.look(of('web'), {});
    expect(asked).toEqual(['/servers/detail ^train-']);
    await clock.sleep(200);
    expect(await looks.look(of('web'), {})).toMatchObject({ name: 'web' });
    expect(asked).toEqual(['/servers/detail ^train-', '/servers/detail']);
  });

  it('asks for what changed shortly before the newest change that Nova told of, by the clock of Nova', async () => {
    const { looks, of, since, clock, servers } = cloud('train-1', 'train-2');
    looks.expect(of('train-1'));
    looks.expect(of('train-2'));
    for (const updated of ['2031-05-01T10:00:00Z', '2031-05-01T10:01:00Z']) {
      Object.assign(servers[1] ?? {}, { updated });
      await looks.look(of('train-1'), {});
      await clock.sleep(2_000);
    }
    await looks.look(of('train-1'), {});
    expect(since.slice(1)).toEqual(['2031-05-01T09:59:45Z', '2031-05-01T10:00:45Z']);
  });

  it('does not believe a list that lacks the server: each fourth time it looks at that one itself', async () => {
    const { looks, of, hidden, asked, clock } = cloud('train-1', 'train-2');
    looks.expect(of('train-1'));
    looks.expect(of('train-2'));
    hidden.add('id-train-2');
    const seen: unknown[] = [];
    for (let time = 0; time < 4; time += 1) {
      seen.push((await looks.look(of('train-2'), {}))?.name);
      await clock.sleep(2_000);
    }
    expect(seen).toEqual([undefined, undefined, undefined, 'train-2']);
    expect(asked.filter((path) => path === '/servers/id-train-2')).toHaveLength(1);
  });

  it('does not keep a list that failed, and each waiter learns of it', async () => {
    const { looks, of, failNext } = cloud('train-1', 'train-2');
    looks.expect(of('train-1'));
    looks.expect(of('train-2'));
    failNext();
    const both = [looks.look(of('train-1'), {}), looks.look(of('train-2'), {})];
    expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(await looks.look(of('train-1'), {})).toMatchObject({ name: 'train-1' });
  });

  it('ends for who no longer waits, and goes on for the others', async () => {
    const { looks, of } = cloud('train-1', 'train-2');
    looks.expect(of('train-1'));
    looks.expect(of('train-2'));
    const stop = new AbortController();
    const mine = looks.look(of('train-1'), { signal: stop.signal });
    const theirs = looks.look(of('train-2'), {});
    stop.abort(new Error('enough'));
    await expect(mine).rejects.toThrow('enough');
    expect(await theirs).toMatchObject({ name: 'train-2' });
  });
});
