import { redact } from './redact.ts';

/**
 * Stable codes of the error family. Programs branch on `code`, never on the message. New codes may be added in a minor
 * release; a code never changes its meaning.
 */
export type VmgpuErrorCode =
  /** Input that cannot be understood: wrong type, unknown key, bad spelling. */
  | 'bad-input'
  /** A capture that is damaged, cut off, or not a capture at all. */
  | 'bad-capture'
  /** Something named in the input is not known: a board, a profile, a platform, a release. */
  | 'unknown-name'
  /** What was asked for exists nowhere on this platform or version. */
  | 'unsupported'
  /** The platform or host says no for lack of rights. */
  | 'permission-denied'
  /** Credentials are missing, wrong or expired. */
  | 'auth-failed'
  /** Somebody else changed the same thing meanwhile. */
  | 'conflict'
  /** The thing asked for is not there. */
  | 'not-found'
  /** The thing to be created is there already. */
  | 'already-exists'
  /** The device, profile or capacity wanted is taken. */
  | 'capacity'
  /** The host lacks something that host preparation could give it. */
  | 'host-not-ready'
  /** The platform refused the request as invalid. */
  | 'refused'
  /** No connection, or it broke. */
  | 'unreachable'
  /** A deadline passed. */
  | 'timeout'
  /** The caller's signal aborted the work. */
  | 'aborted'
  /** The plan says itself that something must be settled before it is applied. */
  | 'blocked'
  /** A step failed after others had been done; `left` tells what stayed. */
  | 'apply-failed'
  /** An optional library or file that this call needs is absent. */
  | 'missing-dependency'
  /** A bug in vmgpu. */
  | 'internal';

/** Where in the input an error lies. Lines and columns count from 1. */
export interface ErrorWhere {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** Path into a document, e.g. `spec.gpus[0].profile`. */
  readonly path?: string;
}

export interface VmgpuErrorOptions {
  readonly where?: ErrorWhere;
  /** What was found, shortened and without secrets. */
  readonly found?: string;
  readonly expected?: string;
  /** What the user can do next. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Further machine-readable facts (ids, exit status, what was left behind). Redacted like the message. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const marker = Symbol.for('vmgpu.error');

/** The one error class of vmgpu's packages. Secrets are removed when it is constructed. */
export class VmgpuError extends Error {
  readonly code: VmgpuErrorCode;
  readonly where: ErrorWhere | undefined;
  readonly found: string | undefined;
  readonly expected: string | undefined;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: VmgpuErrorCode, message: string, options: VmgpuErrorOptions = {}) {
    super(redact(describe(message, options)));
    this.name = 'VmgpuError';
    this.code = code;
    this.where = options.where;
    this.found = options.found === undefined ? undefined : clip(redact(options.found));
    this.expected = options.expected === undefined ? undefined : redact(options.expected);
    this.hint = options.hint === undefined ? undefined : redact(options.hint);
    this.details = options.details === undefined ? undefined : redact(options.details);
    if (options.cause !== undefined) {
      Object.defineProperty(this, 'cause', { value: redactCause(options.cause), configurable: true });
    }
    Object.defineProperty(this, marker, { value: true });
  }

  /** The same facts as plain JSON, for `--json` output and logs. */
  toJSON(): Record<string, unknown> {
    const { code, message, where, found, expected, hint, details } = this;
    return JSON.parse(JSON.stringify({ code, message, where, found, expected, hint, details })) as Record<
      string,
      unknown
    >;
  }
}

/** True for a VmgpuError of any copy of this package, so that two installed versions still understand each other. */
export function isVmgpuError(error: unknown): error is VmgpuError {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[marker] === true;
}

/** Shorthand for the most frequent error: input that names where, what was found and what was expected. */
export function badInput(message: string, options: VmgpuErrorOptions = {}): VmgpuError {
  return new VmgpuError('bad-input', message, options);
}

/** `file:line:column: path`, as far as known. */
export function formatWhere(where: ErrorWhere): string {
  const position = [where.file, where.line, where.line === undefined ? undefined : where.column]
    .filter((part) => part !== undefined)
    .join(':');
  return [position, where.path].filter(Boolean).join(': ');
}

function describe(message: string, options: VmgpuErrorOptions): string {
  const prefix = options.where ? formatWhere(options.where) : '';
  const facts = [
    options.found === undefined ? '' : `found ${quoteShort(options.found)}`,
    options.expected === undefined ? '' : `expected ${options.expected}`,
  ].filter(Boolean);
  return `${prefix && `${prefix}: `}${message}${facts.length > 0 ? ` (${facts.join(', ')})` : ''}`;
}

const longestFound = 120;

function clip(text: string): string {
  return text.length > longestFound ? `${text.slice(0, longestFound)}…` : text;
}

function quoteShort(text: string): string {
  // Redacted before it is cut and quoted, or half a secret would slip through. Quoted because control characters would
  // let a hostile file write to the user's terminal.
  return JSON.stringify(clip(redact(text)));
}

function redactCause(cause: unknown): unknown {
  if (isVmgpuError(cause)) return cause;
  if (cause instanceof Error) {
    const copy = new Error(redact(cause.message));
    copy.name = cause.name;
    if (cause.stack !== undefined) copy.stack = redact(cause.stack);
    return copy;
  }
  return redact(cause);
}
