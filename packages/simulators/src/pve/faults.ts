/** What a test does to a request. */
export type Fault =
  /** Answered instead of being worked on. 401 waits as every 401 does. */
  | { readonly status: number; readonly message?: string; readonly retryAfter?: string }
  /** The connection is cut before, or after, the work. */
  | { readonly cut: 'before' | 'after' }
  /** The answer's body ends in the middle. */
  | { readonly truncate: true }
  /** Worked on, answered only after this many milliseconds. */
  | { readonly delayMs: number }
  /** Worked on; the task that it starts ends with this text and without its effect. */
  | { readonly failTask: string };

/** Asked for every request, with its number from 1; undefined: nothing happens to it. */
export type FaultHook = (request: {
  readonly method: string;
  readonly path: string;
  readonly number: number;
}) => Fault | undefined;

const none = {
  status: undefined,
  cut: undefined,
  truncate: false,
  delayMs: 0,
  failTask: undefined,
  message: undefined,
  retryAfter: undefined,
};

export interface FaultPlan {
  readonly status: number | undefined;
  readonly message: string | undefined;
  readonly retryAfter: string | undefined;
  readonly cut: 'before' | 'after' | undefined;
  readonly truncate: boolean;
  readonly delayMs: number;
  readonly failTask: string | undefined;
}

/** The same with every field there, so that the server need not tell the kinds apart. */
export function faultPlan(fault: Fault | undefined): FaultPlan {
  return { ...none, ...fault };
}
