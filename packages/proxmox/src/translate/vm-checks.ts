import type { Scope } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import type { WantedDevice } from './gpu-devices.ts';
import { hostPciOf } from './hostpci.ts';
import type { ProxmoxNode } from './inventory.ts';
import type { PciMapping } from './mapping.ts';
import type { VmOptions } from './option-text.ts';
import {
  mappingPermissionsNeeded,
  missingPermissions,
  permissionsNeeded,
  refusalText,
} from './permissions.ts';
import type { ProxmoxSnapshot, ProxmoxVm } from './snapshot.ts';
import { resolveHostPci, resolveStart, type StartContext } from './start-rules.ts';
import type { VmStepState } from './steps.ts';
import { notYetIn } from './versions.ts';
import { schemaErrors } from './vm-schema.ts';

export interface VmCheck {
  readonly state: VmStepState;
  readonly current: VmOptions;
  readonly create: boolean;
  readonly vm: ProxmoxVm | undefined;
  readonly devices: readonly WantedDevice[];
  readonly snapshot: ProxmoxSnapshot;
  readonly node: ProxmoxNode | undefined;
  /** Mappings that the plan creates or changes. */
  readonly mappings: readonly PciMapping[];
  readonly scope: Scope | undefined;
  readonly report: Report;
}

/**
 * Judges the VM as it will be: what the API would refuse, what the caller may not do, what this version does not know,
 * and what would be stored without complaint but would not start.
 */
export function checkVm(check: VmCheck): void {
  checkValues(check);
  checkPermissions(check);
  checkStart(check);
}

function pathOf(option: string): string {
  return option === 'hugepages'
    ? 'spec.hugepages'
    : /^hostpci\d+$/.test(option)
      ? 'spec.gpus'
      : `spec.providerOptions.proxmox.options.${option}`;
}

function checkValues({ state, current, snapshot, report }: VmCheck): void {
  for (const [option, text] of Object.entries(schemaErrors(state.options))) {
    report.add(
      'blocked',
      'value-refused',
      pathOf(option),
      `the API refuses ${option}: ${text.trim().replaceAll('\n', ' ')}`,
    );
  }
  for (const [option, value] of Object.entries(state.options)) {
    const gate = value === current[option] ? undefined : notYetIn(snapshot.version, option, value);
    if (gate) {
      report.add(
        'blocked',
        'needs-newer-version',
        pathOf(option),
        `${gate.what} came with Proxmox VE ${gate.since}; this is ${snapshot.version}`,
        `upgrade to ${gate.since}`,
      );
    }
  }
  for (const { index, result } of hostPciOf(state.options)) {
    if (result.ok && /[/\\]|^\.\.?$/.test(result.value.romfile ?? '')) {
      report.add(
        'blocked',
        'romfile-path',
        'spec.providerOptions.proxmox.hostpci',
        `romfile of hostpci${index} is a path; it must be the name of a file in /usr/share/kvm of the node`,
        'copy the file there on every node and give its name alone',
      );
    }
  }
}

function checkPermissions({ state, current, create, snapshot, mappings, scope, report }: VmCheck): void {
  const { caller, version } = snapshot;
  const changed = Object.fromEntries(
    Object.entries(state.options).filter(([key, value]) => value !== current[key]),
  );
  // Who applies the platform's steps alone needs no right on the VM.
  const needs =
    scope === 'platform'
      ? []
      : permissionsNeeded(
          { vmid: state.vmid ?? 0, create, options: changed, delete: state.delete, current },
          version,
        );
  const remedy =
    'use mappings instead of addresses and leave root-only options out, or log in as root@pam with a password';
  if (caller === undefined) {
    for (const need of needs) {
      if (need.kind === 'root') {
        report.add(
          'approximated',
          'needs-root',
          pathOf(need.option),
          `${need.text}: this needs a ticket of root@pam; an API token never suffices`,
          remedy,
        );
      }
    }
    return;
  }
  const texts = new Map(missingPermissions(needs, caller).map((need) => [refusalText(need), need]));
  for (const [text, need] of texts) {
    const isRoot = need.kind === 'root';
    report.add(
      'blocked',
      isRoot ? 'needs-root' : 'permission-missing',
      need.option ? pathOf(need.option) : 'spec',
      `${caller.user}: ${text}`,
      isRoot ? remedy : `grant ${need.anyOf[0]} on ${need.path}`,
    );
  }
  if (scope === 'vm') return;
  for (const mapping of mappings) {
    const known = snapshot.mappings?.some(({ id }) => id === mapping.id);
    for (const need of missingPermissions(
      mappingPermissionsNeeded(mapping.id, known ? 'update' : 'create'),
      caller,
    )) {
      report.add(
        'blocked',
        'permission-missing',
        'spec.gpus',
        `${caller.user}: ${refusalText(need)}`,
        'let an administrator apply the platform scope, and plan the vm scope yourself',
      );
    }
  }
}

function checkStart({ state, current, vm, snapshot, node, mappings, report }: VmCheck): void {
  if (!node?.pci) return;
  const after: Record<string, string> = { ...current, ...state.options };
  for (const key of state.delete) delete after[key];
  const planned = new Set(mappings.map(({ id }) => id));
  const context: StartContext = {
    node: node.name,
    items: node.pci,
    mappings: [...mappings, ...(snapshot.mappings ?? []).filter(({ id }) => !planned.has(id))],
    ...(node.mdevTypes ? { mdevTypes: node.mdevTypes } : {}),
  };
  const unread = hostPciOf(after).some(
    ({ result }) =>
      result.ok &&
      result.value.mapping !== undefined &&
      !context.mappings.some(({ id }) => id === (result.ok ? result.value.mapping : '')),
  );
  // A mapping that was not read, or that is reported as missing already, cannot be judged.
  if (unread) return;
  const outcome = resolveStart(after, { ...context, reservations: reservationsOf(snapshot, context, vm) });
  if (outcome.ok || report.diagnostics.some(({ message }) => message.includes(outcome.error))) return;
  report.add(
    'blocked',
    'would-not-start',
    outcome.option === undefined ? 'spec.gpus' : pathOf(outcome.option),
    `the VM would be stored but not start: ${outcome.option === undefined ? '' : `${outcome.option}: `}${outcome.error}`,
  );
}

/** Functions that running VMs of the node hold for certain: those that no pool lets them choose. */
function reservationsOf(
  snapshot: ProxmoxSnapshot,
  context: StartContext,
  except: ProxmoxVm | undefined,
): Readonly<Record<string, number>> {
  const held: Record<string, number> = {};
  for (const other of snapshot.vms ?? []) {
    if (other.vmid === except?.vmid || other.node !== context.node || other.status !== 'running') continue;
    for (const { result } of hostPciOf(other.config)) {
      const outcome = result.ok ? resolveHostPci(result.value, context) : undefined;
      if (!outcome?.ok || outcome.value.alternatives.length > 1) continue;
      const shared = outcome.value.device.mdev !== undefined && outcome.value.nvidia === undefined;
      if (!shared) for (const item of outcome.value.alternatives.flat()) held[item.id] = other.vmid;
    }
  }
  return held;
}
