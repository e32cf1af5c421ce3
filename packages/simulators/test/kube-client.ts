import { type IncomingMessage, request } from 'node:http';
import { expect } from 'vitest';
import { type KubeOptions, type KubeSimulator, startKube } from '../src/kube/index.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are read as they come
export type Body = any;

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

export interface SendOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly type?: string;
}

/** Plain HTTP, no client library: what the wire says is what is tested. */
export function clientOf(simulator: KubeSimulator, token = 'admin-token') {
  async function send(
    method: string,
    path: string,
    body?: unknown,
    options: SendOptions = {},
  ): Promise<Answer> {
    const response = await fetch(simulator.url + path, {
      method,
      headers: {
        authorization: `Bearer ${options.token ?? token}`,
        'content-type': options.type ?? 'application/json',
        'user-agent': 'test/1',
        // A connection kept over a restart would fail: the client may not have seen its end yet.
        connection: 'close',
        ...options.headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: parse(text), headers: response.headers };
  }
  return {
    send,
    get: (path: string, options?: SendOptions) => send('GET', path, undefined, options),
    post: (path: string, body: unknown, options?: SendOptions) => send('POST', path, body, options),
    put: (path: string, body: unknown, options?: SendOptions) => send('PUT', path, body, options),
    remove: (path: string, body?: unknown) => send('DELETE', path, body),
    merge: (path: string, body: unknown, options?: SendOptions) =>
      send('PATCH', path, body, { type: 'application/merge-patch+json', ...options }),
    json: (path: string, body: unknown) => send('PATCH', path, body, { type: 'application/json-patch+json' }),
    apply: (path: string, body: unknown) =>
      send('PATCH', path, body, { type: 'application/apply-patch+yaml' }),
    watch: (path: string) => openWatch(simulator, path, token),
  };
}

function parse(text: string): Body {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export interface Watched {
  readonly status: number;
  readonly events: Body[];
  /** Resolves when so many events are there, or the stream has ended. */
  until(count: number): Promise<Body[]>;
  /** `end` or the code of the error that ended it. */
  readonly ended: Promise<string>;
  close(): void;
}

function openWatch(simulator: KubeSimulator, path: string, token: string): Promise<Watched> {
  return new Promise((resolve, reject) => {
    const call = request(simulator.url + path, { headers: { authorization: `Bearer ${token}` } });
    call.on('error', reject);
    call.on('response', (response: IncomingMessage) => {
      const events: Body[] = [];
      const waiters = new Set<() => void>();
      const wake = () => {
        for (const waiter of waiters) waiter();
      };
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => {
        const lines = (rest + piece).split('\n');
        rest = lines.pop() ?? '';
        events.push(...lines.map((line) => JSON.parse(line)));
        wake();
      });
      let isOver = false;
      const ended = new Promise<string>((done) => {
        const finish = (how: string) => {
          isOver = true;
          done(how);
          wake();
        };
        response.on('end', () => finish('end'));
        response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      });
      resolve({
        status: response.statusCode ?? 0,
        events,
        ended,
        until: (count) =>
          new Promise((done) => {
            const look = () => {
              if (events.length < count && !isOver) return;
              waiters.delete(look);
              done(events);
            };
            waiters.add(look);
            look();
          }),
        close: () => response.destroy(),
      });
    });
    call.end();
  });
}

/** Runs a test on a simulator of its own. */
export async function withKube(
  options: KubeOptions,
  test: (client: ReturnType<typeof clientOf>, simulator: KubeSimulator) => Promise<void>,
): Promise<void> {
  const simulator = await startKube({ clock: 'manual', ...options });
  try {
    await test(clientOf(simulator), simulator);
    expect(simulator.errors).toEqual([]);
  } finally {
    await simulator.close();
  }
}

export const nodes = '/api/v1/nodes';
export const kubevirt = '/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt';
export const vms = '/apis/kubevirt.io/v1/namespaces/vms/virtualmachines';
export const vmis = '/apis/kubevirt.io/v1/namespaces/vms/virtualmachineinstances';

/** A VM with GPUs of the given resources. */
export function machine(name: string, gpus: readonly string[], spec: Body = {}): Body {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name, namespace: 'vms' },
    spec: {
      runStrategy: 'Always',
      ...spec,
      template: {
        metadata: {},
        spec: {
          domain: {
            cpu: { cores: 2 },
            memory: { guest: '2Gi' },
            devices: {
              disks: [{ name: 'root', disk: { bus: 'virtio' } }],
              interfaces: [{ name: 'default', masquerade: {} }],
              gpus: gpus.map((deviceName, index) => ({ name: `gpu${index}`, deviceName })),
            },
          },
          networks: [{ name: 'default', pod: {} }],
          volumes: [{ name: 'root', containerDisk: { image: 'fedora' } }],
        },
      },
    },
  };
}
