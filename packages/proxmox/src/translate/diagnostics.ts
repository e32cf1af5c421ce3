import type { Diagnostic, DiagnosticKind } from '@vmgpu/core';

/** Collects diagnostics while a plan or reading is made. */
export interface Report {
  add(kind: DiagnosticKind, code: string, path: string, message: string, remedy?: string): void;
  readonly diagnostics: readonly Diagnostic[];
}

/** The code gets the prefix `proxmox.`. */
export function createReport(): Report {
  const diagnostics: Diagnostic[] = [];
  return {
    diagnostics,
    add(kind, code, path, message, remedy) {
      diagnostics.push({
        kind,
        code: `proxmox.${code}`,
        path,
        message,
        ...(remedy === undefined ? {} : { remedy }),
      });
    },
  };
}
