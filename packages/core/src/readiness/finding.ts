import type { PciAddress } from '../model/pci-address.ts';

/** `unknown` is not `pass`: what could not be read is not known to be right. */
export type FindingStatus = 'pass' | 'warn' | 'fail' | 'unknown' | 'not-applicable';

/** How much it matters: a blocker that fails makes the host not ready. */
export type FindingSeverity = 'blocker' | 'warning' | 'info';

/** What a verdict was made from: where it was read, and what stood there. */
export interface Evidence {
  /** File or command of the host: `/proc/cmdline`, `lspci -nnk`. */
  readonly source: string;
  readonly text: string;
}

/** One judged check. */
export interface Finding {
  /** Stable: `H09`, `V05`, `K01`. */
  readonly id: string;
  /** A few words: `IOMMU active`. */
  readonly title: string;
  readonly status: FindingStatus;
  readonly severity: FindingSeverity;
  /** The GPU it is about; absent when it is about the host. */
  readonly device?: PciAddress;
  readonly evidence: readonly Evidence[];
  /** Why this verdict, in one or two sentences that a person understands. */
  readonly why: string;
  /** What to do; absent when there is nothing to do. */
  readonly remedy?: string;
  /** True when `vmgpu prepare` can do the remedy; false when a person must (firmware, hardware). */
  readonly automatic?: boolean;
}
