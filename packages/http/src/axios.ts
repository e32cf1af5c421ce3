// The one binding of HttpPort, and the only file that knows axios and Node's sockets. Both are loaded at the first request.
import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import type { AxiosInstance } from 'axios';
import { describeFailure } from './axios-failure.ts';
import { pinnedConnection } from './axios-pin.ts';
import { encodeBody, withQuery } from './encode.ts';
import { abortError, parseJson } from './errors.ts';
import type { HttpPort, HttpRequest, HttpResponse } from './port.ts';
import { reveal } from './secrets.ts';
import { parseFingerprint, type TlsSettings } from './tls.ts';

export interface AxiosSettings {
  readonly tls?: TlsSettings | undefined;
  /** Connections per host at most; default 16. */
  readonly connections?: number | undefined;
  /** Size of an answer at most, in bytes after decompression; default 32 MiB. */
  readonly maxResponseBytes?: number | undefined;
  /** `env`: HTTPS_PROXY and its kin are honoured. Default `none`. */
  readonly proxy?: 'none' | 'env' | undefined;
}

interface Loaded {
  readonly client: AxiosInstance;
  readonly agents: readonly { destroy(): void }[];
}

const mebibyte = 2 ** 20;

/**
 * Idle connections are closed before servers usually do it, and before a server's own Keep-Alive hint: a request that
 * meets the closing is lost, and a POST among them cannot be sent again.
 */
const idleMs = 15_000;

/** Sends a request with an absolute URL once. Any status is an answer; redirects are not followed. */
export function createAxiosPort(settings: AxiosSettings = {}): HttpPort {
  const limit = settings.maxResponseBytes ?? 32 * mebibyte;
  let loading: Promise<Loaded> | undefined;
  return {
    async request(request) {
      const { signal } = request;
      if (signal?.aborted) throw abortError(request, signal);
      loading ??= load(settings, limit);
      const { client } = await loading;
      try {
        return await send(client, request);
      } catch (error) {
        if (signal?.aborted) throw abortError(request, signal);
        if (isVmgpuError(error)) throw error;
        throw describeFailure(request, error, limit);
      }
    },
    close() {
      loading?.then(
        ({ agents }) => {
          for (const agent of agents) agent.destroy();
        },
        () => undefined,
      );
      loading = undefined;
    },
  };
}

async function send(client: AxiosInstance, request: HttpRequest): Promise<HttpResponse> {
  const { method, signal } = request;
  const { body, contentType } = encodeBody(request);
  const url = withQuery(request.url, request.query);
  const headers = Object.fromEntries(
    Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), reveal(value)]),
  );
  const answer = await client.request<string>({
    method,
    url,
    // axios would call a request without a body a form.
    headers: { 'content-type': contentType ?? false, ...headers },
    ...(body === undefined ? {} : { data: typeof body === 'string' ? body : Buffer.from(body) }),
    ...(signal ? { signal } : {}),
  });
  const response = {
    status: answer.status,
    statusText: answer.statusText ?? '',
    url: request.url,
    text: answer.data ?? '',
    headers: Object.fromEntries(
      Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
    ),
  };
  return { ...response, json: <T>() => parseJson(request, response) as T };
}

async function load(settings: AxiosSettings, limit: number): Promise<Loaded> {
  const [axios, http, https, tls] = await Promise.all([
    import('axios').catch((cause) => {
      throw new VmgpuError('missing-dependency', 'the library axios cannot be loaded', {
        cause,
        hint: 'install axios, or hand in an HttpPort of your own as `transport`',
      });
    }),
    import('node:http'),
    import('node:https'),
    import('node:tls'),
  ]);
  const { ca, fingerprint, serverName, clientCertificate, insecureSkipTlsVerify } = settings.tls ?? {};
  const pool = {
    keepAlive: true,
    maxSockets: settings.connections ?? 16,
    maxFreeSockets: 4,
    timeout: idleMs,
  };
  const httpAgent = new http.Agent(pool);
  const httpsAgent = new https.Agent({
    ...pool,
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(clientCertificate
      ? { cert: clientCertificate.certificate, key: clientCertificate.key.reveal() }
      : {}),
    ...(insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
  });
  if (fingerprint !== undefined) pinnedConnection(httpsAgent, tls.connect, parseFingerprint(fingerprint));
  const client = axios.default.create({
    adapter: 'http',
    httpAgent,
    httpsAgent,
    ...(settings.proxy === 'env' ? {} : { proxy: false as const }),
    maxRedirects: 0,
    maxContentLength: limit,
    maxBodyLength: Number.POSITIVE_INFINITY,
    responseType: 'text',
    transformRequest: [(data) => data],
    transformResponse: [(data) => data],
    validateStatus: null,
    headers: { common: { accept: 'application/json', 'user-agent': 'vmgpu' } },
  });
  return { client, agents: [httpAgent, httpsAgent] };
}
