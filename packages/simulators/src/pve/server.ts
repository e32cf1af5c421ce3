import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { authenticate, type Caller } from './access.ts';
import { type Params, parseForm, parseJson } from './body.ts';
import { Refusal, refuse } from './failure.ts';
import { findRoute, isLogin, logIn } from './routes.ts';
import { defaultScenario, type Scenario } from './scenario.ts';
import { type ClusterState, createState } from './state.ts';

/** What happened to one request. Secrets are not in it. */
export interface RequestRecord {
  readonly method: string;
  /** Below `/api2/json`, without the query. */
  readonly path: string;
  /** The route, `/nodes/{node}/qemu/{vmid}/config`; the path where there is none. */
  readonly route: string;
  readonly user: string | undefined;
  readonly params: Params;
  /** 0 when the connection was cut instead of an answer. */
  readonly status: number;
}

/** What a test does to a request. */
export type Fault =
  /** Answered instead of being worked on. */
  | { readonly status: number; readonly message?: string; readonly retryAfter?: string }
  /** The connection is cut before, or after, the work. */
  | { readonly cut: 'before' | 'after' }
  /** The answer's body ends in the middle. */
  | { readonly truncate: true }
  /** Worked on, answered only after this many milliseconds. */
  | { readonly delayMs: number }
  /** Worked on; the task that it starts ends with this text and without its effect. */
  | { readonly failTask: string };

export interface PveOptions {
  readonly scenario?: Scenario;
  /** PEM texts: the simulator then speaks TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** How long tasks run, in milliseconds of real time; default 0, so that they are over when they are first looked at. */
  readonly taskMs?: number;
  /** The cluster's time, in milliseconds since 1970; default: the real one. */
  readonly now?: () => number;
  /** Asked for every request, with its number from 1. */
  readonly fault?: (request: {
    readonly method: string;
    readonly path: string;
    readonly number: number;
  }) => Fault | undefined;
  /** Milliseconds before a 401, as the real one waits three seconds; default 0. */
  readonly authDelayMs?: number;
  readonly port?: number;
}

export interface PveSimulator {
  readonly url: string;
  readonly requests: readonly RequestRecord[];
  /** The cluster as it is; tests may look at it and change it. */
  readonly state: ClusterState;
  snapshotState(): string;
  restoreState(json: string): void;
  /** Replaces the fault hook. */
  setFault(fault: PveOptions['fault']): void;
  clearRequests(): void;
  close(): Promise<void>;
}

const largestBody = 512 * 1024;

/** Starts a cluster on a loopback port. See NOT-MODELLED.md for what it does not do. */
export async function startPve(options: PveOptions = {}): Promise<PveSimulator> {
  let state = createState(options.scenario ?? defaultScenario());
  let fault = options.fault;
  const requests: RequestRecord[] = [];
  const sockets = new Set<Socket>();
  let number = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    number += 1;
    const url = new URL(request.url ?? '/', 'http://pve');
    const path = url.pathname.replace(/^\/api2\/json/, '');
    const method = request.method ?? 'GET';
    const plan = fault?.({ method, path, number });
    let user: string | undefined;
    let params: Params = {};
    const record = (status: number) =>
      requests.push({
        method,
        path,
        route: findRoute(method, path)?.pattern ?? path,
        user,
        params: withoutSecrets(params),
        status,
      });
    if (plan && 'cut' in plan && plan.cut === 'before') {
      record(0);
      request.socket.destroy();
      return;
    }
    try {
      const body = await readBody(request, method);
      if (plan && 'status' in plan) throw new Refusal(plan.status, plan.message ?? 'injected\n');
      params = { ...parseForm(url.search.slice(1)), ...body };
      const data = work(
        path,
        method,
        request,
        params,
        (caller) => {
          user = caller.id;
        },
        plan && 'failTask' in plan ? plan.failTask : undefined,
      );
      if (plan && 'delayMs' in plan) await new Promise((resolve) => setTimeout(resolve, plan.delayMs));
      record(200);
      if (plan && 'cut' in plan) request.socket.destroy();
      else send(response, 200, { data }, plan !== undefined && 'truncate' in plan);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, `${(error as Error).message}\n`);
      record(refusal.status);
      if (refusal.status === 401)
        await new Promise((resolve) => setTimeout(resolve, options.authDelayMs ?? 0));
      if (plan && 'status' in plan && plan.retryAfter !== undefined)
        response.setHeader('retry-after', plan.retryAfter);
      const { message, errors } = refusal;
      send(response, refusal.status, { data: null, message, ...(errors ? { errors } : {}) }, false, message);
    }
  };

  function work(
    path: string,
    method: string,
    request: IncomingMessage,
    params: Params,
    known: (caller: Caller) => void,
    failTask: string | undefined,
  ): unknown {
    const now = options.now?.() ?? Date.now();
    if (isLogin(method, path)) return logIn(state, params, now);
    const caller = authenticate(state, request.headers, method, now);
    known(caller);
    const match = findRoute(method, path);
    if (!match) throw refuse(`Method '${method} ${path}' not implemented`, 501);
    const before = failTask === undefined ? undefined : JSON.stringify(state);
    const data = match.handler({ state, caller, params, now, taskMs: options.taskMs ?? 0, path: match.path });
    if (before !== undefined && typeof data === 'string' && data.startsWith('UPID:')) {
      const task = state.tasks.find(({ upid }) => upid === data);
      state = JSON.parse(before) as ClusterState;
      if (task) state.tasks.push({ ...task, exitstatus: failTask, log: [`TASK ERROR: ${failTask}`] });
    }
    return data;
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => void handle(request, response);
  const server = options.tls ? createHttps(options.tls, listener) : createHttp(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    get state() {
      return state;
    },
    snapshotState: () => JSON.stringify(state),
    restoreState(json) {
      state = JSON.parse(json) as ClusterState;
    },
    setFault(next) {
      fault = next;
    },
    clearRequests() {
      requests.length = 0;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function readBody(request: IncomingMessage, method: string): Promise<Params> {
  if (request.headers['transfer-encoding'] !== undefined)
    throw refuse('chunked transfer encoding not supported', 501);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > largestBody) throw refuse('for data too large', 413);
    chunks.push(chunk as Buffer);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return {};
  if (method === 'GET' || method === 'DELETE') throw refuse(`Unexpected content for method '${method}'`, 501);
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim();
  if (type === 'application/json') return parseJson(text);
  if (type === 'application/x-www-form-urlencoded') return parseForm(text);
  throw refuse(`upload '${type}' not allowed`, 506);
}

/** Errors close the connection, as pve-http-server does from 400 on; the text is in the reason phrase too. */
function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  truncate: boolean,
  reason?: string,
): void {
  const text = JSON.stringify(body);
  if (status >= 400) response.setHeader('connection', 'close');
  response.setHeader('content-type', 'application/json;charset=UTF-8');
  response.setHeader('content-length', Buffer.byteLength(text));
  const phrase =
    (reason ?? 'OK')
      .split('\n')[0]
      ?.replace(/[^\x20-\x7e]/g, '?')
      .slice(0, 200) || 'Error';
  response.writeHead(status, phrase);
  if (!truncate) {
    response.end(text);
    return;
  }
  response.write(text.slice(0, Math.max(1, Math.floor(text.length / 2))));
  setImmediate(() => response.socket?.destroy());
}

function withoutSecrets(params: Params): Params {
  return Object.fromEntries(
    Object.entries(params).map(([key, value]) => [
      key,
      /password|secret|tfa-challenge|otp/.test(key) ? '[secret]' : value,
    ]),
  );
}
