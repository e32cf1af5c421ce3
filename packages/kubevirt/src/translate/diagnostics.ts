import type { Diagnostic, DiagnosticKind } from '@vmgpu/core';

/** Where planning collects what it has to say. */
export type Report = (
  kind: DiagnosticKind,
  code: string,
  path: string,
  message: string,
  remedy?: string,
) => void;

/** A list of diagnostics and the function that fills it; codes get the platform's name in front. */
export function createReport(): { readonly diagnostics: Diagnostic[]; readonly report: Report } {
  const diagnostics: Diagnostic[] = [];
  return {
    diagnostics,
    report(kind, code, path, message, remedy) {
      diagnostics.push({
        kind,
        code: `kubevirt.${code}`,
        path,
        message,
        ...(remedy === undefined ? {} : { remedy }),
      });
    },
  };
}
