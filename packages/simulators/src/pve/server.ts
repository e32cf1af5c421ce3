import { X509Certificate } from 'node:crypto';
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { authenticate, logIn } from './access.ts';
import { type Params, parseForm, readBytes, readParams } from './body.ts';
import { Refusal, refuse } from './failure.ts';
import { type FaultHook, type FaultPlan, faultPlan } from './faults.ts';
import { checkParams } from './params.ts';
import { countRequests, type RequestRecord, withoutSecrets } from './request-log.ts';
import { answer, findRoute } from './route.ts';
import { routes } from './routes.ts';
import { defaultScenario, type Scenario } from './scenario.ts';
import { atLeast, type ClusterState, createState } from './state.ts';

export interface PveOptions {
  readonly scenario?: Scenario;
  /** PEM texts: the simulator then speaks TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** How long tasks run, in milliseconds of real time; default 0, so that they are over when they are first looked at. */
  readonly taskMs?: number;
  /** The cluster's time, in milliseconds since 1970; default: the real one. */
  readonly now?: () => number;
  readonly fault?: FaultHook;
  /** Milliseconds before a 401, as the real one waits three seconds; default 0. */
  readonly authDelayMs?: number;
  /** Default: any free one. */
  readonly port?: number;
}

export interface PveSimulator {
  readonly url: string;
  readonly requests: readonly RequestRecord[];
  /** How often each `METHOD route` was asked since the last `clearRequests`. */
  counts(): Readonly<Record<string, number>>;
  /** The cluster as it is; tests may look at it and change it. */
  readonly state: ClusterState;
  /** All of it as JSON, tickets and tasks included. */
  snapshotState(): string;
  restoreState(json: string): void;
  /** Takes a node down, or up again: what is asked of it answers 595 meanwhile. */
  setNodeOnline(name: string, online: boolean): void;
  /** Replaces the fault hook. */
  setFault(fault: FaultHook | undefined): void;
  clearRequests(): void;
  close(): Promise<void>;
}

/** Starts a cluster on a loopback port. See NOT-MODELLED.md for what it does not do. */
export async function startPve(options: PveOptions = {}): Promise<PveSimulator> {
  let state = createState(options.scenario ?? defaultScenario());
  let fault = options.fault;
  const requests: RequestRecord[] = [];
  const sockets = new Set<Socket>();
  const fingerprint = options.tls ? new X509Certificate(options.tls.cert).fingerprint256 : undefined;
  let number = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    number += 1;
    const method = request.method ?? 'GET';
    const [address = '/', query = ''] = splitOnce(request.url ?? '/', '?');
    const path = address.replace(/^\/api2\/json(?=\/|$)/, '');
    const match = findRoute(routes, method, path);
    const plan = faultPlan(fault?.({ method, path, number }));
    let user: string | undefined;
    let params: Params = {};
    const record = (status: number) =>
      requests.push({
        method,
        path,
        route: match?.pattern ?? path,
        user,
        params: withoutSecrets(params),
        status,
      });
    try {
      if (plan.cut === 'before') {
        record(0);
        request.socket.destroy();
        return;
      }
      const body = await readBytes(request);
      if (plan.status !== undefined) throw new Refusal(plan.status, plan.message ?? 'injected\n');
      if (!address.startsWith('/api2/json')) throw refuse('no such file', 404);
      const now = options.now?.() ?? Date.now();
      const isLogin = match?.pattern === '/access/ticket';
      const caller = isLogin ? undefined : authenticate(state, request.headers, method, now);
      user = caller?.id;
      params = { ...parseForm(query), ...readParams(request.headers, method, body) };
      if (!match) throw refuse(`Method '${method} ${path}' not implemented`, 501);
      for (const key of Object.keys(params)) {
        if (key in match.path)
          throw refuse(`Parameter verification failed - duplicate parameter '${key}'`, 400);
      }
      const work = () => {
        if (caller === undefined) {
          checkParams(match, params);
          return logIn(state, params, now);
        }
        const taskMs = options.taskMs ?? 0;
        return answer(match, { state, caller, params, now, taskMs, path: match.path, fingerprint });
      };
      const data = plan.failTask === undefined ? work() : withoutEffect(work, plan.failTask);
      if (plan.delayMs > 0) await sleep(plan.delayMs);
      record(200);
      if (plan.cut === 'after') request.socket.destroy();
      else send(response, 200, { data }, plan.truncate);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, `${(error as Error).message}\n`);
      record(refusal.status);
      await answerRefusal(response, refusal, plan);
    }
  };

  /** Runs the work, takes its effect back, and lets the task it started end with the text. */
  function withoutEffect(work: () => unknown, text: string): unknown {
    const before = JSON.stringify(state);
    const data = work();
    const task = state.tasks.find(({ upid }) => upid === data);
    if (!task) return data;
    const { counter } = state;
    state = { ...(JSON.parse(before) as ClusterState), counter };
    state.tasks.push({ ...task, exitstatus: text, log: [`TASK ERROR: ${text}`] });
    return data;
  }

  async function answerRefusal(response: ServerResponse, refusal: Refusal, plan: FaultPlan): Promise<void> {
    const { status, message, errors } = refusal;
    if (status === 401) await sleep(options.authDelayMs ?? 0);
    if (plan.retryAfter !== undefined) response.setHeader('retry-after', plan.retryAfter);
    // Bodies say the text since pve-http-server 5.2.0 (Proxmox VE 8.4); the reason phrase always does.
    const told = atLeast(state, '8.4') ? { message } : {};
    send(response, status, { data: null, ...told, ...(errors ? { errors } : {}) }, plan.truncate, message);
  }

  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch(() => request.socket.destroy());
  };
  const server = options.tls ? createHttps(options.tls, listener) : createHttp(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    counts: () => countRequests(requests),
    get state() {
      return state;
    },
    snapshotState: () => JSON.stringify(state),
    restoreState(json) {
      state = JSON.parse(json) as ClusterState;
    },
    setNodeOnline(name, online) {
      state.nodes = state.nodes.map((node) => (node.name === name ? { ...node, online } : node));
    },
    setFault(next) {
      fault = next;
    },
    clearRequests() {
      requests.length = 0;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function splitOnce(text: string, at: string): readonly [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Errors close the connection, as pve-http-server does from 400 on; the text is in the reason phrase too. */
function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  truncate: boolean,
  reason = 'OK',
): void {
  const text = JSON.stringify(body);
  if (status >= 400) response.setHeader('connection', 'close');
  response.setHeader('content-type', 'application/json;charset=UTF-8');
  response.setHeader('content-length', Buffer.byteLength(text));
  const [line = ''] = reason.split('\n');
  response.writeHead(status, line.replace(/[^\x20-\x7e]/g, '?').slice(0, 200) || 'Error');
  if (!truncate) {
    response.end(text);
    return;
  }
  response.write(text.slice(0, Math.max(1, Math.floor(text.length / 2))));
  setImmediate(() => response.socket?.destroy());
}
