import { isVmgpuError, VmgpuError } from '@vmgpu/core';
import { backoffMs, isRetryable, retryAfterOf, startDeadline } from '@vmgpu/core/resilience';
import { compact, type Manifest } from '../translate/manifest.ts';
import type { Connection } from './connection.ts';
import { pages } from './pages.ts';
import { pathOf, withQuery } from './paths.ts';
import type { KubeEvent, WatchOptions } from './port.ts';
import type { KubeResource } from './resources.ts';
import { isExpired } from './status.ts';

/** The server ends each watch after so long; one that stays silent much longer is dead. */
const watchSeconds = 240;
const silenceMs = (watchSeconds + 15) * 1000;
const backoff = { baseMs: 100, maxMs: 5_000 } as const;

interface RawEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Manifest;
}

const types = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const;

/**
 * List, then watch from the list's version: the one way that every API server understands, also one with an etcd before
 * 3.4.31 or 3.5.13 behind it, which answers a watch without a version with an error. See `KubePort.watch`.
 */
export async function* watch(
  connection: Connection,
  resource: KubeResource,
  options: WatchOptions,
): AsyncGenerator<KubeEvent> {
  const { signal, onInterruption } = options;
  const position: Position = { version: options.resourceVersion, bookmarks: true };
  let failures = 0;
  for (;;) {
    const before = position.version;
    try {
      if (position.version === undefined) yield* listAll(connection, resource, options, position);
      for await (const event of stream(connection, resource, options, position)) {
        failures = 0;
        yield event;
      }
      // An end without an event: once in four minutes is what servers do, at once and again is a fault.
      failures = position.version === before ? failures + 1 : 0;
    } catch (error) {
      signal.throwIfAborted();
      if (isExpired(error)) position.version = undefined;
      else if (wantsNoBookmarks(error)) position.bookmarks = false;
      else if (!isRetryable(error)) throw error;
      onInterruption?.(error);
      failures += 1;
      if (retryAfterOf(error) !== undefined) await wait(retryAfterOf(error));
    }
    if (failures > 1) await wait();
  }

  function wait(asked?: number): Promise<void> {
    return connection.clock.sleep(backoffMs(failures + 1, backoff, Math.random, asked), signal);
  }
}

/** Where a watch stands. */
interface Position {
  version: string | undefined;
  bookmarks: boolean;
}

async function* listAll(
  connection: Connection,
  resource: KubeResource,
  options: WatchOptions,
  position: Position,
): AsyncGenerator<KubeEvent> {
  const { namespace, labelSelector, fieldSelector, signal } = options;
  const selected = { namespace, labelSelector, fieldSelector };
  yield { type: 'reset' };
  let version = '';
  for await (const page of pages(connection, resource, { ...compact(selected), signal })) {
    for (const object of page.items) yield { type: 'added', object };
    version = page.resourceVersion;
  }
  position.version = version;
  yield { type: 'synced' };
}

async function* stream(
  connection: Connection,
  resource: KubeResource,
  options: WatchOptions,
  position: Position,
): AsyncGenerator<KubeEvent> {
  const { namespace, labelSelector, fieldSelector } = options;
  const plain = pathOf(resource, { namespace });
  const path = withQuery(plain, {
    watch: 1,
    labelSelector,
    fieldSelector,
    resourceVersion: position.version,
    allowWatchBookmarks: position.bookmarks ? true : undefined,
    timeoutSeconds: watchSeconds,
  });
  const limit = startDeadline(connection.clock, `watching ${plain}`, silenceMs, [options.signal]);
  try {
    const { body } = await connection.open({ method: 'GET', path }, limit.signal);
    for await (const line of lines(body)) {
      const event = parseEvent(line, `GET ${plain}`);
      if (event.type === 'ERROR') {
        const code = typeof event.object.code === 'number' ? event.object.code : 500;
        throw connection.statusError(`watching ${plain}`, code, JSON.stringify(event.object));
      }
      const version = event.object.metadata?.resourceVersion;
      if (typeof version === 'string') position.version = version;
      if (event.type !== 'BOOKMARK') yield { type: types[event.type], object: event.object };
    }
  } catch (error) {
    const silent = limit.signal.aborted && !options.signal.aborted;
    throw silent ? damaged(`watching ${plain}`, 'the server is silent') : error;
  } finally {
    limit.release();
  }
}

/** Complete lines. A last one without its end was cut off, and the watch goes on before it. */
async function* lines(body: AsyncIterable<string>): AsyncGenerator<string> {
  const parts: string[] = [];
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      parts.push(chunk.slice(start, end));
      const line = parts.splice(0).join('');
      if (line !== '') yield line;
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.slice(start));
  }
}

function parseEvent(line: string, request: string): RawEvent {
  try {
    return JSON.parse(line) as RawEvent;
  } catch {
    throw damaged(request, `an event is damaged after ${line.length} characters`);
  }
}

function damaged(request: string, why: string): VmgpuError {
  return new VmgpuError('unreachable', `${request}: ${why}`, { details: { request, retryable: true } });
}

/** An old etcd under the server cannot keep bookmarks up to date. */
function wantsNoBookmarks(error: unknown): boolean {
  return isVmgpuError(error) && error.message.includes('RequestWatchProgress');
}
