import {
  type Catalog,
  type Finding,
  type HostMode,
  type HostReadiness,
  type PciAddress,
  readinessOf,
} from '@vmgpu/core';
import type { HostFacts } from '../facts/host-facts.ts';
import { type CheckInfo, findingOf, type Subject } from './check.ts';
import { allChecks } from './checks.ts';
import { type Selection, selectGpus } from './select.ts';

export type { CheckInfo } from './check.ts';
export { type Explanation, explainGpu } from './explain.ts';

export interface AssessOptions {
  readonly mode: HostMode;
  /**
   * `kubevirt`, `openstack` or `proxmox`: each takes devices from the host in its own way. Default: the one whose services
   * run on the host, if any.
   */
  readonly platform?: string;
  /** GPUs to judge. Default: all physical GPUs that make sense for the mode. */
  readonly devices?: readonly PciAddress[];
  /** Boards and profiles; some vGPU checks stay `unknown` without it. */
  readonly catalog?: Catalog;
  /** vGPU type that each GPU must be able to make, by name. */
  readonly profile?: string;
}

/** Which GPUs were judged: the one finding that comes from the choice, not from a check of the host. */
const selectionInfo: CheckInfo = {
  id: 'H00',
  title: 'GPUs judged',
  scope: 'host',
  severity: { container: 'blocker', 'vm-passthrough': 'blocker', 'vm-vgpu': 'blocker' },
};

/** The table of checks, for documents and listings. */
export const checks: readonly CheckInfo[] = [
  selectionInfo,
  ...allChecks.map(({ id, title, scope, severity }) => ({ id, title, scope, severity })),
];

/**
 * Judges whether a host's GPUs can serve a purpose: every check once for the host or once for each GPU, each with what it
 * was judged from. Pure. Throws `not-found` when a GPU asked for is not there.
 */
export function assessHost(facts: HostFacts, options: AssessOptions): HostReadiness {
  const { mode, platform, catalog, profile } = options;
  const selection = selectGpus(facts, mode, options.devices, catalog);
  const subject: Subject = {
    mode,
    devices: selection.devices,
    ...platformOf(facts, platform),
    ...(catalog === undefined ? {} : { catalog }),
    ...(profile === undefined ? {} : { profile }),
  };
  const findings: Finding[] = [selectionFinding(facts, selection, mode)];
  for (const check of allChecks) {
    if (check.severity[mode] === undefined) {
      findings.push(
        findingOf(check, mode, { status: 'not-applicable', why: `The mode ${mode} does not need this.` }),
      );
    } else if (check.scope === 'host') {
      findings.push(findingOf(check, mode, check.judge(facts, subject)));
    } else {
      for (const gpu of selection.devices)
        findings.push(findingOf(check, mode, check.judge(facts, subject, gpu), gpu));
    }
  }
  const devices = selection.devices.map(({ address }) => address);
  return readinessOf(
    { host: facts.host, mode, devices, ...(platform === undefined ? {} : { platform }) },
    findings,
  );
}

const platformRoles = { kubelet: 'kubevirt', pve: 'proxmox', 'nova-compute': 'openstack' } as const;

function platformOf({ roles }: HostFacts, asked: string | undefined): { readonly platform?: string } {
  if (asked !== undefined) return { platform: asked };
  const found = Object.entries(platformRoles).find(([role]) => roles.includes(role));
  return found === undefined ? {} : { platform: found[1] };
}

function selectionFinding(facts: HostFacts, { devices, leftOut }: Selection, mode: HostMode): Finding {
  const evidence = [
    ...devices.map(({ address, id, deviceName }) => ({
      source: facts.pciSource,
      text: `${address} ${id}${deviceName === undefined ? '' : ` ${deviceName}`}`,
    })),
    ...leftOut.map(({ gpu, why }) => ({ source: facts.pciSource, text: `${gpu.address} left out: ${why}` })),
  ];
  if (devices.length > 0) {
    return findingOf(selectionInfo, mode, {
      status: 'pass',
      why: `Judged: ${devices.length} of ${devices.length + leftOut.length} GPUs.`,
      evidence,
    });
  }
  return findingOf(selectionInfo, mode, {
    status: 'fault',
    why: `The host has no GPU that makes sense for the mode ${mode}.`,
    evidence: evidence.length > 0 ? evidence : [{ source: facts.pciSource, text: 'no GPU' }],
    remedy: 'Name a GPU by its address to have it judged all the same.',
  });
}
