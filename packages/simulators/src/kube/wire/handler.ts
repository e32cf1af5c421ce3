import type { IncomingMessage, ServerResponse } from 'node:http';
import { discovery } from '../api/discovery.ts';
import type { Authenticate, Identity } from '../api/identity.ts';
import { impersonated, impersonationRefused } from '../api/identity.ts';
import type { Authorizer } from '../api/rbac.ts';
import { get, list, type ReadRules } from '../api/reads.ts';
import type { Removals } from '../api/removals.ts';
import { type ApiRequest, parsePath, type ResourcePath, subresourceGroup, verbOf } from '../api/request.ts';
import { createReviews } from '../api/reviews.ts';
import * as status from '../api/status.ts';
import { type WatchRules, watch } from '../api/watch.ts';
import type { Writes } from '../api/writes.ts';
import type { Cluster } from '../cluster.ts';
import type { Dict, KubeObject } from '../types.ts';
import { parseJson, readBody, resetConnection } from './body.ts';
import { type Fault, type Faults, faultStatus } from './faults.ts';
import type { Recorder } from './log.ts';
import { type Reply, sendList, sendText, textOf } from './respond.ts';

export interface HandlerParts {
  readonly cluster: Cluster;
  readonly writes: Writes & Removals;
  readonly authenticate: Authenticate;
  readonly authorizer: Authorizer;
  readonly rules: WatchRules & ReadRules;
  readonly faults: Faults;
  readonly log: Recorder;
  readonly serverVersion: string;
  readonly kubevirtVersion: string;
  /** KubeVirt's aggregated API: start, stop, restart, expand-spec. */
  subresource(request: ApiRequest, body: Dict): { readonly code: number; readonly body?: Dict };
  /** True for a short while after a restart: everything is forbidden, and it will pass. */
  isWarmingUp(): boolean;
}

