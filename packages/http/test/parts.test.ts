import type { Clock } from '@vmgpu/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createHttp,
  dryRun,
  faults,
  type HttpPort,
  itemsOf,
  jsonResponse,
  log,
  paginate,
  parseRetryAfter,
  record,
} from '../src/index.ts';

const echo: HttpPort = { request: async ({ url, method }) => jsonResponse(url, 200, { url, method }) };
const still: Clock = { now: () => 0, sleep: () => new Promise(() => undefined) };

describe('paginate', () => {
  const pages = [[1, 2], [3], [], [4]];

  it('yields all items, and fetches no further than it is asked for', async () => {
    let fetched = 0;
    const from = (index: number) => async () => {
      fetched += 1;
      return { items: pages[index] ?? [], index };
    };
    const list = () =>
      itemsOf(
        paginate(from(0), ({ index }) => (index + 1 < pages.length ? from(index + 1) : undefined)),
        ({ items }) => items,
      );
    const all: number[] = [];
    for await (const item of list()) all.push(item);
    expect(all).toEqual([1, 2, 3, 4]);
    fetched = 0;
    for await (const item of list()) if (item === 2) break;
    expect(fetched).toBe(1);
  });
});

describe('decorators', () => {
  it('dryRun lets reads through and holds writes back', async () => {
    const { port: real, entries } = record(echo);
    const { port, heldBack } = dryRun(real, () => ({ data: 'UPID' }));
    await port.request({ method: 'GET', url: 'http://h/a' });
    const answer = await port.request({ method: 'POST', url: 'http://h/b?ticket=canary' });
    expect(answer.json()).toEqual({ data: 'UPID' });
    expect(heldBack).toEqual([{ method: 'POST', url: 'http://h/b' }]);
    expect(entries.map(({ method }) => method)).toEqual(['GET']);
  });

  it('log tells method, URL without query, and status, and survives its observer', async () => {
    const lines: string[] = [];
    const port = log(
      echo,
      ({ method, url, status }) => {
        lines.push(`${method} ${url} ${status}`);
        throw new Error('observer');
      },
      still,
    );
    await port.request({ method: 'GET', url: 'http://h/a?token=canary' });
    expect(lines).toEqual(['GET http://h/a 200']);
  });

  it('faults break a connection once, before or after the work', async () => {
    const { port: real, entries } = record(echo);
    const transport = faults(real, [{ method: 'POST', when: 'after' }, { url: '/b' }]);
    const http = createHttp({ baseUrl: 'http://h', transport, retry: { baseMs: 0 } });
    await expect(http.request({ method: 'POST', url: '/a' })).rejects.toMatchObject({ code: 'unreachable' });
    expect(entries).toHaveLength(1);
    expect((await http.request({ method: 'POST', url: '/b' })).status).toBe(200);
  });
});

describe('parseRetryAfter', () => {
  it('reads seconds and dates, and nothing else', () => {
    expect(parseRetryAfter('120', 0)).toBe(120_000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4_000)).toBe(6_000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 60_000)).toBe(0);
    for (const text of ['', '-1', '1.5', 'soon', '1e9', undefined])
      expect(parseRetryAfter(text, 0)).toBeUndefined();
  });

  it('never makes a wait that is not a number', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (text, now) => {
        const wait = parseRetryAfter(text, now);
        expect(wait === undefined || (Number.isFinite(wait) && wait >= 0)).toBe(true);
      }),
    );
  });
});
