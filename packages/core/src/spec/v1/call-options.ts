/** Base of every option bag of a call that does I/O. */
export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Limit for the whole call, retries included, in milliseconds. Passing it is a `timeout`, not an abort. */
  readonly timeoutMs?: number;
}
