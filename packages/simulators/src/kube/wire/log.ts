export interface LogEntry {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** `list`, `watch`, `create`, ... or the method in small letters. */
  readonly verb: string;
  readonly user: string;
  readonly userAgent: string;
  status: number;
}

/** What was asked for. Entries are the latest ones; counts are of everything since the last `clear`. */
export interface RequestLog {
  readonly entries: readonly LogEntry[];
  /** Requests by `verb resource`: `list nodes`, `patch kubevirts.kubevirt.io/status`. */
  readonly counts: Readonly<Record<string, number>>;
  total(): number;
  clear(): void;
}

export interface Recorder extends RequestLog {
  add(entry: LogEntry, label: string): void;
}

export function createLog(limit = 5000): Recorder {
  const entries: LogEntry[] = [];
  const counts: Record<string, number> = {};
  let total = 0;
  return {
    entries,
    counts,
    total: () => total,
    clear() {
      entries.length = 0;
      total = 0;
      for (const key of Object.keys(counts)) delete counts[key];
    },
    add(entry, label) {
      total += 1;
      counts[label] = (counts[label] ?? 0) + 1;
      entries.push(entry);
      if (entries.length > limit) entries.splice(0, limit / 4);
    },
  };
}
