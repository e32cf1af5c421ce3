import type { CallOptions } from '@vmgpu/core';
import type { HttpRequest, HttpResponse } from '@vmgpu/http';
import type { VersionRange } from './microversion.ts';
import type { ServiceType } from './services.ts';

export interface ServiceRequest
  extends CallOptions,
    Pick<HttpRequest, 'method' | 'query' | 'json' | 'accept'> {
  /** Below the service's address. */
  readonly path: string;
  /** Microversions in which the call means what we want, best first; absent where the service has none. */
  readonly versions?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Who the token says we are. */
export interface Caller {
  readonly userId?: string;
  readonly projectId?: string;
  readonly roles: readonly string[];
}

/** Calls to a cloud's services, found by its catalogue. */
export interface OsPort {
  request(service: ServiceType, request: ServiceRequest): Promise<HttpResponse>;
  /** Logs in when that was not done yet. */
  caller(options?: CallOptions): Promise<Caller>;
  has(service: ServiceType, options?: CallOptions): Promise<boolean>;
  /** What a service with microversions speaks. */
  versions(service: ServiceType, options?: CallOptions): Promise<VersionRange>;
  close(): void;
}

/** A path with every inserted value percent-encoded: nothing that a person named may break out of its place. */
export function at(texts: TemplateStringsArray, ...values: readonly string[]): string {
  return texts.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text);
}

/** The body of a call's answer. */
export async function ask<T>(os: OsPort, service: ServiceType, request: ServiceRequest): Promise<T> {
  return (await os.request(service, request)).json<T>();
}

/** The body, or null when the thing is not there. */
export async function askOrNull<T>(
  os: OsPort,
  service: ServiceType,
  request: ServiceRequest,
): Promise<T | null> {
  const response = await os.request(service, { ...request, accept: [404] });
  return response.status === 404 ? null : response.json<T>();
}
