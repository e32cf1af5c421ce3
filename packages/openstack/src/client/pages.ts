import { itemsOf, paginate } from '@vmgpu/http';
import { ask, type OsPort, type ServiceRequest } from './port.ts';
import type { ServiceType } from './services.ts';

/**
 * All items of a list. The next page is named by a link whose host may be wrong behind a proxy (Nova: `*_links` with rel
 * `next`; Glance: `next`, relative; Keystone and Neutron: `links.next`, `*_links`): only its query is taken.
 */
export async function listAll<Item>(
  os: OsPort,
  service: ServiceType,
  request: ServiceRequest,
  key: string,
): Promise<readonly Item[]> {
  type Page = Readonly<Record<string, unknown>>;
  const fetch = (query: ServiceRequest['query']) => () =>
    ask<Page>(os, service, { ...request, ...(query ? { query } : {}) });
  const pages = paginate<Page>(fetch(request.query), (page) => {
    const query = nextQuery(page, key);
    return query && fetch(query);
  });
  const items: Item[] = [];
  for await (const item of itemsOf(pages, (page) => (page[key] ?? []) as readonly Item[])) items.push(item);
  return items;
}

function nextQuery(
  page: Readonly<Record<string, unknown>>,
  key: string,
): ServiceRequest['query'] | undefined {
  const links = page[`${key}_links`] as readonly { rel: string; href: string }[] | undefined;
  const { links: named, next } = page as { links?: { next?: string | null }; next?: string };
  const href = links?.find(({ rel }) => rel === 'next')?.href ?? named?.next ?? next;
  if (typeof href !== 'string') return undefined;
  const query: Record<string, string[]> = {};
  for (const [name, value] of new URLSearchParams(href.slice(href.indexOf('?') + 1))) {
    query[name] = [...(query[name] ?? []), value];
  }
  return query;
}
