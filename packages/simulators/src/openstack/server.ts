import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Refusal, refuse } from './failure.ts';
import { type FaultHook, faultPlan } from './faults.ts';
import { logIn, tokenOf } from './login.ts';
import { advance } from './nova-life.ts';
import { demand } from './policy.ts';
import { countRequests, type RequestRecord } from './request-log.ts';
import { idHeaders, send, sendRefusal } from './respond.ts';
import { type Answer, findRoute, type Times } from './route.ts';
import { routes } from './routes.ts';
import { type ConfigText, defaultScenario, type Scenario } from './scenario.ts';
import { type CloudState, createState, uuidOf } from './state.ts';
import { askedVersion, type ServiceName, serviceNames, versionDocument, versionNumber } from './versions.ts';

export interface OpenStackSimOptions {
  readonly scenario?: Scenario;
  /** The cloud's time, in milliseconds since 1970; default: the real one. */
  readonly now?: () => number;
  /** How long Nova takes for what it does behind its answers, in milliseconds of that time; default 0. */
  readonly times?: Partial<Times>;
  /** Life of a token, in milliseconds; default one hour. */
  readonly tokenMs?: number;
  /** What tokens begin with; for tests that look for them. */
  readonly tokenPrefix?: string;
  readonly fault?: FaultHook;
  /** Default: any free one. */
  readonly port?: number;
}

export interface OpenStackSim {
  /** `http://127.0.0.1:PORT`; services lie below it. */
  readonly url: string;
  /** Keystone's address. */
  readonly authUrl: string;
  readonly requests: readonly RequestRecord[];
  /** How often each `service METHOD route` was asked since the last `clearRequests`. */
  counts(): Readonly<Record<string, number>>;
  /** The cloud as it is; tests may look at it and change it. */
  readonly state: CloudState;
  /** All of it as JSON, tokens included. */
  snapshotState(): string;
  restoreState(json: string): void;
  /** Exchanges nova.conf and restarts the services. */
  setConfig(config: readonly ConfigText[]): void;
  /** Replaces the fault hook. */
  setFault(fault: FaultHook | undefined): void;
  /** Forgets every token: whoever comes with one gets 401. */
  expireTokens(): void;
  clearRequests(): void;
  close(): Promise<void>;
}

const largestBody = 1024 * 1024;

/** Starts a cloud on a loopback port. See NOT-MODELLED.md for what it does not do. */
export async function createOpenStackSim(options: OpenStackSimOptions = {}): Promise<OpenStackSim> {
  const scenario = options.scenario ?? defaultScenario();
  const { release } = scenario;
  const times: Times = { scheduleMs: 0, buildMs: 0, deleteMs: 0, resizeMs: 0, ...options.times };
  const tokenMs = options.tokenMs ?? 3_600_000;
  const clock = options.now ?? Date.now;
  let state = createState(scenario);
  let fault = options.fault;
  let number = 0;
  let logins = 0;
  let origin = '';
  const requests: RequestRecord[] = [];
  const sockets = new Set<Socket>();

  const newToken = () => {
    logins += 1;
    return `${options.tokenPrefix ?? 'gAAAAAB'}-${uuidOf(`token ${logins}`)}`;
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    number += 1;
    const method = request.method ?? 'GET';
    const url = new URL(request.url ?? '/', 'http://sim');
    const [, first = '', ...rest] = url.pathname.split('/');
    const service = serviceNames.find((name) => name === first);
    if (!service) {
      response.writeHead(404).end();
      return;
    }
    const path = `/${rest.join('/')}`;
    const plan = faultPlan(fault?.({ service, method, path, number }));
    const requestId = `req-${uuidOf(`request ${number}`)}`;
    const match = matchOf(service, method, path);
    const found = typeof match === 'object' ? match : undefined;
    const route = found?.pattern ?? path;
    let routed = true;
    let version: string | undefined;
    let user: string | undefined;
    const record = (status: number) =>
      requests.push({ service, method, path, route, version, user, requestId, status });
    if (plan.cut === 'before') {
      record(0);
      request.socket.destroy();
      return;
    }
    const headers: Record<string, string> = idHeaders(service, requestId);
    const work = (text: string): Answer => {
      const now = clock();
      advance(state, now, times);
      const address = `${origin}/${service}`;
      const root = /^\/(v2\.1\/?|v3\/?)?$/.exec(path);
      const plain = service === 'placement' ? path === '/' : root !== null;
      if (plain && method === 'GET') {
        return versionDocument(service, address, release, path === '/');
      }
      const contentType = (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
      const login = service === 'identity' && path === '/v3/auth/tokens' && method === 'POST';
      if (login) {
        return logIn({ state, now, tokenMs, newToken, origin }, parseJson(text));
      }
      const tokenId = request.headers['x-auth-token'];
      if (plan.expireToken && typeof tokenId === 'string') delete state.tokens[tokenId];
      const token = tokenOf(state, tokenId, now);
      user = token.userName;
      version = askedVersion(service, request.headers, release);
      if (version !== undefined) headers['openstack-api-version'] = `${service} ${version}`;
      routed = found !== undefined;
      if (match === 'other') throw refuse(405, 'The method is not allowed for this resource.');
      // Placement's sentence says it already.
      if (!found) throw refuse(404, service === 'placement' ? ' ' : 'The resource could not be found.');
      demand(found.service, token, found.rule, found.role);
      if (text !== '' && contentType === '') {
        throw refuse(service === 'placement' ? 400 : 415, 'content-type header required');
      }
      return found.handler({
        state,
        token,
        path: found.path,
        query: url.searchParams,
        body: text === '' ? undefined : parseJson(text),
        contentType,
        version: versionNumber(version ?? '0.0'),
        now,
        times,
        requestId,
        url: address,
      });
    };

    try {
      const text = await readText(request);
      const injected = () => new Refusal(plan.status ?? 500, plan.message ?? 'injected');
      if (plan.status !== undefined && !plan.worked) throw injected();
      const answer = work(text);
      if (plan.worked) throw injected();
      if (plan.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, plan.delayMs));
      record(answer.status);
      if (plan.cut === 'after') request.socket.destroy();
      else send(response, answer, headers, plan);
    } catch (error) {
      const refusal =
        error instanceof Refusal
          ? error
          : new Refusal(500, `Unexpected API Error: ${(error as Error).stack ?? String(error)}`);
      record(refusal.status);
      const json = (request.headers.accept ?? '').includes('application/json');
      sendRefusal(response, refusal, { service, requestId, version, json, routed }, headers, plan);
    }
  }

  const server = createServer((request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url: origin,
    authUrl: `${origin}/identity/v3`,
    requests,
    counts: () => countRequests(requests),
    get state() {
      return state;
    },
    snapshotState: () => JSON.stringify(state),
    restoreState(json) {
      state = JSON.parse(json) as CloudState;
    },
    setConfig(config) {
      state.config = config;
    },
    setFault(next) {
      fault = next;
    },
    expireTokens() {
      state.tokens = {};
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

function matchOf(service: ServiceName, method: string, path: string) {
  const below = belowVersion(service, path);
  return below === undefined ? undefined : findRoute(routes, service, method, below);
}

/** Routes are written without the version that their service's address or path begins with. */
function belowVersion(service: ServiceName, path: string): string | undefined {
  switch (service) {
    case 'compute':
      return /^\/v2\.1(\/.*)$/.exec(path)?.[1];
    case 'volume':
      return /^\/v3\/[^/]+(\/.*)$/.exec(path)?.[1];
    default:
      return path;
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > largestBody) throw refuse(413, 'Request is too large.');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refuse(400, 'Malformed request body');
  }
}
