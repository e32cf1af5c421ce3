/**
 * What happened to a wish:
 * - `unsupported`: the platform cannot say it; it is left out
 * - `lossy`: part of it is lost
 * - `approximated`: said in the nearest words the platform has
 * - `insecure`: works, but weakens security
 * - `deprecated`: works today, will go
 * - `repaired`: the input was wrong and its meaning certain; this is what was made of it
 * - `blocked`: the plan must not be applied before this is settled
 */
export type DiagnosticKind =
  | 'unsupported'
  | 'lossy'
  | 'approximated'
  | 'insecure'
  | 'deprecated'
  | 'repaired'
  | 'blocked';

/** Something that cannot be kept, or needs care. Nothing is dropped without one. */
export interface Diagnostic {
  readonly kind: DiagnosticKind;
  /** Stable, dotted, starts with the platform: `proxmox.pcie-needs-q35`. */
  readonly code: string;
  /** Path into the intent, or into the native document when reading back: `spec.gpus[0].display`. */
  readonly path: string;
  /** One sentence for a person. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Kinds that lose something; `--strict` treats them as a failure. */
export function isLoss(diagnostic: Diagnostic): boolean {
  return diagnostic.kind === 'unsupported' || diagnostic.kind === 'lossy' || diagnostic.kind === 'blocked';
}
