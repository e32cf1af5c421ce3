import type { ServerResponse } from 'node:http';
import { createGzip } from 'node:zlib';
import { toVersion } from '../api/convert.ts';
import type { Listing } from '../api/reads.ts';
import type { ResourceType } from '../store/resource-types.ts';
import type { Dict, KubeObject } from '../types.ts';

/** JSON texts of stored objects, which never change: each is made once, whoever asks. */
const texts = new WeakMap<object, string>();

export function textOf(type: ResourceType | undefined, object: Dict, version: string): string {
  if (type === undefined || object.metadata === undefined || object.kind !== type.kind) {
    return JSON.stringify(object);
  }
  const served = toVersion(type, object as KubeObject, version);
  if (served !== object) return JSON.stringify(served);
  let text = texts.get(object);
  if (text === undefined) {
    text = JSON.stringify(object);
    texts.set(object, text);
  }
  return text;
}

export interface Reply {
  readonly response: ServerResponse;
  readonly acceptsGzip: boolean;
  /** Bytes after which the body ends, by a fault. */
  readonly truncate?: number | undefined;
}

const gzipFrom = 128 * 1024;
const chunkSize = 256 * 1024;

export function sendText({ response, truncate }: Reply, status: number, text: string): void {
  const body = truncate === undefined ? text : text.slice(0, truncate);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** A list piece by piece, so that no second copy of 5,000 nodes is held; big ones gzipped for those who accept it. */
export async function sendList(
  reply: Reply,
  listing: Listing,
  textOfItem: (item: KubeObject) => string,
): Promise<void> {
  const { items, ...head } = listing;
  const start = `${JSON.stringify(head).slice(0, -1)},"items":[`;
  let size = 0;
  for (const item of items) size += textOfItem(item).length;
  if (size < chunkSize || reply.truncate !== undefined) {
    return sendText(reply, 200, `${start}${items.map(textOfItem).join(',')}]}`);
  }
  const { response } = reply;
  const zip = reply.acceptsGzip && size >= gzipFrom ? createGzip({ level: 1 }) : undefined;
  response.writeHead(200, {
    'content-type': 'application/json',
    ...(zip && { 'content-encoding': 'gzip', vary: 'Accept-Encoding' }),
  });
  zip?.pipe(response);
  const out = zip ?? response;
  const write = (text: string) =>
    out.write(text) || response.destroyed
      ? undefined
      : new Promise<void>((resolve) => {
          const done = () => {
            out.off('drain', done);
            response.off('close', done);
            resolve();
          };
          out.on('drain', done);
          response.on('close', done);
        });
  let piece = start;
  for (const [index, item] of items.entries()) {
    piece += (index > 0 ? ',' : '') + textOfItem(item);
    if (piece.length < chunkSize) continue;
    await write(piece);
    if (response.destroyed) return;
    piece = '';
  }
  out.end(`${piece}]}`);
}
