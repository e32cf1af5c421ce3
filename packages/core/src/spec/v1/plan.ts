import type { apiVersion, Scope } from '../../model/platform.ts';
import type { Diagnostic } from './diagnostic.ts';
import type { HostRequirement } from './host-requirement.ts';

/** What carrying out a step may disturb. */
export type StepRisk = 'none' | 'service-restart' | 'vm-restart' | 'host-reboot';

/** What a step changes: a kind of thing of the platform, and its name there. */
export interface StepTarget {
  /** `VirtualMachine`, `flavor`, `pci-mapping`, `nova.conf`. */
  readonly type: string;
  readonly name: string;
  /** Namespace, node, project or host it lies in. */
  readonly in?: string;
}

/** One change: read, compare, write. Plain JSON. */
export interface Step {
  /** Unique within the plan and stable between two plans of the same thing: `vm/train-1`. */
  readonly id: string;
  /** Which of the adapter's step kinds: `proxmox.mapping`. */
  readonly kind: string;
  readonly target: StepTarget;
  /** What is there now, as far as the snapshot knows; null when it is known to be absent, not set when not known. */
  readonly before?: unknown;
  /** What shall be there. Only the fields that the plan manages. null: shall be gone. */
  readonly after: unknown;
  readonly scope: Scope;
  readonly risk: StepRisk;
  readonly reversible: boolean;
  /** One line for people. */
  readonly summary: string;
  /** Ids of steps that must be done before this one. */
  readonly needs?: readonly string[];
}

/** Pure result of intent and snapshot. Frozen JSON, the same bytes for the same input. */
export interface Plan {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'Plan';
  readonly platform: string;
  /** Version of the platform the plan was made for, as the snapshot says. */
  readonly platformVersion: string;
  /** Name of the VM the plan is about. */
  readonly vm: string;
  readonly steps: readonly Step[];
  readonly diagnostics: readonly Diagnostic[];
  readonly requirements: readonly HostRequirement[];
}

/** What a native file holds: objects for the caller's YAML or JSON printer, or text that is ready to write. */
export type ArtifactContent =
  | { readonly format: 'yaml'; readonly documents: readonly unknown[] }
  | { readonly format: 'json'; readonly document: unknown }
  /** Ends with a newline. `comment` starts a comment line in this format, when it has comments. */
  | { readonly format: 'text'; readonly text: string; readonly comment?: string };

/** A native file that a person or another tool can apply instead of us. */
export interface Artifact {
  /** Relative path, e.g. `kubevirt/virtual-machine.yaml`. */
  readonly path: string;
  readonly content: ArtifactContent;
  readonly scope: Scope;
  /** How to apply it, in one line; printed by the CLI and put at the top of files whose format has comments. */
  readonly apply: string;
  /** Holds a secret or runs as a program: the mode the file should get, e.g. 0o600, 0o755. */
  readonly mode?: number;
}
