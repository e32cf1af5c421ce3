import { kubeconfigTransport } from '../../src/client-node/index.ts';
import type { KubeRequest } from '../../src/index.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are read as they come
type Body = any;

export interface Answer {
  readonly status: number;
  /** The one document, or the first of a watch. */
  readonly body: Body;
  /** All documents of a watch. */
  readonly events: readonly { readonly type: string; readonly object: Body }[];
  readonly warnings: readonly string[];
}

/** Requests as they are, past our client's parameters and errors. */
export interface RawClient {
  send(method: KubeRequest['method'], path: string, body?: string, type?: string): Promise<Answer>;
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  merge(path: string, body: unknown): Promise<Answer>;
  json(path: string, body: unknown): Promise<Answer>;
  close(): void;
}

export async function rawClient(kubeconfig: string): Promise<RawClient> {
  const transport = await kubeconfigTransport({ content: kubeconfig });

  const send: RawClient['send'] = async (method, path, body, type = 'application/json') => {
    const { signal } = new AbortController();
    const content = body === undefined ? {} : { body, headers: { 'content-type': type } };
    const { status, headers, body: parts } = await transport.send({ method, path, signal, ...content });
    let text = '';
    for await (const part of parts) text += part;
    const documents = path.includes('watch=1') ? text.split('\n').filter(Boolean).map(parse) : [parse(text)];
    const warnings = [...(headers.warning ?? '').matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(
      ([, warning = '']) => warning.replace(/\\(.)/g, '$1'),
    );
    return { status, body: documents[0], events: documents, warnings };
  };
  const write = (method: KubeRequest['method'], type?: string) => (path: string, body: unknown) =>
    send(method, path, JSON.stringify(body), type);
  return {
    send,
    get: (path) => send('GET', path),
    post: write('POST'),
    put: write('PUT'),
    merge: write('PATCH', 'application/merge-patch+json'),
    json: write('PATCH', 'application/json-patch+json'),
    close: () => transport.close?.(),
  };
}

function parse(text: string): Body {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
