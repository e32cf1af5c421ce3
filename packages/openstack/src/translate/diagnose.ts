import { type FaultRule, type FaultStage, faultRules } from './fault-rules.ts';
import { type NovaRelease, parseRelease, since } from './releases.ts';

/** What is known of a server that was not made, or not moved. */
export interface FaultInput {
  /** HTTP status and body of the request that failed. */
  readonly status?: number;
  readonly body?: unknown;
  /** `fault` of the server. */
  readonly fault?: { readonly code?: number; readonly message?: string; readonly details?: string };
  /** Events of the newest action, newest first. */
  readonly events?: readonly {
    readonly event?: string;
    readonly result?: string;
    readonly details?: string | null;
  }[];
  /** What the server’s record says besides. */
  readonly server?: { readonly host?: string | null; readonly launched_at?: string | null };
  /** Extra specs of the server's flavor: what it asked for. */
  readonly extraSpecs?: Readonly<Record<string, string>>;
  readonly release?: string;
}

export type { FaultStage } from './fault-rules.ts';

export interface Diagnosis {
  readonly stage: FaultStage;
  /** The text it was told from. */
  readonly evidence: string;
  /** Likely first. */
  readonly causes: readonly string[];
  readonly remedies: readonly string[];
}

/** Tells why a server was not made or not moved, from what the API shows. */
export function diagnose(input: FaultInput): Diagnosis {
  const release = input.release === undefined ? undefined : parseRelease(input.release);
  const texts = textsOf(input);
  const asked = Object.entries(input.extraSpecs ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const rule of faultRules) {
    if (rule.status !== undefined && rule.status !== input.status) continue;
    if (rule.asks !== undefined && !asked.some((spec) => rule.asks?.test(spec))) continue;
    const evidence = texts.find((text) => rule.pattern.test(text));
    if (evidence !== undefined) return judged(rule, evidence, release);
  }
  return unnamed(input, texts[0] ?? '');
}

/** Texts in the order of trust: details of events, the fault, the answer. */
function textsOf({ events = [], fault, body }: FaultInput): readonly string[] {
  const failed = events.filter(({ result }) => result !== 'Success');
  return [
    ...failed.flatMap(({ details }) => (details ? [details] : [])),
    ...[fault?.details, fault?.message].flatMap((text) => (text ? lines(text) : [])),
    ...(body === undefined ? [] : [typeof body === 'string' ? body : messageOf(body)]),
  ];
}

function lines(text: string): readonly string[] {
  return [text, ...text.split('\n')];
}

/** `{"badRequest": {"message": …}}` and its likes. */
function messageOf(body: unknown): string {
  for (const value of Object.values((body ?? {}) as Record<string, unknown>)) {
    const message = (value as { message?: unknown } | null)?.message;
    if (typeof message === 'string') return message;
  }
  return JSON.stringify(body);
}

function judged(
  { stage, causes, remedies }: FaultRule,
  evidence: string,
  release: NovaRelease | undefined,
): Diagnosis {
  const old = release !== undefined && stage === 'migration' && !since(release, 'managedTag');
  return {
    stage,
    evidence,
    causes,
    remedies: old
      ? [`upgrade to 31.0.0: Nova ${release.nova} moves no PCI device with a running server`]
      : remedies,
  };
}

/** Nothing is recognised (a translated message, a proxy): what can be told from status and record. */
function unnamed({ status, fault, server }: FaultInput, evidence: string): Diagnosis {
  if (status === 500) {
    const causes = ['nova-api failed by itself, not for what was asked'];
    return { stage: 'api', evidence, causes, remedies: ['read nova-api’s log at the request’s id'] };
  }
  if (status === 503 || status === 502) {
    const causes = ['nova-api does not run; from 32.0.0 it refuses to start with a wrong [pci] alias'];
    return { stage: 'api', evidence, causes, remedies: ['read nova-api’s log'] };
  }
  if (fault?.code === 500 && !server?.host && !server?.launched_at) {
    const causes = ['no host was ever chosen: Placement or a filter refused all'];
    return { stage: 'placement', evidence, causes, remedies: ['read nova-scheduler’s log'] };
  }
  return { stage: 'unknown', evidence, causes: [], remedies: ['read nova-compute’s and nova-api’s logs'] };
}
