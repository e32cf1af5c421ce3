import { httpError } from './errors.ts';
import type { HttpPort, HttpRequest, HttpResponse } from './port.ts';

const mostHops = 5;

/**
 * Follows redirects within one origin. Where a server sends us elsewhere is its claim, not ours: another origin is refused,
 * and never sees a credential.
 */
export function withRedirects(port: HttpPort): HttpPort {
  return {
    async request(first) {
      let request = first;
      for (let hop = 0; hop <= mostHops; hop += 1) {
        const response = await port.request(request);
        const next = nextRequest(request, response);
        if (!next) return response;
        request = next;
      }
      throw httpError('refused', first, `redirected more than ${mostHops} times`);
    },
  };
}

function nextRequest(request: HttpRequest, { status, headers }: HttpResponse): HttpRequest | undefined {
  const { location } = headers;
  if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return undefined;
  const target = URL.canParse(location, request.url) ? new URL(location, request.url) : undefined;
  if (target?.origin !== new URL(request.url).origin) {
    throw httpError(
      'refused',
      request,
      'redirected to another origin',
      { status },
      {
        found: target?.origin ?? 'not a URL',
        expected: new URL(request.url).origin,
        hint: 'if that is where the API lives, make it the base URL',
      },
    );
  }
  const { query: _query, ...same } = request;
  if (status === 307 || status === 308 || ['GET', 'HEAD'].includes(request.method)) {
    return { ...same, url: target.href };
  }
  if (status === 303) {
    const { json: _json, form: _form, body: _body, ...bare } = same;
    return { ...bare, method: 'GET', url: target.href };
  }
  // Clients disagree on what becomes of the method and the body after 301 and 302.
  throw httpError('refused', request, 'a request that changes something was redirected', { status });
}
