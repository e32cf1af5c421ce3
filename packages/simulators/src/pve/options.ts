import { type Caller, demand, isRoot } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { findOption, isKnownOption } from './option-table.ts';
import { any, bool, type Check, int, storageId, unknownParameter } from './params.ts';
import { hostpciFormat, machineFormat, parseProperties } from './property-string.ts';
import { atLeast, type ClusterState } from './state.ts';
import { isDrive } from './vm-disks.ts';

/** Any of these lets a caller change a VM at all. Source: qemu-server 9.2.6, PVE::API2::Qemu. */
export const anyConfigPrivilege = [
  'VM.Config.Disk',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.HWType',
  'VM.Config.Options',
  'VM.Config.Cloudinit',
] as const;

/** Parameters of create and update that are no options of a VM. */
const asides: Readonly<Record<string, Check>> = {
  vmid: any,
  digest: any,
  delete: any,
  revert: any,
  force: bool,
  background_delay: int(1, 30),
  start: bool,
  storage: storageId,
  pool: any,
  unique: bool,
  skiplock: bool,
  bwlimit: int(),
};

/** The options among the parameters. */
export function optionsOf(params: Params): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params)
      .filter(([key]) => !Object.hasOwn(asides, key))
      .map(([key, value]) => [key, String(value)]),
  );
}

/** Answers 400 for what the schema refuses: unknown parameters and malformed values. `allowed`: the call's asides. */
export function checkSchema(state: ClusterState, params: Params, allowed: readonly string[]): void {
  const errors: Record<string, string> = {};
  for (const [key, value] of Object.entries(params)) {
    const aside = allowed.includes(key) ? asides[key] : undefined;
    const option = isKnownOption(state, key) ? findOption(key) : undefined;
    const check = aside ?? (option && ((text: string) => option.check(text, key, state)));
    const problem = check === undefined ? unknownParameter : check(String(value));
    if (problem !== undefined) errors[key] = problem;
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
}

/** Who may set or delete an option; `before` is what stands there, which counts as well. */
export function demandOption(
  state: ClusterState,
  caller: Caller,
  vmid: number,
  key: string,
  value: string | undefined,
  before: string | undefined,
): void {
  if (isRoot(caller)) return;
  const option = findOption(key);
  if (option === undefined || option.rootOnly) throw refuse(`only root can set '${key}' config\n`);
  demand(state, caller, `/vms/${vmid}`, [`VM.Config.${option.privilege}`]);
  if (/^hostpci\d+$/.test(key)) {
    for (const text of [value, before]) {
      if (text === undefined || text.trim() === '') continue;
      const parsed = parseProperties(text, hostpciFormat, key);
      const parts = 'parts' in parsed ? parsed.parts : {};
      if (parts.mapping === undefined)
        throw refuse(`only root can set '${key}' config for non-mapped devices\n`);
      if (text === value && parts.romfile !== undefined && atLeast(state, '9.2'))
        throw badParameters({ [key]: "only root@pam can set 'romfile' option" });
      demand(state, caller, `/mapping/pci/${parts.mapping}`, ['Mapping.Use']);
    }
  }
  if (/^net\d+$/.test(key) && value !== undefined) {
    const bridge = /(?:^|,)bridge=([^,]+)/.exec(value)?.[1];
    if (bridge !== undefined) demand(state, caller, `/sdn/zones/localnetwork/${bridge}`, ['SDN.Use']);
  }
  if (isDrive(key) && value !== undefined) {
    const storage = /^([^:,]+):/.exec(value)?.[1];
    if (storage !== undefined) demand(state, caller, `/storage/${storage}`, ['Datastore.AllocateSpace']);
  }
}

/** What only the whole configuration tells. Source: PVE::QemuServer::Machine, PVE::API2::Qemu. */
export function checkWhole(config: Readonly<Record<string, string>>): void {
  const machine = parseProperties(config.machine ?? 'pc', machineFormat, 'machine');
  const parts = 'parts' in machine ? machine.parts : {};
  const isQ35 = (parts.type ?? '').includes('q35');
  if (parts.viommu === 'intel' && !isQ35)
    throw refuse('to use Intel vIOMMU please set the machine type to q35\n');
  if (
    parts.viommu === 'intel' &&
    parts['aw-bits'] !== undefined &&
    !['39', '48'].includes(parts['aw-bits'])
  ) {
    throw refuse('Intel vIOMMU supports only 39 or 48 bits as address width\n');
  }
  if (parts['aw-bits'] !== undefined && parts.viommu === undefined)
    throw refuse('cannot set aw-bits if no vIOMMU is configured\n');
  const memory = Number(/^\d+/.exec(config.memory ?? '512')?.[0] ?? 512);
  if (Number(config.balloon ?? 0) > memory)
    throw refuse('balloon value too large (must be smaller than assigned memory)\n');
}
