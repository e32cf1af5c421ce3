import { VmgpuError } from '@vmgpu/core';

/** A server whose last page names a next one would otherwise be read for ever. */
const mostPages = 100_000;

/**
 * The pages of a list, fetched one by one as they are asked for: whoever stops early fetches no further. `next` knows the
 * platform's rule (marker, link, continue token) and returns undefined after the last page.
 */
export async function* paginate<Page>(
  first: () => Promise<Page>,
  next: (page: Page) => (() => Promise<Page>) | undefined,
): AsyncGenerator<Page, void, undefined> {
  let fetch: (() => Promise<Page>) | undefined = first;
  for (let count = 0; fetch; count += 1) {
    if (count >= mostPages) {
      throw new VmgpuError('refused', 'the list does not end', { found: `${count} pages` });
    }
    const page: Page = await fetch();
    yield page;
    fetch = next(page);
  }
}

/** The items of pages, one by one. */
export async function* itemsOf<Page, Item>(
  pages: AsyncIterable<Page>,
  items: (page: Page) => readonly Item[],
): AsyncGenerator<Item, void, undefined> {
  for await (const page of pages) yield* items(page);
}
