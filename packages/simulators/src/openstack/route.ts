import type { Role } from './scenario.ts';
import type { CloudState, TokenRecord } from './state.ts';
import type { ServiceName } from './versions.ts';

/** One request to a route, authenticated. */
export interface Call {
  readonly state: CloudState;
  readonly token: TokenRecord;
  /** Parts of the path that the pattern names, percent-decoded. */
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly contentType: string;
  /** As a number: 2.47 is 20047. */
  readonly version: number;
  readonly now: number;
  readonly times: Times;
  readonly requestId: string;
  /** Address of the service. */
  readonly url: string;
}

/** How long Nova takes, in milliseconds. */
export interface Times {
  readonly scheduleMs: number;
  readonly buildMs: number;
  readonly deleteMs: number;
  readonly resizeMs: number;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Handler = (call: Call) => Answer;

/** A call that the simulator answers. */
export interface Route {
  readonly service: ServiceName;
  readonly method: string;
  /** Below the service's address. */
  readonly pattern: string;
  readonly handler: Handler;
  /** The policy rule that is asked first, and the role that has it by default. */
  readonly rule: string;
  readonly role: Role;
}

export interface Match extends Route {
  readonly path: Readonly<Record<string, string>>;
}

export function routesOf(
  service: ServiceName,
  table: Readonly<Record<string, readonly [rule: string, role: Role, handler: Handler]>>,
): readonly Route[] {
  return Object.entries(table).map(([key, [rule, role, handler]]) => {
    const [method = '', pattern = ''] = key.split(' ');
    return { service, method, pattern, handler, rule, role };
  });
}

/** The route of a request, `other` when only another method of its address is there. */
export function findRoute(
  routes: readonly Route[],
  service: ServiceName,
  method: string,
  path: string,
): Match | 'other' | undefined {
  const parts = path.split('/');
  let other = false;
  for (const found of routes) {
    const wanted = found.pattern.split('/');
    if (found.service !== service || wanted.length !== parts.length) continue;
    const named: Record<string, string> = {};
    const fits = wanted.every((part, index) => {
      const text = parts[index] ?? '';
      if (!part.startsWith('{')) return part === text;
      named[part.slice(1, -1)] = decode(text);
      return text !== '';
    });
    if (!fits) continue;
    if (found.method === method) return { ...found, path: named };
    other = true;
  }
  return other ? 'other' : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
