import type { Agent, RequestOptions } from 'node:https';
import { Secret, VmgpuError } from '@vmgpu/core';

/** Where a kubeconfig is. `path` and `content` exclude each other. */
export interface Kubeconfig {
  readonly path?: string;
  /** The file's text; `Secret` keeps it out of every print-out. */
  readonly content?: string | Secret;
  /** Context in it; its `current-context` when not given. */
  readonly context?: string;
}

/** What a kubeconfig says, made ready for node's HTTP. */
export interface ClusterAccess {
  readonly server: URL;
  /** Namespace of the context. */
  readonly namespace: string | undefined;
  readonly tls: Pick<
    RequestOptions,
    'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'rejectUnauthorized' | 'servername'
  >;
  readonly headers: Readonly<Record<string, string>>;
  /** For clusters behind a proxy. */
  readonly agent: Agent | undefined;
}

/**
 * Reads the kubeconfig and runs its exec plugin, anew with each call: files of tokens are replaced and plugins' tokens
 * expire. Throws `bad-input` for what cannot be read and `auth-failed` when a plugin fails.
 */
export async function loadCluster(source: Kubeconfig): Promise<ClusterAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  read(source, config);
  if (source.context !== undefined) config.setCurrentContext(source.context);
  const cluster = config.getCurrentCluster();
  const context = config.getContextObject(config.getCurrentContext());
  if (!cluster || !URL.canParse(cluster.server)) {
    throw new VmgpuError('bad-input', 'the kubeconfig names no cluster', {
      ...at(source),
      found: config.getCurrentContext() || 'no current-context',
      expected: config
        .getContexts()
        .map(({ name }) => name)
        .join(', '),
    });
  }
  const options: RequestOptions = {};
  const server = new URL(cluster.server);
  const insecure = cluster.skipTLSVerify === true;
  // client-node has a rule of its own for plain HTTP; ours (see refusePlain) lets `kubectl proxy` through.
  if (server.protocol === 'http:') Object.assign(cluster, { skipTLSVerify: true });
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new VmgpuError('auth-failed', `no credentials for ${cluster.name}: ${why}`, {
      ...at(source),
      hint: 'run the credential plugin of the kubeconfig by hand',
      cause,
    });
  }
  const { ca, cert, key, pfx, passphrase, servername } = options;
  const impersonated = config.getCurrentUser()?.impersonateUser;
  return {
    server,
    namespace: context?.namespace,
    tls: defined({
      ca: ca ?? caOf(cluster.caData),
      cert,
      key,
      pfx,
      passphrase,
      rejectUnauthorized: insecure ? false : undefined,
      servername,
    }),
    headers: {
      ...headersOf(options),
      ...(impersonated === undefined ? {} : { 'impersonate-user': impersonated }),
    },
    agent: cluster.proxyUrl === undefined ? undefined : (options.agent as Agent),
  };
}

interface Loader {
  loadFromFile(path: string): void;
  loadFromString(text: string): void;
  loadFromDefault(): void;
}

function read({ path, content }: Kubeconfig, config: Loader): void {
  try {
    if (content !== undefined) config.loadFromString(content instanceof Secret ? content.reveal() : content);
    else if (path !== undefined) config.loadFromFile(path);
    else config.loadFromDefault();
  } catch (error) {
    // The parser's message quotes the file, keys included.
    const missing = (error as { code?: string }).code === 'ENOENT';
    throw new VmgpuError('bad-input', missing ? 'there is no such kubeconfig' : 'not a kubeconfig', {
      where: { file: path ?? 'kubeconfig' },
    });
  }
}

function at({ path }: Kubeconfig) {
  return path === undefined ? {} : { where: { file: path } };
}

/** client-node gives the authority only to users it knows. */
function caOf(data: string | undefined): Buffer | undefined {
  return data === undefined ? undefined : Buffer.from(data, 'base64');
}

function headersOf({ headers, auth }: RequestOptions): Record<string, string> {
  const entries = Object.entries((headers ?? {}) as Record<string, unknown>);
  const result = Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]));
  if (typeof auth === 'string') result.authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
  return result;
}

function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as never;
}
