import type { Fault } from '@vmgpu/conformance';
import { VmgpuError } from '@vmgpu/core';
import type { KubeRequest, KubeResponse, KubeTransport } from '../../src/index.ts';

/** A transport that counts what passes, and does what the conformance suite's faults ask for. */
export interface FaultyTransport extends KubeTransport {
  inject(fault: Fault): Promise<void>;
}

/** What passed over all connections of one fixture, restarts included. */
export interface Traffic {
  requests: number;
  writes: number;
  orders: string[];
}

export function createFaultyTransport(
  inner: KubeTransport,
  traffic: Traffic,
  token: string,
): FaultyTransport {
  const faults: { fault: Fault; skip: number; times: number; struck: () => void }[] = [];

  async function pass(request: KubeRequest): Promise<KubeResponse> {
    const response = await inner.send(request);
    if (isOrder(request) && response.status < 300) traffic.orders.push(nameOfOrder(request));
    return response;
  }

  return {
    async send(request) {
      traffic.requests += 1;
      if (isWrite(request)) traffic.writes += 1;
      for (const entry of faults) {
        if (!meets(entry.fault, request) || entry.times === 0) continue;
        if (entry.skip > 0) {
          entry.skip -= 1;
          continue;
        }
        entry.times -= 1;
        entry.struck();
        return strike(entry.fault, request, () => pass(request), token);
      }
      return pass(request);
    },
    scrub: (text) => inner.scrub?.(text) ?? text,
    close: () => inner.close?.(),
    inject: (fault) =>
      new Promise((resolve) => {
        faults.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1, struck: resolve });
      }),
  };
}

/** A dry run changes nothing. */
const isWrite = ({ method, path }: KubeRequest) => method !== 'GET' && !path.includes('dryRun=All');

/** What begins work on the cluster: a VM that is made, and its restart. */
const isOrder = (request: KubeRequest) =>
  isWrite(request) &&
  ((request.method === 'POST' && request.path.includes('/virtualmachines')) ||
    request.path.endsWith('/restart'));

function nameOfOrder({ method, path, body = '{}' }: KubeRequest): string {
  return method === 'POST' ? `create ${JSON.parse(body).metadata.name}` : `restart ${path.split('/').at(-2)}`;
}

function meets({ on = 'any' }: Fault, request: KubeRequest): boolean {
  if (on === 'any') return true;
  if (on === 'order') return isOrder(request);
  return on === 'read' ? request.method === 'GET' : isWrite(request);
}

async function strike(
  { kind }: Fault,
  { signal }: KubeRequest,
  pass: () => Promise<KubeResponse>,
  token: string,
): Promise<KubeResponse> {
  const refuse = (code: number, reason: string, message: string, headers = {}): KubeResponse => ({
    status: code,
    headers,
    body: once(
      JSON.stringify({
        kind: 'Status',
        status: 'Failure',
        code,
        reason,
        message: `${message} (Bearer ${token})`,
      }),
    ),
  });
  const lose = (details: object) => {
    throw new VmgpuError('unreachable', 'the connection broke', { details: { retryable: true, ...details } });
  };
  switch (kind) {
    case 'rate-limited':
      return refuse(429, 'TooManyRequests', 'slow down', { 'retry-after': '1' });
    case 'unavailable':
      return refuse(503, 'ServiceUnavailable', 'starting', { 'retry-after': '1' });
    case 'connection':
      return lose({ sent: false });
    case 'lost-answer':
      await pass();
      return lose({});
    case 'invalid':
      return refuse(422, 'Invalid', 'spec: Invalid value');
    case 'forbidden':
      return refuse(403, 'Forbidden', 'nodes is forbidden: User "ops" cannot do this');
    case 'unauthenticated':
      return refuse(401, 'Unauthorized', 'Unauthorized');
    case 'hang':
      return silence(signal);
    case 'hang-after':
      await pass();
      return silence(signal);
  }
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
