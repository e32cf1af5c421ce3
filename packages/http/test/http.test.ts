import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { inspect } from 'node:util';
import { Secret, VmgpuError } from '@vmgpu/core';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp, fixedCredential, type HttpSettings } from '../src/index.ts';
import { type Loopback, serve } from './loopback.ts';

const open: Loopback[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function client(listener: RequestListener, settings: Partial<HttpSettings> = {}) {
  const server = await serve(listener);
  open.push(server);
  return createHttp({ baseUrl: `${server.url}/api`, retry: { tries: 1 }, ...settings });
}

async function refusal(work: Promise<unknown>): Promise<VmgpuError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(VmgpuError);
  return error as VmgpuError;
}

describe('requests', () => {
  it('sends path, query, headers and JSON, reveals secrets on the wire alone, and reads the answer', async () => {
    const seen: Record<string, unknown>[] = [];
    const http = await client(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      seen.push({
        url: request.url,
        token: request.headers['x-token'],
        body: Buffer.concat(chunks).toString(),
      });
      response.setHeader('content-type', 'application/json').end('{"data":[1]}');
    });
    const response = await http.request({
      method: 'POST',
      url: '/things',
      query: { a: 'x y', list: [1, 2], none: undefined },
      headers: { 'x-token': new Secret('canary-1') },
      json: { password: new Secret('canary-2'), nested: [{ deep: new Secret('canary-3') }] },
    });
    expect(response.json()).toEqual({ data: [1] });
    expect(seen).toEqual([
      {
        url: '/api/things?a=x+y&list=1&list=2',
        token: 'canary-1',
        body: '{"password":"canary-2","nested":[{"deep":"canary-3"}]}',
      },
    ]);
    await http.request({ method: 'POST', url: 'login', form: { user: 'a&b', password: new Secret('p&q') } });
    expect(seen.at(-1)).toMatchObject({ url: '/api/login', body: 'user=a%26b&password=p%26q' });
  });

  it('says what a body is, and nothing about none', async () => {
    const seen: unknown[] = [];
    const http = await client(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      seen.push([request.headers['content-type'], Buffer.concat(chunks).toString('hex')]);
      response.end();
    });
    await http.request({ method: 'POST', url: 'x' });
    await http.request({ method: 'PUT', url: 'x', body: new Uint8Array([0, 255]) });
    await http.request({
      method: 'PUT',
      url: 'x',
      body: new Secret('a'),
      headers: { 'Content-Type': 'x/y' },
    });
    expect(seen).toEqual([
      [undefined, ''],
      ['application/octet-stream', '00ff'],
      ['x/y', '61'],
    ]);
    const two = http.request({ method: 'PUT', url: 'x', body: 'a', json: {} });
    expect((await refusal(two)).code).toBe('bad-input');
  });

  it('goes to no origin that was not named, whatever the URL looks like', async () => {
    const other = await serve((_request, response) => response.end('{}'));
    open.push(other);
    let asked = '';
    const http = await client((request, response) => {
      asked = request.url ?? '';
      response.end('{}');
    });
    const error = await refusal(http.request({ method: 'GET', url: `${other.url}/api` }));
    expect(error.code).toBe('refused');
    expect(error.hint).toContain('trustedOrigins');
    await http.request({ method: 'GET', url: `//${new URL(other.url).host}/x` });
    expect(asked).toContain('/api/127.0.0.1');
  });

  it('says what was wrong with a base URL without printing its password', () => {
    expect(() => createHttp({ baseUrl: 'ftp://x' })).toThrow(/not a base URL/);
    expect(() => createHttp({ baseUrl: 'https://me:canary-secret@host/' })).toThrow(/no user name/);
    expect(() => createHttp({ baseUrl: 'https://me:canary-secret@host/' })).not.toThrow(/canary/);
  });
});

