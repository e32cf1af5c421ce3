import type { Diagnostic, DiagnosticKind } from '../spec/v1/diagnostic.ts';

/** Notes one thing that does not come along. */
export type Say = (
  kind: DiagnosticKind,
  code: string,
  path: string,
  message: string,
  remedy?: string,
) => void;

export function createSay(): { readonly diagnostics: readonly Diagnostic[]; readonly say: Say } {
  const diagnostics: Diagnostic[] = [];
  return {
    diagnostics,
    say(kind, code, path, message, remedy) {
      diagnostics.push({
        kind,
        code: `migrate.${code}`,
        path,
        message,
        ...(remedy === undefined ? {} : { remedy }),
      });
    },
  };
}
