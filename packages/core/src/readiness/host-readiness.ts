import type { PciAddress } from '../model/pci-address.ts';
import { type apiVersion as ApiVersion, apiVersion, type HostMode } from '../model/platform.ts';
import type { Finding } from './finding.ts';

/**
 * - `ready`: nothing stands in the way
 * - `not-ready`: a blocker failed
 * - `unknown`: nothing failed, but a blocker could not be judged
 */
export type Verdict = 'ready' | 'not-ready' | 'unknown';

export interface DeviceReadiness {
  readonly address: PciAddress;
  readonly verdict: Verdict;
}

/** Findings of one host for one mode (and one platform), and the verdict. */
export interface HostReadiness {
  readonly apiVersion: typeof ApiVersion;
  readonly kind: 'HostReadiness';
  readonly host: string;
  readonly mode: HostMode;
  readonly platform?: string;
  readonly verdict: Verdict;
  /** One entry for each GPU that was asked about. */
  readonly devices: readonly DeviceReadiness[];
  readonly findings: readonly Finding[];
}

/** The verdict of a set of findings: only blockers decide. */
export function judge(findings: readonly Finding[]): Verdict {
  const blockers = findings.filter((finding) => finding.severity === 'blocker');
  if (blockers.some((finding) => finding.status === 'fail')) return 'not-ready';
  return blockers.some((finding) => finding.status === 'unknown') ? 'unknown' : 'ready';
}

/**
 * Joins findings to a verdict for each GPU and for the host. A GPU is as ready as the host's own findings and its own;
 * the host is ready when one of its GPUs is (and not ready when it has none).
 */
export function readinessOf(
  subject: { host: string; mode: HostMode; platform?: string; devices: readonly PciAddress[] },
  findings: readonly Finding[],
): HostReadiness {
  const { host, mode, platform, devices: addresses } = subject;
  const ofHost = findings.filter((finding) => finding.device === undefined);
  const devices = addresses.map((address) => ({
    address,
    verdict: judge([...ofHost, ...findings.filter((finding) => finding.device === address)]),
  }));
  const verdicts = devices.map((device) => device.verdict);
  const best = (['ready', 'unknown', 'not-ready'] as const).find((verdict) => verdicts.includes(verdict));
  return {
    apiVersion,
    kind: 'HostReadiness',
    host,
    mode,
    ...(platform === undefined ? {} : { platform }),
    verdict: best ?? 'not-ready',
    devices,
    findings,
  };
}
