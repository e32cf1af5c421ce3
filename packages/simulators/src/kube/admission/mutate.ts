import type { Dict } from '../types.ts';

/** What KubeVirt's mutating webhooks fill in: architecture, machine type, firmware identity, resources. */
export function fillDefaults(spec: Dict, defaultArchitecture: string, makeUid: () => string): void {
  spec.architecture ??= defaultArchitecture;
  const domain = spec.domain;
  if (domain === undefined) return;
  domain.machine = { type: spec.architecture === 'arm64' ? 'virt' : 'q35', ...domain.machine };
  domain.firmware = { uuid: makeUid(), serial: makeUid(), ...domain.firmware };
  domain.resources ??= {};
  domain.devices ??= {};
}

/** Two wishes of a preference are written into the VM, where its own default would stand otherwise. */
export function fillPreferred(spec: Dict, preference: Dict | undefined | string): void {
  if (typeof preference !== 'object') return;
  const { machine, preferredArchitecture } = preference;
  if (preferredArchitecture) spec.architecture ??= preferredArchitecture;
  if (machine?.preferredMachineType && spec.domain) {
    spec.domain.machine = { type: machine.preferredMachineType, ...spec.domain.machine };
  }
}
