import type { ServiceName } from './versions.ts';

/** A refusal as a service of OpenStack answers it: a status, a text, and for Placement a code. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string | undefined;
  /** What is told besides: for 401 headers, for 406 of Placement fields. */
  readonly more: Readonly<Record<string, string>>;
  constructor(status: number, message: string, code?: string, more: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.more = more;
  }
}

export function refuse(status: number, message: string, code?: string): Refusal {
  return new Refusal(status, message, code);
}

/** Names of Nova's faults by status. Source: nova 26, nova/api/openstack/wsgi.py, Fault. */
const novaFaults: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
};

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

export function titleOf(status: number): string {
  return titles[status] ?? 'Error';
}

/** webob's page, which Glance answers to those that do not ask for JSON, and Nova where it has no such address. */
export function faultPage({ status, message }: Refusal): string {
  const title = `${status} ${titleOf(status)}`;
  return `<html>\n <head>\n  <title>${title}</title>\n </head>\n <body>\n  <h1>${title}</h1>\n  ${message}<br /><br />\n\n\n\n </body>\n</html>`;
}

/** The body in which the service tells a refusal. Each has a form of its own. */
export function faultBody(
  service: ServiceName,
  refusal: Refusal,
  requestId: string,
  version: number,
): unknown {
  const { status, message, code } = refusal;
  if (service === 'image') {
    const breaks = '<br /><br />\n';
    const told =
      status === 409
        ? `${explanations[409]}${breaks}${message}\n\n`
        : status === 415
          ? `${message}\n${breaks}`
          : `${message}${breaks}\n\n`;
    return { message: told, code: `${status} ${titleOf(status)}`, title: titleOf(status) };
  }
  // keystonemiddleware stands before every service but Keystone.
  if (status === 401 || service === 'identity') {
    return { error: { code: status, title: titleOf(status), message } };
  }
  switch (service) {
    case 'compute':
    case 'volume':
      return { [novaFaults[status] ?? 'computeFault']: { code: status, message } };
    case 'placement':
      return { errors: [placementError(refusal, requestId, version)] };
    case 'network':
      return { NeutronError: { type: code ?? 'HTTPError', message, detail: '' } };
  }
}

function placementError({ status, message, code, more }: Refusal, requestId: string, version: number) {
  const sentence = explanations[status] ?? 'The server could not comply with the request.';
  return {
    status,
    title: titleOf(status),
    detail: `${sentence}\n\n ${message}${status === 406 ? '' : '  '}`,
    request_id: requestId,
    // From 1.23 on.
    ...(version < 10_023 || status === 406 ? {} : { code: code ?? 'placement.undefined_code' }),
    ...(status === 406 ? { max_version: more.max, min_version: more.min } : {}),
  };
}

/** webob's own sentences, which stand before Placement's. */
const explanations: Readonly<Record<number, string>> = {
  400: 'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  403: 'Access was denied to this resource.',
  406: 'The resource could not be generated that was acceptable to your browser (content of type application/json. ',
  404: 'The resource could not be found.',
  409: 'There was a conflict when trying to complete your request.',
};
