import type { ServiceName } from './versions.ts';

/** What a test does to a request. */
export type Fault =
  /** Answered instead of being worked on; with `worked` after the work: Nova could not pass on what it has written down. */
  | {
      readonly status: number;
      readonly message?: string;
      readonly retryAfter?: string;
      readonly html?: boolean;
      readonly worked?: boolean;
    }
  /** The connection is cut before, or after, the work. */
  | { readonly cut: 'before' | 'after' }
  /** The answer's body ends in the middle; the connection breaks. */
  | { readonly truncate: true }
  /** The answer comes in full, but its JSON ends in the middle. */
  | { readonly garble: true }
  /** Worked on, answered only after this many milliseconds of real time. */
  | { readonly delayMs: number }
  /** The token of the request is forgotten before it is looked at: Keystone took it back, or it has run out. */
  | { readonly expireToken: true };

/** Asked for every request, with its number from 1; undefined: nothing happens to it. */
export type FaultHook = (request: {
  readonly service: ServiceName;
  readonly method: string;
  readonly path: string;
  readonly number: number;
}) => Fault | undefined;

export interface FaultPlan {
  readonly status: number | undefined;
  readonly message: string | undefined;
  readonly retryAfter: string | undefined;
  readonly html: boolean;
  readonly worked: boolean;
  readonly cut: 'before' | 'after' | undefined;
  readonly truncate: boolean;
  readonly garble: boolean;
  readonly delayMs: number;
  readonly expireToken: boolean;
}

const none: FaultPlan = {
  status: undefined,
  message: undefined,
  retryAfter: undefined,
  html: false,
  worked: false,
  cut: undefined,
  truncate: false,
  garble: false,
  delayMs: 0,
  expireToken: false,
};

/** The same with every field there, so that the server need not tell the kinds apart. */
export function faultPlan(fault: Fault | undefined): FaultPlan {
  return { ...none, ...fault };
}
