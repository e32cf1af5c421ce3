import type { Clock } from '@vmgpu/core';
import { systemClock } from '@vmgpu/core/resilience';
import type { Manifest } from '../translate/manifest.ts';
import { type Answer, type Connection, createConnection, parseAnswer } from './connection.ts';
import { pages } from './pages.ts';
import { pathOf, withoutQuery, withQuery } from './paths.ts';
import type { DeleteOptions, KubePort, WriteOptions } from './port.ts';
import type { KubeResource } from './resources.ts';
import type { KubeRequest, KubeTransport } from './transport.ts';
import { watch } from './watch.ts';

export interface KubePortOptions {
  readonly clock?: Clock;
  /** Limit for one request without the caller's own, in milliseconds; default 30 s. A watch has none. */
  readonly requestMs?: number;
}

/** A KubePort over any transport: `@vmgpu/kubevirt/client-node` has one for kubeconfig files, `fetch` makes another. */
export function createKubePort(transport: KubeTransport, options: KubePortOptions = {}): KubePort {
  const { clock = systemClock, requestMs = 30_000 } = options;
  const connection = createConnection(transport, clock, requestMs);
  const send = sender(connection);
  return {
    get: (resource, ref, call) => send('GET', pathOf(resource, ref), undefined, call),
    read: (path, call) => send('GET', path, undefined, call),
    pages: (resource, list) => pages(connection, resource, list),
    async *list(resource, list) {
      for await (const { items } of pages(connection, resource, list)) yield* items;
    },
    create: (resource, object, write) =>
      send('POST', writePath(resource, object, write, false), object, write),
    replace: (resource, object, write) =>
      send('PUT', writePath(resource, object, write, true), object, write),
    patch: (resource, ref, patch, write) =>
      send(
        'PATCH',
        withQuery(pathOf(resource, ref), {
          ...writeParameters(write),
          ...(patch.type === 'apply' ? { fieldManager: patch.fieldManager, force: patch.force } : {}),
        }),
        patch.body,
        write,
        patchTypes[patch.type],
      ),
    async delete(resource, ref, write = {}) {
      await send('DELETE', pathOf(resource, ref), deleteBody(write), write);
    },
    async order(path, body, call) {
      // These answer 202 and often nothing else.
      await connection.call(withBody({ method: 'PUT', path }, body, 'application/json'), call);
    },
    watch: (resource, watched) => watch(connection, resource, watched),
    close: () => transport.close?.(),
  };
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

type Method = KubeRequest['method'];

function sender(connection: Connection) {
  return async (
    method: Method,
    path: string,
    body: unknown,
    options: WriteOptions = {},
    type = 'application/json',
  ): Promise<Manifest> => {
    const request = { method, path };
    const answer = await connection.call(
      body === undefined ? request : withBody(request, body, type),
      options,
    );
    for (const warning of warningsOf(answer)) options.onWarning?.(warning);
    return parseAnswer<Manifest>(answer, `${method} ${withoutQuery(path)}`);
  };
}

function withBody(request: { method: Method; path: string }, body: unknown, type: string) {
  return { ...request, headers: { 'content-type': type }, body: JSON.stringify(body) };
}

function writePath(
  resource: KubeResource,
  { metadata }: Manifest,
  options: WriteOptions | undefined,
  named: boolean,
): string {
  const { name, namespace } = metadata ?? {};
  return withQuery(pathOf(resource, { namespace, name: named ? name : undefined }), writeParameters(options));
}

const writeParameters = ({ dryRun }: WriteOptions = {}) => ({
  ...(dryRun ? { dryRun: 'All' } : {}),
  fieldValidation: 'Strict',
});

/** The server that finds a body does not look at the query (apiserver v1.36, endpoints/handlers/delete.go). */
function deleteBody({ propagation, gracePeriodSeconds, uid, dryRun }: DeleteOptions): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...(dryRun ? { dryRun: ['All'] } : {}),
    ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(uid === undefined ? {} : { preconditions: { uid } }),
  };
}

/** `299 - "unknown field \"spec.gpus\""`, several joined by commas (RFC 7234, 5.5). */
function warningsOf({ headers }: Answer): readonly string[] {
  const found = headers.warning?.matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g) ?? [];
  return [...found].map(([, text = '']) => text.replace(/\\(.)/g, '$1'));
}
