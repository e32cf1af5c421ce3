import { X509Certificate } from 'node:crypto';
import type { VmgpuError } from '@vmgpu/core';
import { Secret } from '@vmgpu/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHttp, fixedCredential, type TlsSettings } from '../src/index.ts';
import { type Loopback, makeIdentity, serveTls } from './loopback.ts';

const identity = makeIdentity();

describe.skipIf(!identity)('TLS', () => {
  let server: Loopback;
  let requests = 0;
  beforeAll(async () => {
    server = await serveTls(identity ?? { cert: '', key: '' }, (_request, response) => {
      requests += 1;
      response.end('{}');
    });
  });
  afterAll(() => server.close());

  const fingerprint = identity ? new X509Certificate(identity.cert).fingerprint256 : '';
  const wrong = fingerprint.replace(/^../, (byte) => (byte === '00' ? '01' : '00'));

  async function outcome(tls: TlsSettings, url = server.url): Promise<number | VmgpuError> {
    const http = createHttp({
      baseUrl: url,
      tls,
      retry: { tries: 1 },
      auth: fixedCredential({ authorization: new Secret('canary-token') }),
    });
    try {
      return (await http.request({ method: 'GET', url: '/' })).status;
    } catch (error) {
      return error as VmgpuError;
    } finally {
      http.close?.();
    }
  }

  it('refuses a self-signed certificate by default and says what would help', async () => {
    const before = requests;
    const error = await outcome({});
    expect(error).toMatchObject({ code: 'unreachable', details: { retryable: false, sent: false } });
    expect((error as VmgpuError).hint).toContain('tls.fingerprint');
    expect(requests).toBe(before);
  });

  it('accepts it by its authority, by its fingerprint in either case, and by the named option', async () => {
    expect(await outcome({ ca: identity?.cert ?? '' })).toBe(200);
    expect(await outcome({ fingerprint })).toBe(200);
    expect(await outcome({ fingerprint: fingerprint.toLowerCase() })).toBe(200);
    expect(await outcome({ insecureSkipTlsVerify: true })).toBe(200);
  });

  it('sends nothing to a server with another fingerprint', async () => {
    const before = requests;
    const error = await outcome({ fingerprint: wrong });
    expect(error).toMatchObject({ code: 'unreachable', details: { retryable: false, sent: false } });
    expect((error as VmgpuError).message).toContain('another certificate');
    expect(requests).toBe(before);
  });

  it('takes the authority it was given and no other', async () => {
    const other = makeIdentity();
    expect(await outcome({ ca: other?.cert ?? '' })).toMatchObject({ code: 'unreachable' });
  });

  it('verifies the name', async () => {
    const error = await outcome({ ca: identity?.cert ?? '', serverName: 'elsewhere.example' });
    expect((error as VmgpuError).message).toContain('another host name');
  });

  it('checks many connections at once', async () => {
    const http = createHttp({ baseUrl: server.url, tls: { fingerprint } });
    const all = await Promise.all(
      Array.from({ length: 30 }, () => http.request({ method: 'GET', url: '/' })),
    );
    expect(all.every(({ status }) => status === 200)).toBe(true);
    http.close?.();
  });
});

describe('TLS settings', () => {
  it('that contradict each other or cannot be are refused before anything is sent', () => {
    const create =
      (tls: TlsSettings, proxy: 'none' | 'env' = 'none') =>
      () =>
        createHttp({ baseUrl: 'https://host', tls, proxy });
    expect(create({ fingerprint: 'AA:BB' })).toThrow(/SHA-256 fingerprint/);
    expect(create({ insecureSkipTlsVerify: true, ca: 'x' })).toThrow(/contradict/);
    expect(create({ fingerprint: Array(32).fill('ab').join(':') }, 'env')).toThrow(/proxy/);
  });
});
