/** One HTTP request to an API server. */
export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With the query: `/api/v1/nodes?limit=500`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface KubeResponse {
  readonly status: number;
  /** Names in lower case; several of one name are joined by `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body as it comes in. Leaving the loop early ends the request. */
  readonly body: AsyncIterable<string>;
}

/**
 * What carries requests: knows addresses, credentials and TLS, and nothing of Kubernetes. Rejects with `unreachable`
 * (`details.sent` is false when the request surely did not arrive) and with `auth-failed` when there are no credentials.
 */
export interface KubeTransport {
  send(request: KubeRequest): Promise<KubeResponse>;
  /** The text without the credentials in use: servers may repeat what they were sent. */
  scrub?(text: string): string;
  close?(): void;
}

/** A transport that is loaded with its first request. A load that failed is tried again with the next. */
export function lazyTransport(load: () => Promise<KubeTransport>): KubeTransport {
  let loading: Promise<KubeTransport> | undefined;
  let loaded: KubeTransport | undefined;
  return {
    async send(request) {
      loading ??= load();
      try {
        loaded = await loading;
      } catch (error) {
        loading = undefined;
        throw error;
      }
      return loaded.send(request);
    },
    scrub: (text) => loaded?.scrub?.(text) ?? text,
    close: () => loaded?.close?.(),
  };
}