describe('error answers', () => {
  it.each([
    [400, 'refused'],
    [401, 'auth-failed'],
    [403, 'permission-denied'],
    [404, 'not-found'],
    [409, 'conflict'],
    [429, 'unreachable'],
    [500, 'refused'],
    [503, 'unreachable'],
    [507, 'capacity'],
  ])('%i is %s, with status, request id and what the server said', async (status, code) => {
    const http = await client((_request, response) => {
      response.writeHead(status, { 'x-openstack-request-id': 'req-7', 'content-type': 'application/json' });
      response.end('{"badRequest": {"message": "flavor is too small"}}');
    });
    const error = await refusal(http.request({ method: 'POST', url: 'servers' }));
    expect(error.code).toBe(code);
    expect(error.message).toContain('flavor is too small');
    expect(error.details).toMatchObject({ status, requestId: 'req-7', method: 'POST' });
  });

  it('lets a client that knows its platform read the answer, and accept a status', async () => {
    const http = await client((_request, response) => response.writeHead(500).end('VM 100 does not exist'), {
      readError: ({ text }) =>
        text.includes('does not exist') ? { code: 'not-found', message: 'no VM 100' } : {},
    });
    expect((await refusal(http.request({ method: 'GET', url: 'x' }))).code).toBe('not-found');
    expect((await http.request({ method: 'GET', url: 'x', accept: [500] })).status).toBe(500);
  });

  it('shows a platform reader no credential either', async () => {
    const read: unknown[] = [];
    const http = await client(
      (request, response) => response.writeHead(400).end(JSON.stringify({ echo: request.headers['x-key'] })),
      {
        readError: (response) => {
          read.push(response.json());
          return undefined;
        },
      },
    );
    await refusal(http.request({ method: 'GET', url: 'x', headers: { 'x-key': new Secret('canary-key') } }));
    expect(read).toEqual([{ echo: '[secret]' }]);
  });

  it('shows no credential, even when the server echoes it', async () => {
    const http = await client(
      (request, response) => response.writeHead(400).end(`bad: ${request.headers.authorization} canary-body`),
      { auth: fixedCredential({ authorization: new Secret('Custom canary-header') }) },
    );
    const error = await refusal(
      http.request({ method: 'POST', url: 'x?key=canary-query', json: { token: new Secret('canary-body') } }),
    );
    for (const text of [error.message, error.stack, JSON.stringify(error), inspect(error, { depth: 9 })]) {
      expect(text).not.toContain('canary');
    }
  });
});

describe('broken answers', () => {
  it('knows JSON that is cut off from something that is not JSON', async () => {
    const cut = await client((_request, response) => {
      response.setHeader('content-type', 'application/json').end('{"data": [1, 2');
    });
    const error = await cut.request({ method: 'GET', url: 'x' }).then((response) => {
      try {
        return response.json();
      } catch (reason) {
        return reason;
      }
    });
    expect(error).toMatchObject({ code: 'unreachable' });
    const page = await client((_request, response) => {
      response.setHeader('content-type', 'text/html').end('<h1>Log in</h1>');
    });
    const answer = await page.request({ method: 'GET', url: 'x' });
    expect(() => answer.json()).toThrow(/is not JSON.*text\/html/);
  });

  it('says unreachable when the connection is reset in the middle of the body', async () => {
    const http = await client((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"data":');
      setTimeout(() => response.destroy(), 20);
    });
    const error = await refusal(http.request({ method: 'GET', url: 'x' }));
    expect(error.code).toBe('unreachable');
    expect(error.details?.retryable).toBe(true);
    expect(error.details?.sent).toBeUndefined();
  });

  it('refuses an answer above the limit, also when it is compressed small', async () => {
    const { gzipSync } = await import('node:zlib');
    const http = await client(
      (_request, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(500_000)));
      },
      { maxResponseBytes: 100_000 },
    );
    const error = await refusal(http.request({ method: 'GET', url: 'x' }));
    expect(error.code).toBe('refused');
    expect(error.message).toContain('larger than 100000 bytes');
  });

  it('says what answers with something that is not HTTP', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const http = createHttp({ baseUrl: `http://127.0.0.1:${port}`, retry: { tries: 1 } });
    const error = await refusal(http.request({ method: 'GET', url: '/' }));
    expect(error.code).toBe('unreachable');
    expect(error.message).toContain('not HTTP');
    server.close();
  });
});

