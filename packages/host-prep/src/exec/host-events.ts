import type { ErrorSummary } from '@vmgpu/core';

/** What the preparation of a host tells while it runs, one host's events in order. */
export type HostEvent = { readonly host: string } & (
  | { readonly type: 'host-start'; readonly steps: number }
  | {
      readonly type: 'step-start';
      readonly step: string;
      readonly position: number;
      readonly summary: string;
    }
  /** A line of what the host says of its work: `write /etc/...`, `run: update-initramfs -u -k all`. */
  | { readonly type: 'step-progress'; readonly step: string; readonly message: string }
  | { readonly type: 'step-end'; readonly step: string; readonly status: 'changed' | 'unchanged' | 'failed' }
  | { readonly type: 'reboot-start' }
  /** The host answers again, with another boot id. */
  | { readonly type: 'reboot-end'; readonly seconds: number }
  | { readonly type: 'host-end'; readonly status: HostStatus; readonly error?: ErrorSummary }
);

/**
 * How a preparation ended: `done`, `unchanged` when there was nothing to do, `reboot-needed` when the rest waits for a
 * reboot that was not allowed, `failed`, or `skipped` when others had failed before.
 */
export type HostStatus = 'done' | 'unchanged' | 'reboot-needed' | 'failed' | 'skipped';
