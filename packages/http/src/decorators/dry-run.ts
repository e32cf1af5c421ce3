import { publicUrl } from '../errors.ts';
import { type HttpMethod, type HttpPort, type HttpRequest, type HttpResponse, isRead } from '../port.ts';

export interface HeldBack {
  readonly method: HttpMethod;
  readonly url: string;
}

/**
 * Lets reads through and holds writes back: each is listed, and answered with `answer(request)` (a JSON value; `{}` by
 * default) and status 200. Put it around a client, not under it: a log-in is a write, too.
 */
export function dryRun(
  port: HttpPort,
  answer: (request: HttpRequest) => unknown = () => ({}),
): { readonly port: HttpPort; readonly heldBack: readonly HeldBack[] } {
  const heldBack: HeldBack[] = [];
  const dry: HttpPort = {
    async request(request) {
      if (isRead(request.method)) return port.request(request);
      heldBack.push({ method: request.method, url: publicUrl(request.url) });
      return jsonResponse(request.url, 200, answer(request));
    },
    ...(port.close ? { close: () => port.close?.() } : {}),
  };
  return { port: dry, heldBack };
}

/** A response made up on this side. */
export function jsonResponse(
  url: string,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpResponse {
  const text = body === undefined ? '' : JSON.stringify(body);
  return {
    status,
    url,
    text,
    headers: { 'content-type': 'application/json', ...headers },
    json: <T>() => body as T,
  };
}