describe('three different ends', () => {
  const silent: RequestListener = () => undefined;

  it('timeout, of one try and of the whole request', async () => {
    const perTry = await client(silent, { tryTimeoutMs: 30 });
    expect((await refusal(perTry.request({ method: 'GET', url: 'x' }))).code).toBe('timeout');
    const whole = await client(silent, { retry: { tries: 9 } });
    expect((await refusal(whole.request({ method: 'GET', url: 'x', timeoutMs: 30 }))).code).toBe('timeout');
  });

  it('abort, with the reason as cause, and no call at all when it came before', async () => {
    let calls = 0;
    const http = await client(() => {
      calls += 1;
      controller.abort(new Error('enough'));
    });
    const controller = new AbortController();
    const error = await refusal(http.request({ method: 'GET', url: 'x', signal: controller.signal }));
    expect(error.code).toBe('aborted');
    expect((error.cause as Error).message).toBe('enough');
    expect((await refusal(http.request({ method: 'GET', url: 'x', signal: controller.signal }))).code).toBe(
      'aborted',
    );
    expect(calls).toBe(1);
  });

  it('connection refused, known to be unsent', async () => {
    const gone = await serve(silent);
    await gone.close();
    const http = createHttp({ baseUrl: gone.url, retry: { tries: 1 } });
    const error = await refusal(http.request({ method: 'POST', url: '/' }));
    expect(error.code).toBe('unreachable');
    expect(error.details).toMatchObject({ sent: false, retryable: true });
  });
});

describe('repeating', () => {
  async function failing(times: number, status: number, headers: Record<string, string> = {}) {
    const seen: string[] = [];
    const waits: number[] = [];
    const http = await client(
      (request, response) => {
        seen.push(request.method ?? '');
        if (seen.length <= times) response.writeHead(status, headers).end('later');
        else response.end('{}');
      },
      {
        retry: { tries: 4, baseMs: 100, maxMs: 5_000 },
        random: () => 0.5,
        clock: { now: () => Date.parse('2026-01-01T00:00:00Z'), sleep: never(waits) },
      },
    );
    return { http, seen, waits };
  }
  /** Deadlines of 30 s stay pending; waits between tries pass at once. */
  const never = (waits: number[]) => (milliseconds: number) => {
    if (milliseconds >= 30_000) return new Promise<void>(() => undefined);
    waits.push(milliseconds);
    return Promise.resolve();
  };

  it('repeats what can be done twice, with full jitter', async () => {
    const { http, seen, waits } = await failing(3, 503);
    await http.request({ method: 'PUT', url: 'x' });
    expect(seen).toHaveLength(4);
    expect(waits).toEqual([50, 100, 200]);
  });

  it('honours Retry-After in seconds and as a date, up to the cap', async () => {
    const seconds = await failing(1, 429, { 'retry-after': '2' });
    await seconds.http.request({ method: 'GET', url: 'x' });
    expect(seconds.waits).toEqual([2000]);
    const date = await failing(1, 503, { 'retry-after': 'Thu, 01 Jan 2026 00:00:03 GMT' });
    await date.http.request({ method: 'GET', url: 'x' });
    expect(date.waits).toEqual([3000]);
    const long = await failing(1, 503, { 'retry-after': '86400' });
    await long.http.request({ method: 'GET', url: 'x' });
    expect(long.waits).toEqual([5000]);
  });

  it('does not repeat a POST that may have been done, nor any 4xx', async () => {
    const post = await failing(1, 503, { 'retry-after': '1' });
    expect((await refusal(post.http.request({ method: 'POST', url: 'x' }))).code).toBe('unreachable');
    expect(post.seen).toEqual(['POST']);
    const bad = await failing(1, 422);
    await refusal(bad.http.request({ method: 'GET', url: 'x' }));
    expect(bad.seen).toEqual(['GET']);
  });

  it('repeats a POST that the server did not begin, when the caller says so', async () => {
    const refused = await failing(1, 503, { 'retry-after': '1' });
    await refused.http.request({ method: 'POST', url: 'x', repeat: 'if-refused' });
    expect(refused.seen).toEqual(['POST', 'POST']);
    const unclear = await failing(1, 503);
    await refusal(unclear.http.request({ method: 'POST', url: 'x', repeat: 'if-refused' }));
    expect(unclear.seen).toEqual(['POST']);
  });

  it('repeats a POST whose answer broke, when the caller says that it may always be sent again', async () => {
    for (const [repeat, sent] of [
      ['always', 2],
      [undefined, 1],
    ] as const) {
      let requests = 0;
      const http = await client(
        (_request, response) => {
          requests += 1;
          if (requests > 1) response.setHeader('content-type', 'application/json').end('{}');
          else
            response.writeHead(200, { 'content-length': '100' }).write('{"half":', () => response.destroy());
        },
        { retry: { tries: 3, baseMs: 1, maxMs: 1 } },
      );
      const work = http.request({ method: 'POST', url: 'login', ...(repeat ? { repeat } : {}) });
      if (repeat) await work;
      else expect((await refusal(work)).code).toBe('unreachable');
      expect(requests).toBe(sent);
    }
  });

  it('lists all tries when there were several, and none when there was one', async () => {
    const { http } = await failing(9, 502);
    const error = await refusal(http.request({ method: 'GET', url: 'x' }));
    expect(error.message).toContain('the last of 4 tries');
    expect(error.details?.tries).toHaveLength(4);
    const once = await failing(9, 404);
    expect((await refusal(once.http.request({ method: 'GET', url: 'x' }))).details?.tries).toBeUndefined();
  });
});

