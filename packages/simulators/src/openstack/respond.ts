import type { ServerResponse } from 'node:http';
import { faultBody, faultPage, type Refusal } from './failure.ts';
import type { FaultPlan } from './faults.ts';
import type { Answer } from './route.ts';
import { type ServiceName, versionNumber } from './versions.ts';

export function idHeaders(service: ServiceName, requestId: string): Record<string, string> {
  return {
    'x-openstack-request-id': requestId,
    ...(service === 'compute' ? { 'x-compute-request-id': requestId } : {}),
  };
}

export function send(
  response: ServerResponse,
  { status, body, headers = {} }: Answer,
  ids: Readonly<Record<string, string>>,
  plan: FaultPlan,
): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const half = Math.max(1, Math.floor(text.length / 2));
  const told = plan.garble ? text.slice(0, half) : text;
  response.writeHead(status, {
    ...ids,
    ...headers,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(status === 204 ? {} : { 'content-length': Buffer.byteLength(told) }),
  });
  if (!plan.truncate) {
    response.end(told);
    return;
  }
  if (text !== '') response.write(text.slice(0, half));
  setImmediate(() => response.socket?.destroy());
}

interface Telling {
  readonly service: ServiceName;
  readonly requestId: string;
  readonly version: string | undefined;
  /** Whether the request said that it takes JSON. */
  readonly json: boolean;
  /** Whether the address is one that the service has. */
  readonly routed: boolean;
}

export function sendRefusal(
  response: ServerResponse,
  refusal: Refusal,
  { service, requestId, version, json, routed }: Telling,
  ids: Readonly<Record<string, string>>,
  plan: FaultPlan,
): void {
  if (plan.retryAfter !== undefined) response.setHeader('retry-after', plan.retryAfter);
  const page = plan.html || (service === 'image' && !json) || (service === 'compute' && !routed);
  if (page && refusal.status !== 401) {
    response.writeHead(refusal.status, { ...ids, 'content-type': 'text/html; charset=UTF-8' });
    response.end(faultPage(refusal));
    return;
  }
  const challenge = { 'www-authenticate': 'Keystone uri="/identity/v3"' };
  const body = faultBody(service, refusal, requestId, versionNumber(version ?? '0.0'));
  const headers = refusal.status === 401 ? { ...challenge, ...refusal.more } : {};
  send(response, { status: refusal.status, body, headers }, ids, plan);
}
