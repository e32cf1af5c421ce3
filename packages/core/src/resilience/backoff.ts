/** How long to wait between tries. */
export interface Backoff {
  /** Upper bound of the first wait; default 500 ms. It doubles with each try. */
  readonly baseMs?: number;
  /** Upper bound of every wait, also of one that the server asked for (Retry-After); default 30 s. */
  readonly maxMs?: number;
}

/**
 * Wait before try `next` (2 is the first repetition): full jitter, so that many clients that failed together do not come
 * back together. A wait that the server asked for is honoured as far as `maxMs`.
 */
export function backoffMs(
  next: number,
  { baseMs = 500, maxMs = 30_000 }: Backoff,
  random: () => number,
  retryAfterMs?: number,
): number {
  if (retryAfterMs !== undefined) return Math.max(0, Math.min(retryAfterMs, maxMs));
  return Math.round(random() * Math.min(maxMs, baseMs * 2 ** Math.min(next - 2, 30)));
}