describe('authentication', () => {
  function tokens(valid: { token: string }) {
    let logins = 0;
    const listener: RequestListener = (request, response) => {
      if (request.url === '/api/login') {
        logins += 1;
        valid.token = `token-${logins}`;
        setTimeout(() => response.end(JSON.stringify({ token: valid.token })), 10);
      } else if (request.headers['x-auth-token'] === valid.token) response.end('{}');
      else response.writeHead(401).end('{"message":"expired"}');
    };
    const auth: HttpSettings['auth'] = {
      async authenticate({ http }) {
        const { token } = (await http.request({ method: 'POST', url: 'login' })).json<{ token: string }>();
        return { headers: { 'x-auth-token': new Secret(token) } };
      },
    };
    return { listener, auth, logins: () => logins };
  }

  it('renews once for twenty requests that find the token expired together', async () => {
    const valid = { token: '' };
    const { listener, auth, logins } = tokens(valid);
    const http = await client(listener, { auth });
    await http.request({ method: 'GET', url: 'x' });
    valid.token = 'revoked';
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => http.request({ method: 'POST', url: 'x' })),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(logins()).toBe(2);
  });

  it('gives up after one renewal, and does not renew what cannot be renewed', async () => {
    let calls = 0;
    const refuse: RequestListener = (_request, response) => {
      calls += 1;
      response.writeHead(401).end('{"message":"no"}');
    };
    const fixed = await client(refuse, { auth: fixedCredential({ authorization: new Secret('token-x') }) });
    expect((await refusal(fixed.request({ method: 'GET', url: 'x' }))).code).toBe('auth-failed');
    expect(calls).toBe(1);
    const renewing = await client(refuse, {
      auth: { authenticate: async () => ({ headers: { authorization: new Secret('token-y') } }) },
    });
    expect((await refusal(renewing.request({ method: 'GET', url: 'x' }))).code).toBe('auth-failed');
    expect(calls).toBe(3);
  });

  it('keeps the renewal for the others when one caller aborts', async () => {
    const valid = { token: '' };
    const { listener, auth, logins } = tokens(valid);
    const http = await client(listener, { auth });
    const controller = new AbortController();
    const impatient = http.request({ method: 'GET', url: 'x', signal: controller.signal });
    const patient = http.request({ method: 'GET', url: 'x' });
    controller.abort();
    expect((await refusal(impatient)).code).toBe('aborted');
    expect((await patient).status).toBe(200);
    expect(logins()).toBe(1);
  });

  it('renews before the credential expires', async () => {
    let logins = 0;
    const http = await client((_request, response) => response.end('{}'), {
      auth: {
        authenticate: async () => {
          logins += 1;
          return { headers: { authorization: new Secret(`token-${logins}`) }, expiresAt: Date.now() + 1000 };
        },
      },
    });
    await http.request({ method: 'GET', url: 'x' });
    await http.request({ method: 'GET', url: 'x' });
    expect(logins).toBe(2);
  });
});