const bodyTypes = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** Answers HTTP requests: who asks, may they, what do they get. */
export function createHandler(parts: HandlerParts) {
  const { cluster, authorizer, log, faults } = parts;
  const reviews = createReviews(authorizer);

  return async function handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = message.method ?? 'GET';
    const url = new URL(message.url ?? '/', 'http://localhost');
    const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, '') : '/';
    const userAgent = message.headers['user-agent'] ?? '';
    const entry = {
      method,
      path,
      query: url.search,
      verb: method.toLowerCase(),
      user: '',
      userAgent,
      status: 0,
    };
    const reply: Reply & { truncate?: number } = {
      response,
      acceptsGzip: String(message.headers['accept-encoding'] ?? '').includes('gzip'),
    };
    let label = `${entry.verb} ${path}`;
    let fault: Fault | undefined;
    try {
      const resource = safePath(path);
      if (resource !== undefined) {
        entry.verb = verbOf(method, resource, url.searchParams);
        const group = resource.group ? `.${resource.group}` : '';
        label = `${entry.verb} ${resource.plural}${group}${resource.subresource ? `/${resource.subresource}` : ''}`;
      }
      const body = bodyTypes.includes(method) ? await readBody(message) : '';
      const user = identify(message);
      entry.user = user.name;
      fault = faults.take({ method, path, verb: entry.verb, user: user.name });
      if (fault?.delayMs) await new Promise((resolve) => setTimeout(resolve, fault?.delayMs));
      if (fault?.cut === 'before') return void resetConnection(response);
      if (fault?.status) {
        entry.status = fault.status;
        if (fault.retryAfter !== undefined) response.setHeader('retry-after', String(fault.retryAfter));
        return sendText(reply, fault.status, JSON.stringify(faultStatus(fault)));
      }
      if (fault?.truncate !== undefined) reply.truncate = fault.truncate;
      if (resource === undefined) await answerPath(reply, user, method, path);
      else await answer({ reply, user, userAgent, method, resource, url, message, body, fault });
      entry.status = response.statusCode;
    } catch (error) {
      const failure =
        error instanceof status.ApiFailure
          ? error
          : new status.ApiFailure(500, 'InternalError', `Internal error occurred: ${String(error)}`);
      entry.status = failure.code;
      if (response.headersSent || response.destroyed) return void response.destroy();
      if (failure.retryAfter !== undefined) response.setHeader('retry-after', String(failure.retryAfter));
      sendText(reply, failure.code, JSON.stringify(failure.body));
    } finally {
      log.add(entry, label);
    }
  };

  function identify(message: IncomingMessage): Identity {
    const user = parts.authenticate(message);
    const other = impersonated(message);
    if (other === undefined) return user;
    const access = { verb: 'impersonate', group: '', resource: 'users', name: other.name };
    if (!authorizer.allows(user, access)) throw impersonationRefused(user.name, other.name);
    return other;
  }

  async function answerPath(reply: Reply, user: Identity, method: string, path: string): Promise<void> {
    const verb = method.toLowerCase();
    if (!authorizer.allowsPath(user, verb, path) || parts.isWarmingUp()) {
      throw new status.ApiFailure(
        403,
        'Forbidden',
        `forbidden: User "${user.name}" cannot ${verb} path "${path}"`,
        {},
      );
    }
    if (path === '/healthz' || path === '/livez' || path === '/readyz') {
      reply.response.setHeader('content-type', 'text/plain');
      reply.response.end('ok');
      return;
    }
    const document = discovery(cluster.types, path, parts.serverVersion);
    if (document === undefined) throw status.noSuchPath();
    sendText(reply, 200, JSON.stringify(document));
  }

  function authorize(user: Identity, verb: string, path: ResourcePath): void {
    const { group, plural, namespace, name, subresource } = path;
    const access = { verb, group, resource: plural, subresource, namespace, name };
    if (!parts.isWarmingUp() && authorizer.allows(user, access)) return;
    throw status.forbidden(user.name, verb, { group, plural, name }, namespace, subresource);
  }

  interface Exchange {
    readonly reply: Reply;
    readonly user: Identity;
    readonly userAgent: string;
    readonly method: string;
    readonly resource: ResourcePath;
    readonly url: URL;
    readonly message: IncomingMessage;
    readonly body: string;
    readonly fault: Fault | undefined;
  }

  async function answer(exchange: Exchange): Promise<void> {
    const { reply, user, userAgent, method, resource, url, body, fault } = exchange;
    const query = url.searchParams;
    const verb = verbOf(method, resource, query);
    const review = reviews(resource, user, () => parseJson(body));
    if (review !== undefined) return sendText(reply, 201, JSON.stringify(review));
    if (resource.group === subresourceGroup) return answerSubresource(exchange);
    authorize(user, verb, resource);
    const type = cluster.types.find(resource.group, resource.version, resource.plural);
    if (type === undefined || (resource.subresource !== undefined && resource.subresource !== 'status')) {
      throw status.noSuchPath();
    }
    if (resource.subresource === 'status' && !type.hasStatus) throw status.noSuchPath();
    const isOne = resource.name !== undefined;
    if (isOne && type.namespaced !== (resource.namespace !== undefined)) throw status.noSuchPath();
    refuseOtherFormats(exchange.message.headers.accept);
    const request: ApiRequest = { type, path: resource, query, user, userAgent, warnings: [] };
    const metadataOnly = String(exchange.message.headers.accept ?? '').includes('as=PartialObjectMetadata');
    const one = (object: Dict) => textOf(type, object, resource.version);
    const brief = ({ metadata }: Dict) =>
      JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata });
    const text = metadataOnly ? brief : one;

    if (verb === 'watch') return openWatch(request, exchange, text);
    if (verb === 'list') {
      const listing = await list(cluster, request, parts.rules);
      const named = { ...listing, kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' };
      return sendList(reply, metadataOnly ? named : listing, text);
    }
    if (verb === 'get') return sendText(reply, 200, text(await get(cluster, request, parts.rules)));
    const made = write(request, verb, exchange);
    if (fault?.cut === 'after') return void resetConnection(reply.response);
    if (request.warnings.length > 0) {
      const lines = request.warnings.map((line) => `299 - ${JSON.stringify(line)}`);
      reply.response.setHeader('warning', lines);
    }
    sendText(reply, verb === 'create' ? 201 : 200, one(made));
  }

  function write(request: ApiRequest, verb: string, { message, body }: Exchange): Dict {
    const { writes } = parts;
    const contentType = String(message.headers['content-type'] ?? '').split(';')[0] ?? '';
    switch (verb) {
      case 'create':
        return writes.create(request, parseJson(body));
      case 'update':
        return writes.replace(request, parseJson(body));
      case 'patch':
        return writes.patch(request, contentType, parseJson(body));
      case 'delete':
        return writes.remove(request, body ? parseJson(body) : {});
      default: {
        const items = writes.removeAll(request, body ? parseJson(body) : {});
        const { type, path } = request;
        const apiVersion = type.group ? `${type.group}/${path.version}` : path.version;
        return { kind: `${type.kind}List`, apiVersion, metadata: {}, items };
      }
    }
  }

  async function openWatch(
    request: ApiRequest,
    { reply: { response, truncate } }: Exchange,
    text: (object: KubeObject) => string,
  ): Promise<void> {
    const start = () => {
      if (response.headersSent) return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.flushHeaders();
    };
    let sent = 0;
    await watch(cluster, request, parts.rules, {
      send(type, object) {
        start();
        const plain = type === 'ERROR' || type === 'BOOKMARK';
        const line = `{"type":"${type}","object":${plain ? JSON.stringify(object) : text(object as KubeObject)}}\n`;
        sent += line.length;
        if (truncate === undefined || sent <= truncate) response.write(line);
        else response.end(line.slice(0, Math.max(0, line.length - (sent - truncate))));
      },
      end() {
        start();
        response.end();
      },
      onClose: (listener) => response.on('close', listener),
    });
    start();
  }

  function answerSubresource({ reply, user, userAgent, method, resource, url, body }: Exchange): void {
    const verb = method === 'PUT' ? 'update' : method.toLowerCase();
    if (resource.plural === 'version') {
      sendText(reply, 200, JSON.stringify({ gitVersion: parts.kubevirtVersion }));
      return;
    }
    if (!cluster.serves('virtualmachines.kubevirt.io')) throw status.noSuchPath();
    authorize(user, verb, resource);
    if ((method === 'GET') !== (resource.subresource === 'expand-spec')) throw status.noSuchPath();
    const type = cluster.types.byId(`${resource.plural}.kubevirt.io`);
    if (type === undefined || resource.name === undefined) throw status.noSuchPath();
    const request = { type, path: resource, query: url.searchParams, user, userAgent, warnings: [] };
    const answered = parts.subresource(request, body ? parseJson(body) : {});
    reply.response.statusCode = answered.code;
    if (answered.body === undefined) reply.response.end();
    else sendText(reply, answered.code, JSON.stringify(answered.body));
  }
}

function safePath(path: string): ResourcePath | undefined {
  try {
    return parsePath(path);
  } catch {
    throw status.badRequest('invalid path');
  }
}

function refuseOtherFormats(accept: string | undefined): void {
  if (!accept || /json|\*\/\*/.test(accept)) return;
  throw new status.ApiFailure(
    406,
    'NotAcceptable',
    'only the following media types are accepted: application/json',
  );
}
