import type {
  Catalog,
  Evidence,
  Finding,
  FindingSeverity,
  FindingStatus,
  GpuDevice,
  HostMode,
  Unknown,
} from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';

/** What is judged: the GPUs, and what they are meant for. */
export interface Subject {
  readonly mode: HostMode;
  /** The platform asked for, or the one whose services run on the host. */
  readonly platform?: string;
  readonly devices: readonly GpuDevice[];
  readonly catalog?: Catalog;
  /** vGPU type wanted of each GPU, by name. */
  readonly profile?: string;
}

/** One row of the table of checks. */
export interface CheckInfo {
  /** Stable: `H09`, `V05`. */
  readonly id: string;
  readonly title: string;
  /** Judged once for the host, or for each GPU. */
  readonly scope: 'host' | 'device';
  /** How much it matters in each mode; absent where the mode does not need it. */
  readonly severity: Readonly<Partial<Record<HostMode, FindingSeverity>>>;
}

/** `fault` becomes `fail` for a blocker and `warn` for everything else. */
export interface Judgement {
  readonly status: FindingStatus | 'fault';
  readonly why: string;
  readonly evidence?: readonly Evidence[];
  readonly remedy?: string;
  readonly automatic?: boolean;
  /** Where this case weighs more or less than the check usually does. */
  readonly severity?: FindingSeverity;
}

export interface HostCheck extends CheckInfo {
  readonly scope: 'host';
  judge(facts: HostFacts, subject: Subject): Judgement;
}
export interface DeviceCheck extends CheckInfo {
  readonly scope: 'device';
  judge(facts: HostFacts, subject: Subject, gpu: GpuDevice): Judgement;
}
export type Check = HostCheck | DeviceCheck;

export const container: readonly HostMode[] = ['container'];
export const passthrough: readonly HostMode[] = ['vm-passthrough'];
export const vgpu: readonly HostMode[] = ['vm-vgpu'];
export const virtualMachines: readonly HostMode[] = [...passthrough, ...vgpu];
export const nativeDriver: readonly HostMode[] = [...container, ...vgpu];
export const everyMode: readonly HostMode[] = [...container, ...virtualMachines];

export function hostCheck(
  id: string,
  title: string,
  severity: FindingSeverity,
  modes: readonly HostMode[],
  judge: HostCheck['judge'],
): HostCheck {
  return { id, title, scope: 'host', severity: inModes(severity, modes), judge };
}

export function deviceCheck(
  id: string,
  title: string,
  severity: FindingSeverity,
  modes: readonly HostMode[],
  judge: DeviceCheck['judge'],
): DeviceCheck {
  return { id, title, scope: 'device', severity: inModes(severity, modes), judge };
}

export function seen(source: string, text: string): Evidence {
  return { source, text };
}

export function pass(why: string, ...evidence: Evidence[]): Judgement {
  return { status: 'pass', why, evidence };
}

export function skip(why: string): Judgement {
  return { status: 'not-applicable', why };
}

/** Not as it should be. `automatic` when `vmgpu prepare` can do the remedy. */
export function fault(
  why: string,
  evidence: readonly Evidence[],
  remedy: string,
  automatic = false,
): Judgement {
  return { status: 'fault', why, evidence, remedy, automatic };
}

/** Worth saying, whatever the check's severity; never blocks. */
export function warn(
  why: string,
  evidence: readonly Evidence[],
  remedy?: string,
  automatic = false,
): Judgement {
  return { status: 'warn', why, evidence, ...(remedy === undefined ? {} : { remedy, automatic }) };
}

/** A fact this check cannot do without is not known. */
export function unclear(source: string, fact: Unknown | undefined): Judgement {
  const reason = fact?.unknown ?? 'the capture does not say';
  return {
    status: 'unknown',
    why: `This cannot be judged: ${source} is not known (${reason}).`,
    evidence: [seen(source, reason)],
    remedy: 'Read the host again as root, with the current collection script.',
    automatic: false,
  };
}

/** Makes the finding of a judgement. */
export function findingOf(check: CheckInfo, mode: HostMode, judgement: Judgement, gpu?: GpuDevice): Finding {
  const severity = judgement.severity ?? check.severity[mode] ?? 'info';
  const { status, why, evidence = [], remedy, automatic } = judgement;
  return {
    id: check.id,
    title: check.title,
    status: status === 'fault' ? (severity === 'blocker' ? 'fail' : 'warn') : status,
    severity,
    ...(gpu === undefined ? {} : { device: gpu.address }),
    evidence,
    why,
    ...(remedy === undefined ? {} : { remedy, automatic: automatic ?? false }),
  };
}

/** The first few of many, for sentences. */
export function some(items: readonly string[], most = 6): string {
  return items.length <= most
    ? items.join(', ')
    : `${items.slice(0, most).join(', ')} and ${items.length - most} more`;
}

function inModes(severity: FindingSeverity, modes: readonly HostMode[]): CheckInfo['severity'] {
  return Object.fromEntries(modes.map((mode) => [mode, severity]));
}