describe('redirects', () => {
  it('follows within the origin, and keeps method and body where the status says so', async () => {
    const seen: string[] = [];
    const http = await client((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === '/api/old') response.writeHead(307, { location: '/api/new' }).end();
      else response.end('{}');
    });
    await http.request({ method: 'POST', url: 'old', json: {} });
    expect(seen).toEqual(['POST /api/old', 'POST /api/new']);
  });

  it('refuses another origin, which never sees the credential, and ends a circle', async () => {
    let visited = 0;
    const other = await serve((_request, response) => {
      visited += 1;
      response.end('{}');
    });
    open.push(other);
    const http = await client(
      (request, response) => {
        const location = request.url === '/api/away' ? `${other.url}/x` : '/api/circle';
        response.writeHead(302, { location }).end();
      },
      { auth: fixedCredential({ authorization: new Secret('canary-token') }) },
    );
    const error = await refusal(http.request({ method: 'GET', url: 'away' }));
    expect(error.code).toBe('refused');
    expect(error.message).toContain('another origin');
    expect(visited).toBe(0);
    expect((await refusal(http.request({ method: 'GET', url: 'circle' }))).message).toContain('more than 5');
  });
});

describe('connections', () => {
  it('are not used again once the server has said that it will close them', async () => {
    const ports: (number | undefined)[] = [];
    const http = await client((request, response) => {
      ports.push(request.socket.remotePort);
      response.setHeader('keep-alive', 'timeout=1').end('{}');
    });
    await http.request({ method: 'POST', url: 'x' });
    await http.request({ method: 'POST', url: 'x' });
    expect(new Set(ports).size).toBe(2);
  });

  it('are kept and used again, and never more than allowed', async () => {
    const ports = new Set<number>();
    const http = await client(
      (request, response) => {
        ports.add(request.socket.remotePort ?? 0);
        response.end('{}');
      },
      { connections: 2 },
    );
    await Promise.all(Array.from({ length: 10 }, () => http.request({ method: 'GET', url: 'x' })));
    await http.request({ method: 'GET', url: 'x' });
    expect(ports.size).toBeLessThanOrEqual(2);
    http.close?.();
  });

  it('ignore the proxy of the environment unless told otherwise', async () => {
    const before = process.env.HTTP_PROXY;
    process.env.HTTP_PROXY = 'http://127.0.0.1:9';
    try {
      const direct = await client((_request, response) => response.end('{}'));
      expect((await direct.request({ method: 'GET', url: 'x' })).status).toBe(200);
      const proxied = await client((_request, response) => response.end('{}'), { proxy: 'env' });
      expect((await refusal(proxied.request({ method: 'GET', url: 'x' }))).code).toBe('unreachable');
    } finally {
      if (before === undefined) delete process.env.HTTP_PROXY;
      else process.env.HTTP_PROXY = before;
    }
  });
});
