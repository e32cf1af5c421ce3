import type { CallOptions } from '@vmgpu/core';

export interface RunOptions extends CallOptions {
  /** Standard input, whole. Secrets and texts go here, never into arguments. */
  readonly input?: string;
  /** Each line of standard error as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface RunResult {
  /** Exit status; 128 and the signal's number when a signal ended it, as a shell says it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * One host, on which programs are run as root. Bindings: `@vmgpu/host-prep/ssh`, `@vmgpu/host-prep/local`.
 *
 * `run` rejects with `unreachable` when there is no connection or it broke (`details.sent` is false when the program surely
 * did not start), `auth-failed` and `permission-denied` for log-in and sudo, `timeout`, `aborted`; any exit status resolves.
 */
export interface HostPort {
  /** For people: `gpu01`, `root@gpu01:2222`. */
  readonly name: string;
  /** Program and arguments, as they are: no shell looks at them. Connects when there is no connection. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  close(): Promise<void>;
}
