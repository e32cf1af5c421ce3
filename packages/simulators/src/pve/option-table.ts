import { any, atMost, bool, format, int, number, oneOf, pattern } from './params.ts';
import { type Format, formatOf, hostpciFormat, machineFormat, parseProperties } from './property-string.ts';
import { atLeast } from './state.ts';
import {
  agentFormat,
  bootFormat,
  cpuFlagProblem,
  cpuFormat,
  diskFormat,
  memoryFormat,
  netFormat,
  numaFormat,
  rngFormat,
  usbFormat,
  vgaFormat,
} from './vm-formats.ts';

/** One option of a VM. */
export interface Option {
  /** `VM.Config.` and this, for others than root@pam. */
  readonly privilege: string;
  /** root@pam alone may set or delete it, with a ticket. */
  readonly rootOnly: boolean;
  /** It is told as a number. */
  readonly isInteger: boolean;
  readonly check: (value: string, key: string, state: { readonly version: string }) => string | undefined;
}

const properties =
  (shape: Format) =>
  (value: string, key: string, state: { readonly version: string }): string | undefined => {
    const parsed = parseProperties(value, formatOf(state, shape), key);
    return 'error' in parsed ? parsed.error : undefined;
  };

type Row = readonly [privilege: string, check: Option['check'], kind?: 'integer' | 'root'];

const ostypes = 'other wxp w2k w2k3 w2k8 wvista win7 win8 win10 win11 l24 l26 solaris'.split(' ');
const controllers = 'lsi lsi53c810 virtio-scsi-pci virtio-scsi-single megasas pvscsi'.split(' ');
const dnsName = format(
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/,
  () => 'value does not look like a valid DNS name',
);
const tags = format(
  /^[\s;,]*(?:[a-z0-9_][a-z0-9_\-+.]*[\s;,]*)*$/i,
  (value) => `invalid characters in tag '${value}'`,
);
const cpu: Option['check'] = (value, key, state) =>
  cpuFlagProblem(value) ?? properties(cpuFormat)(value, key, state);

/** Options by name; those with an index are below. Source: qemu-server 9.2.6, PVE::QemuServer and PVE::API2::Qemu. */
const single: Readonly<Record<string, Row>> = {
  agent: ['Options', properties(agentFormat)],
  bios: ['Options', oneOf('seabios', 'ovmf')],
  ostype: ['Options', oneOf(...ostypes)],
  tags: ['Options', tags],
  name: ['Options', dnsName],
  description: ['Options', atMost(8192)],
  onboot: ['Options', bool, 'integer'],
  startup: ['Options', any],
  protection: ['Options', bool, 'integer'],
  hotplug: ['Options', any],
  localtime: ['Options', bool, 'integer'],
  smbios1: ['HWType', any],
  acpi: ['Options', bool, 'integer'],
  kvm: ['Options', bool, 'integer'],
  template: ['Options', bool, 'integer'],
  tablet: ['HWType', bool, 'integer'],
  keyboard: ['HWType', any],
  machine: ['HWType', properties(machineFormat)],
  vga: ['HWType', properties(vgaFormat)],
  scsihw: ['HWType', oneOf(...controllers)],
  rng0: ['HWType', properties(rngFormat)],
  audio0: ['HWType', any],
  cpu: ['CPU', cpu],
  cores: ['CPU', int(1), 'integer'],
  sockets: ['CPU', int(1), 'integer'],
  vcpus: ['CPU', int(1), 'integer'],
  cpulimit: ['CPU', number(0, 128)],
  cpuunits: ['CPU', int(1, 262144), 'integer'],
  numa: ['CPU', bool, 'integer'],
  memory: ['Memory', properties(memoryFormat)],
  balloon: ['Memory', int(0), 'integer'],
  shares: ['Memory', int(0, 50000), 'integer'],
  'allow-ksm': ['Memory', bool, 'integer'],
  boot: ['Disk', properties(bootFormat)],
  bootdisk: ['Disk', any],
  ciuser: ['Cloudinit', any],
  cipassword: ['Cloudinit', any],
  cicustom: ['Cloudinit', any],
  citype: ['Cloudinit', oneOf('configdrive2', 'nocloud', 'opennebula')],
  ciupgrade: ['Cloudinit', bool, 'integer'],
  nameserver: ['Cloudinit', any],
  searchdomain: ['Cloudinit', any],
  sshkeys: ['Cloudinit', any],
  args: ['Options', any, 'root'],
  hookscript: ['Options', pattern(/^[^:]+:snippets\/.+$/), 'root'],
  vmgenid: ['Options', any, 'root'],
  affinity: ['CPU', any, 'root'],
  hugepages: ['Memory', oneOf('any', '2', '1024'), 'root'],
  arch: ['Options', oneOf('x86_64', 'aarch64'), 'root'],
  ivshmem: ['Options', any, 'root'],
  'amd-sev': ['Options', any, 'root'],
  'intel-tdx': ['Options', any, 'root'],
  spice_enhancements: ['Options', any, 'root'],
  lock: ['Options', any, 'root'],
};

/** Options with an index: how many there are, and the rest as above. */
const numbered: Readonly<Record<string, readonly [count: number, ...Row]>> = {
  hostpci: [16, 'HWType', properties(hostpciFormat)],
  scsi: [31, 'Disk', properties(diskFormat)],
  virtio: [16, 'Disk', properties(diskFormat)],
  sata: [6, 'Disk', properties(diskFormat)],
  ide: [4, 'Disk', properties(diskFormat)],
  efidisk: [1, 'Disk', properties(diskFormat)],
  tpmstate: [1, 'Disk', properties(diskFormat)],
  unused: [256, 'Disk', any],
  net: [32, 'Network', properties(netFormat)],
  serial: [4, 'HWType', pattern(/^(\/dev\/.+|socket)$/)],
  usb: [14, 'HWType', properties(usbFormat)],
  numa: [8, 'CPU', properties(numaFormat)],
  ipconfig: [32, 'Cloudinit', any],
  parallel: [3, 'HWType', any, 'root'],
};

/** Source: qemu-server 9.2.6, PVE::QemuServer `vmconfig_hotplug_pending`; hostpci is never among them. */
const hot = /^(name|description|onboot|tags|startup|protection|hookscript|shares)$/;

export function findOption(key: string): Option | undefined {
  if (Object.hasOwn(single, key)) return toOption(single[key]);
  const [, stem = '', index] = /^([a-z]+)(\d+)$/.exec(key) ?? [];
  if (index === undefined || !Object.hasOwn(numbered, stem) || /^0\d/.test(index)) return undefined;
  const [count = 0, ...row] = numbered[stem] ?? [];
  return Number(index) < count ? toOption(row as unknown as Row) : undefined;
}

function toOption(row: Row | undefined): Option | undefined {
  if (row === undefined) return undefined;
  const [privilege, check, kind] = row;
  return {
    privilege,
    check,
    rootOnly: kind === 'root',
    isInteger: kind === 'integer',
  };
}

export function isKnownOption(state: { readonly version: string }, key: string): boolean {
  if (key === 'allow-ksm' && !atLeast(state, '9.1')) return false;
  return findOption(key) !== undefined;
}

export function isInteger(key: string): boolean {
  return findOption(key)?.isInteger ?? false;
}

/** Applies to a running VM at once; everything else waits for the next full stop and start. */
export function isHot(key: string): boolean {
  return hot.test(key);
}
