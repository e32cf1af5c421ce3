/** Everything a command may touch outside its own memory; tests bring their own. */
export interface Io {
  /** The document or text that was asked for. */
  readonly out: (text: string) => void;
  /** Words and progress for people. */
  readonly err: (text: string) => void;
  readonly readStdin: () => Promise<string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory that relative paths start from. */
  readonly cwd: string;
  /** True when `out` is a terminal: colours are wanted. */
  readonly terminal: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  readonly signal: AbortSignal;
}

/** Exit statuses, as in `vmgpu --help`. */
export const exitStatus = {
  done: 0,
  findings: 1,
  badInput: 2,
  refused: 3,
  cancelled: 130,
} as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];
