import http from 'node:http';
import https from 'node:https';
import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import { withoutQuery } from '../client/paths.ts';
import type { KubeRequest, KubeResponse, KubeTransport } from '../client/transport.ts';
import type { ClusterAccess } from './kubeconfig.ts';

interface Link {
  readonly access: ClusterAccess;
  readonly agent: http.Agent;
}

/**
 * Requests through node's own HTTP client with connections that stay open. After a 401 the credentials are loaded again,
 * and the request is repeated if they have changed: nothing was done with the old ones.
 */
export function createNodeTransport(load: () => Promise<ClusterAccess>): KubeTransport {
  let current: Promise<Link> | undefined;
  let renewal: Promise<Link | undefined> | undefined;
  let secrets: readonly string[] = [];

  function link(): Promise<Link> {
    current ??= load().then(createLink);
    current.then(
      ({ access }) => {
        secrets = secretsOf(access);
      },
      () => {
        current = undefined;
      },
    );
    return current;
  }

  /** A link with other credentials than the refused one; undefined when there are none. One renewal serves all. */
  function renewed(refused: Link): Promise<Link | undefined> {
    renewal ??= renew(refused).finally(() => {
      renewal = undefined;
    });
    return renewal;
  }
  async function renew(refused: Link): Promise<Link | undefined> {
    const now = await link();
    if (now !== refused) return now;
    const access = await load();
    if (sameCredentials(access, refused.access)) return undefined;
    // The connections of other requests stay open; a new token needs no new ones.
    const sameTls = identityOf(access) === identityOf(refused.access);
    current = Promise.resolve(sameTls ? { access, agent: refused.agent } : createLink(access));
    return link();
  }

  return {
    async send(request) {
      const used = await link();
      const response = await sendOver(used, request);
      if (response.status !== 401) return response;
      const next = await renewed(used);
      if (next === undefined) return response;
      for await (const _rest of response.body);
      return sendOver(next, request);
    },
    scrub: (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '[secret]'), text),
    close() {
      current?.then(
        (used) => used.agent.destroy(),
        () => undefined,
      );
      current = undefined;
    },
  };
}

const keepAlive = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 32 } as const;

function createLink(access: ClusterAccess): Link {
  const { server, tls } = access;
  refusePlain(access);
  const agent =
    access.agent ??
    (server.protocol === 'http:' ? new http.Agent(keepAlive) : new https.Agent({ ...keepAlive, ...tls }));
  return { access, agent };
}

/** Credentials over plain HTTP leave the machine readable for everybody on the way. */
function refusePlain({ server, tls }: ClusterAccess): void {
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(server.hostname);
  if (server.protocol === 'https:' || loopback || tls.rejectUnauthorized === false) return;
  throw new VmgpuError('bad-input', 'the kubeconfig names a server without TLS', {
    found: server.origin,
    expected: 'https://',
    hint: 'insecure-skip-tls-verify: true switches this check off',
  });
}

function sendOver({ access, agent }: Link, request: KubeRequest): Promise<KubeResponse> {
  const { server, headers } = access;
  const name = `${request.method} ${withoutQuery(request.path)}`;
  const client = server.protocol === 'http:' ? http : https;
  return new Promise((resolve, reject) => {
    const outgoing = client.request(
      new URL(server.pathname.replace(/\/$/, '') + request.path, server.origin),
      {
        method: request.method,
        agent,
        signal: request.signal,
        headers: {
          accept: 'application/json',
          'user-agent': 'vmgpu',
          ...headers,
          ...request.headers,
          ...(request.body === undefined ? {} : { 'content-length': Buffer.byteLength(request.body) }),
        },
      },
      (incoming) => resolve(responseOf(incoming, name)),
    );
    let connected = false;
    outgoing.on('socket', (socket) => {
      connected = !socket.connecting;
      if (!connected)
        socket.once(server.protocol === 'http:' ? 'connect' : 'secureConnect', () => {
          connected = true;
        });
    });
    outgoing.on('error', (error) => reject(lost(error, name, connected)));
    outgoing.end(request.body);
  });
}

function responseOf(incoming: http.IncomingMessage, name: string): KubeResponse {
  incoming.setEncoding('utf8');
  async function* body(): AsyncGenerator<string> {
    try {
      for await (const chunk of incoming) yield chunk as string;
    } catch (error) {
      throw lost(error, name, true);
    }
  }
  return {
    status: incoming.statusCode ?? 0,
    headers: Object.fromEntries(
      Object.entries(incoming.headers).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.join(', ') : value,
      ]),
    ),
    body: body(),
  };
}

const tlsFailures =
  /^(ERR_TLS_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL|ERR_OSSL|EPROTO|HOSTNAME_MISMATCH)/;

function lost(error: unknown, request: string, connected: boolean): VmgpuError {
  if (isVmgpuError(error)) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (tlsFailures.test(code)) {
    return new VmgpuError('unreachable', `${request}: the server did not prove who it is: ${message}`, {
      hint: 'check certificate-authority-data of the kubeconfig',
      details: { request, retryable: false, sent: false },
      cause: error,
    });
  }
  return new VmgpuError('unreachable', `${request}: ${message || code}`, {
    details: { request, retryable: true, ...(connected ? {} : { sent: false }) },
    cause: error,
  });
}

function sameCredentials(a: ClusterAccess, b: ClusterAccess): boolean {
  return identityOf(a) === identityOf(b) && JSON.stringify(a.headers) === JSON.stringify(b.headers);
}

/** What the connection itself proves. */
function identityOf({ server, tls }: ClusterAccess): string {
  return JSON.stringify([server.href, String(tls.ca ?? ''), String(tls.cert ?? ''), String(tls.key ?? '')]);
}

/** Header values that a server might repeat. */
function secretsOf({ headers }: ClusterAccess): readonly string[] {
  const { authorization } = headers;
  return authorization === undefined
    ? []
    : [authorization, authorization.replace(/^\S+\s+/, '')].filter((text) => text.length > 5);
}
