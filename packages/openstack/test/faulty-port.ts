/** A port to a cloud that counts what goes over it, and puts the faults of the conformance suite in its way. */
import type { Fault } from '@vmgpu/conformance';
import { Secret, VmgpuError } from '@vmgpu/core';
import { type HttpPort, type HttpRequest, jsonResponse } from '@vmgpu/http';

/** One request as the transport saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
}

export interface FaultyPort {
  readonly port: HttpPort;
  readonly seen: readonly SeenRequest[];
  /** What the cloud took that would be done twice if it were sent twice, in order; ids by when they came up. */
  readonly orders: readonly string[];
  /** Tokens that Keystone gave: secrets. */
  readonly tokens: readonly string[];
  /** Resolves when the fault has struck for the first time. */
  inject(fault: Fault): Promise<void>;
  /** The faults that are left are gone. */
  clear(): void;
}

/** A fault that waits for its requests. */
export interface Armed {
  readonly fault: Fault;
  skip: number;
  left: number;
  readonly struck: () => void;
}

export function faultyPort(wire: HttpPort): FaultyPort {
  const seen: SeenRequest[] = [];
  const orders: string[] = [];
  const tokens: string[] = [];
  const orderOf = orderNames();
  let faults: readonly Armed[] = [];
  let revoked = false;

  async function send(request: HttpRequest, what: SeenRequest) {
    const response = await wire.request(request);
    const order = response.status < 300 ? orderOf(what, request) : undefined;
    if (order !== undefined) orders.push(order);
    const token = response.headers['x-subject-token'];
    if (token !== undefined) tokens.push(token);
    return response;
  }

  async function request(request: HttpRequest) {
    const what = { method: request.method, path: new URL(request.url).pathname };
    seen.push(what);
    if (isLogin(what)) {
      return revoked
        ? refusal(request, 401, 'The request you have made requires authentication.')
        : send(request, what);
    }
    const armed = faults.find(({ fault, left }) => left > 0 && meets(fault, what));
    if (!armed) return send(request, what);
    if (armed.skip > 0) {
      armed.skip -= 1;
      return send(request, what);
    }
    armed.left -= 1;
    const { kind } = armed.fault;
    if (kind === 'lost-answer' || kind === 'hang-after') await send(request, what);
    armed.struck();
    // Credentials that are wrong stay so: the login that follows a 401 is refused, too.
    if (kind === 'unauthenticated') revoked = true;
    return strike(kind, request);
  }

  return {
    port: { request },
    seen,
    orders,
    tokens,
    inject: (fault) =>
      new Promise((struck) => {
        faults = [...faults, { fault, skip: fault.skip ?? 0, left: fault.times ?? 1, struck }];
      }),
    clear() {
      faults = [];
      revoked = false;
    },
  };
}

function isLogin({ path }: SeenRequest): boolean {
  return path.endsWith('/auth/tokens');
}

/** A login changes nothing on the cloud. */
export function isWrite(seen: SeenRequest): boolean {
  return seen.method !== 'GET' && !isLogin(seen);
}

export function meets({ on = 'any' }: Fault, seen: SeenRequest): boolean {
  const order = seen.method !== 'GET' && /\/servers(\/|$)/.test(seen.path);
  return { any: true, read: seen.method === 'GET', write: isWrite(seen), order }[on];
}

/** Names requests that begin work, and would begin it twice; a second deletion does nothing. Ids by when they came up. */
export function orderNames(): (seen: SeenRequest, request: HttpRequest) => string | undefined {
  const ids: string[] = [];
  const number = (id: string) => {
    if (!ids.includes(id)) ids.push(id);
    return ids.indexOf(id) + 1;
  };
  return ({ method, path }, { json }) => {
    if (method !== 'POST') return undefined;
    if (path.endsWith('/servers')) {
      const { server } = json as { server: { name: string; metadata: Record<string, string> } };
      return `create ${server.name}, claim ${number(server.metadata['vmgpu:claim'] ?? '')}`;
    }
    const id = /\/servers\/([^/]+)\/action$/.exec(path)?.[1];
    return id && `${JSON.stringify(json)}, server ${number(id)}`;
  };
}

export function refusal({ url }: HttpRequest, status: number, message: string, headers = {}) {
  return jsonResponse(url, status, { error: { code: status, message } }, headers);
}

/** As it goes onto the wire: services may echo it. */
function tokenOf({ headers }: HttpRequest): string {
  const token = headers?.['x-auth-token'];
  return token instanceof Secret ? token.reveal() : String(token);
}

export function strike(kind: Fault['kind'], request: HttpRequest) {
  const wait = { 'retry-after': '1' };
  switch (kind) {
    case 'rate-limited':
      return refusal(request, 429, 'too many requests', wait);
    case 'unavailable':
      return refusal(request, 503, 'service unavailable', wait);
    case 'invalid':
      return refusal(request, 400, 'Invalid input');
    case 'forbidden':
      return refusal(request, 403, `Policy doesn't allow it for ${tokenOf(request)}`);
    case 'unauthenticated':
      return refusal(request, 401, `The request you have made requires authentication. ${tokenOf(request)}`);
    case 'connection':
    case 'lost-answer':
      throw new VmgpuError('unreachable', 'the connection broke', {
        details: {
          method: request.method,
          retryable: kind === 'connection' || request.method === 'GET' || request.method === 'PUT',
          ...(kind === 'connection' ? { sent: false } : {}),
        },
      });
    case 'hang':
    case 'hang-after':
      return new Promise<never>((_, reject) => {
        request.signal?.addEventListener('abort', () => reject(request.signal?.reason), { once: true });
      });
  }
}
