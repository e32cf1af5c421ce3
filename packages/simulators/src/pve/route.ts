import { demand } from './access.ts';
import type { RouteCall } from './answers.ts';
import { decode } from './body.ts';
import { checkParams, type ParamTable } from './params.ts';

export type Handler = (call: RouteCall) => unknown;

/** A call that the simulator answers. */
export interface Route {
  readonly method: string;
  /** Below `/api2/json`. */
  readonly pattern: string;
  /** The ACL path and privileges, of which one is needed, that are checked before anything else. */
  readonly need: readonly [string, ...string[]] | undefined;
  /** Null: the handler checks its parameters itself. */
  readonly params: ParamTable | null;
  readonly handler: Handler;
}

export function route(
  method: string,
  pattern: string,
  handler: Handler,
  params: ParamTable | null = {},
  ...need: readonly string[]
): Route {
  const [path, ...privileges] = need;
  return { method, pattern, handler, params, need: path === undefined ? undefined : [path, ...privileges] };
}

export interface Match extends Route {
  /** Parts of the path that the pattern names, percent-decoded. */
  readonly path: Readonly<Record<string, string>>;
}

export function findRoute(routes: readonly Route[], method: string, path: string): Match | undefined {
  const parts = path.split('/');
  for (const found of routes) {
    const wanted = found.pattern.split('/');
    if (found.method !== method || wanted.length !== parts.length) continue;
    const named: Record<string, string> = {};
    const fits = wanted.every((part, index) => {
      const text = parts[index] ?? '';
      if (!part.startsWith('{')) return part === text;
      named[part.slice(1, -1)] = decode(text.replaceAll('+', '%2B'));
      return text !== '';
    });
    if (fits) return { ...found, path: named };
  }
  return undefined;
}

/** Permission, node, parameters, work: the order of PVE::APIServer::AnyEvent and PVE::RESTHandler. */
export function answer(match: Match, call: RouteCall): unknown {
  if (match.need !== undefined) {
    const [path, ...privileges] = match.need;
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => match.path[name] ?? '');
    demand(call.state, call.caller, filled, privileges, true);
  }
  checkParams(match, call.params);
  return match.handler(call);
}
