import { badInput } from '@vmgpu/core';
import { httpError } from './errors.ts';
import type { HttpRequest } from './port.ts';

/** Makes URLs absolute, and refuses those whose origin was not named in the settings. */
export type ResolveUrl = (request: HttpRequest) => HttpRequest;

export function createResolver(baseUrl: string, trustedOrigins: readonly string[] = []): ResolveUrl {
  const base = parseOrigin(baseUrl, 'baseUrl');
  const origins = new Set([
    base.origin,
    ...trustedOrigins.map((text) => parseOrigin(text, 'trustedOrigins').origin),
  ]);
  const prefix = base.href.replace(/[?#].*$/s, '').replace(/\/+$/, '');
  return (request) => {
    const { url } = request;
    // `//host/path` and backslashes would be read as another host.
    const absolute = /^[a-z][a-z0-9+.-]*:/i.test(url);
    const target = absolute ? url : `${prefix}/${url.replace(/^[/\\]+/, '')}`;
    const origin = URL.canParse(target) ? new URL(target).origin : 'not a URL';
    if (!origins.has(origin)) {
      throw httpError(
        'refused',
        request,
        'this origin is not trusted',
        {},
        {
          found: origin,
          expected: [...origins].join(' or '),
          hint: 'name it in trustedOrigins if credentials may be sent there',
        },
      );
    }
    return { ...request, url: new URL(target).href };
  };
}

function parseOrigin(text: string, path: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw badInput('not a base URL', {
      where: { path },
      found: url ? `${url.protocol}//${url.username === '' ? '' : '…@'}${url.host}` : text,
      expected: 'http:// or https://, a host, and no user name or password',
    });
  }
  return url;
}
