import type { Manifest } from '../translate/manifest.ts';
import { type Connection, parseAnswer } from './connection.ts';
import { pathOf, withQuery } from './paths.ts';
import type { KubePage, ListOptions } from './port.ts';
import type { KubeResource } from './resources.ts';

/** One list, page by page; all pages are of the same `resourceVersion`. */
export async function* pages(
  { call: send }: Pick<Connection, 'call'>,
  resource: KubeResource,
  options: ListOptions = {},
): AsyncGenerator<KubePage> {
  const { namespace, labelSelector, fieldSelector, limit = 500, ...call } = options;
  const path = pathOf(resource, { namespace });
  let next: string | undefined;
  do {
    const page = { labelSelector, fieldSelector, limit, continue: next };
    const answer = await send({ method: 'GET', path: withQuery(path, page) }, call);
    const list = parseAnswer<RawList>(answer, `GET ${path}`);
    yield { items: list.items ?? [], resourceVersion: list.metadata?.resourceVersion ?? '' };
    next = list.metadata?.continue;
  } while (next);
}

interface RawList {
  readonly items?: readonly Manifest[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}
