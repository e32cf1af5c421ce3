import { type Caller, demand, isRoot } from './access.ts';
import type { Params } from './body.ts';
import { badParameters, refuse } from './failure.ts';
import { hostpciFormat, machineFormat, parseProperties } from './property-string.ts';
import { atLeast, type ClusterState } from './state.ts';

/** Options of a VM that the API knows, and the privilege each needs. Source: qemu-server 9.2.6, PVE::API2::Qemu. */
const privilegeOf: readonly (readonly [RegExp, string])[] = [
  [
    /^(machine|hostpci\d+|vga|scsihw|serial\d+|usb\d+|rng0|audio0|tablet|keyboard|bios_hw)$/,
    'VM.Config.HWType',
  ],
  [
    /^(bios|ostype|tags|name|description|agent|onboot|startup|protection|hotplug|localtime|smbios1|hookscript)$/,
    'VM.Config.Options',
  ],
  [/^(cpu|cores|sockets|vcpus|cpulimit|cpuunits|numa|numa\d+|affinity)$/, 'VM.Config.CPU'],
  [/^(memory|balloon|shares|hugepages|allow-ksm)$/, 'VM.Config.Memory'],
  [/^(scsi|virtio|sata|ide|efidisk|tpmstate|unused)\d+$|^(boot|bootdisk)$/, 'VM.Config.Disk'],
  [/^net\d+$/, 'VM.Config.Network'],
  [
    /^(ciuser|cipassword|cicustom|citype|ciupgrade|ipconfig\d+|nameserver|searchdomain|sshkeys)$/,
    'VM.Config.Cloudinit',
  ],
];
/** Options that root@pam alone may set or delete, with a ticket. */
const rootOnly =
  /^(args|hookscript|vmgenid|affinity|hugepages|arch|ivshmem|parallel\d+|amd-sev|intel-tdx|spice_enhancements|skiplock)$/;
const control = new Set([
  'vmid',
  'digest',
  'delete',
  'revert',
  'force',
  'background_delay',
  'start',
  'storage',
  'pool',
  'unique',
  'skiplock',
]);
const hotOptions = /^(name|description|onboot|tags|startup|protection|hookscript)$/;
const indexed: Readonly<Record<string, number>> = {
  hostpci: 16,
  scsi: 31,
  virtio: 16,
  sata: 6,
  ide: 4,
  net: 32,
  serial: 4,
  usb: 14,
  numa: 8,
  ipconfig: 32,
  efidisk: 1,
  tpmstate: 1,
  unused: 256,
  parallel: 3,
};

export const anyConfigPrivilege = [
  'VM.Config.Disk',
  'VM.Config.CDROM',
  'VM.Config.CPU',
  'VM.Config.Memory',
  'VM.Config.Network',
  'VM.Config.HWType',
  'VM.Config.Options',
  'VM.Config.Cloudinit',
];

/** The options among the parameters. */
export function optionsOf(params: Params): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params)
      .filter(([key]) => !control.has(key))
      .map(([key, value]) => [key, String(value)]),
  );
}

export function isKnownOption(key: string): boolean {
  const [, stem = '', index] = /^([a-z-]+?)(\d+)?$/.exec(key) ?? [];
  if (index !== undefined && indexed[stem] !== undefined && key !== 'smbios1' && key !== 'rng0')
    return Number(index) < (indexed[stem] ?? 0);
  return privilegeOf.some(([pattern]) => pattern.test(key)) || rootOnly.test(key);
}

export function isHot(key: string): boolean {
  return hotOptions.test(key);
}

/** Answers 400 for what the schema refuses: unknown parameters and malformed property strings. */
export function checkSchema(state: ClusterState, params: Params): void {
  const errors: Record<string, string> = {};
  for (const [key, value] of Object.entries(optionsOf(params))) {
    const problem = isKnownOption(key)
      ? checkValue(state, key, value)
      : 'property is not defined in schema and the schema does not allow additional properties';
    if (problem !== undefined) errors[key] = problem;
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
}

function checkValue(state: ClusterState, key: string, value: string): string | undefined {
  if (/^hostpci\d+$/.test(key)) {
    if (value === '') return undefined;
    const parsed = parseProperties(value, hostpciFormat, key);
    if ('error' in parsed) return parsed.error;
    if (parsed.parts.driver !== undefined && !atLeast(state, '9.1')) {
      return `invalid format - format error\n${key}.driver: property is not defined in schema and the schema does not allow additional properties\n`;
    }
    return undefined;
  }
  if (key === 'machine') {
    const parsed = parseProperties(value, machineFormat, key);
    return 'error' in parsed ? parsed.error : undefined;
  }
  if (key === 'cpu') return cpuProblem(value);
  if (key === 'bios') return oneOf(value, ['seabios', 'ovmf']);
  if (key === 'ostype')
    return oneOf(value, [
      'other',
      'wxp',
      'w2k',
      'w2k3',
      'w2k8',
      'wvista',
      'win7',
      'win8',
      'win10',
      'win11',
      'l24',
      'l26',
      'solaris',
    ]);
  if (/^(cores|sockets|balloon)$/.test(key))
    return /^\d+$/.test(value) ? undefined : `type check ('integer') failed - got '${value}'`;
  return undefined;
}

function cpuProblem(value: string): string | undefined {
  const flags = /(?:^|,)flags=([^,]*)/.exec(value)?.[1] ?? '';
  const wrong = flags.split(';').some((flag) => flag !== '' && !cpuFlags.includes(flag.slice(1)));
  return wrong
    ? `invalid format - VM-specific CPU flags must be a subset of: ${cpuFlags.join(', ')}\n`
    : undefined;
}
const cpuFlags = [
  'aes',
  'amd-no-ssb',
  'amd-ssbd',
  'hv-evmcs',
  'hv-tlbflush',
  'ibpb',
  'md-clear',
  'nested-virt',
  'pcid',
  'pdpe1gb',
  'spec-ctrl',
  'ssbd',
  'virt-ssbd',
];

function oneOf(value: string, choices: readonly string[]): string | undefined {
  return choices.includes(value)
    ? undefined
    : `value '${value}' does not have a value in the enumeration '${choices.join(', ')}'`;
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
  if (rootOnly.test(key)) throw refuse(`only root can set '${key}' config\n`);
  const privilege = privilegeOf.find(([pattern]) => pattern.test(key))?.[1] ?? 'VM.Config.Options';
  demand(state, caller, `/vms/${vmid}`, [privilege]);
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
  if (/^(scsi|virtio|sata|ide|efidisk|tpmstate)\d+$/.test(key) && value !== undefined) {
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
