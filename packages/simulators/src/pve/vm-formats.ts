import type { Format, Key } from './property-string.ts';

/** Property strings of VM options other than hostpci and machine. Source: qemu-server 9.2.6. */

const boolean: Key = { boolean: true };
const text: Key = {};
const count: Key = { integer: [0, Number.MAX_SAFE_INTEGER] };

function keys(names: string, key: Key): Record<string, Key> {
  return Object.fromEntries(names.split(' ').map((name) => [name, key]));
}

/** PVE::QemuServer::CPUConfig. */
export const cpuFormat: Format = {
  defaultKey: 'cputype',
  keys: {
    cputype: text,
    hidden: boolean,
    'hv-vendor-id': { pattern: /^[a-zA-Z0-9]{1,12}$/ },
    flags: text,
    'reported-model': text,
    'phys-bits': { pattern: /^(host|[89]|[1-5]\d|6[0-4])$/ },
    'guest-phys-bits': { integer: [32, 64], since: '9.1' },
    level: count,
  },
};

const cpuFlags =
  'aes amd-no-ssb amd-ssbd hv-evmcs hv-tlbflush ibpb md-clear nested-virt pcid pdpe1gb spec-ctrl ssbd virt-ssbd'.split(
    ' ',
  );

export function cpuFlagProblem(value: string): string | undefined {
  const flags = /(?:^|,)flags=([^,]*)/.exec(value)?.[1] ?? '';
  const wrong = flags.split(';').some((flag) => flag !== '' && !cpuFlags.includes(flag.slice(1)));
  return wrong
    ? `invalid format - VM-specific CPU flags must be a subset of: ${cpuFlags.join(', ')}\n`
    : undefined;
}

export const vgaFormat: Format = {
  defaultKey: 'type',
  keys: {
    type: {
      choices:
        'cirrus qxl qxl2 qxl3 qxl4 none serial0 serial1 serial2 serial3 std virtio virtio-gl vmware'.split(
          ' ',
        ),
    },
    memory: { integer: [4, 512] },
    clipboard: { choices: ['vnc'] },
  },
};

export const memoryFormat: Format = {
  defaultKey: 'current',
  keys: { current: { integer: [16, Number.MAX_SAFE_INTEGER], required: true } },
};

export const agentFormat: Format = {
  defaultKey: 'enabled',
  keys: {
    enabled: { boolean: true, required: true },
    fstrim_cloned_disks: boolean,
    'freeze-fs-on-backup': boolean,
    'guest-fsfreeze': boolean,
    type: { choices: ['virtio', 'isa'] },
  },
};

export const bootFormat: Format = { defaultKey: 'legacy', keys: { legacy: text, order: text } };

export const numaFormat: Format = {
  keys: {
    cpus: { pattern: /^\d+(-\d+)?(;\d+(-\d+)?)*$/, required: true },
    memory: { pattern: /^\d+(\.\d+)?$/ },
    hostnodes: { pattern: /^\d+(-\d+)?(;\d+(-\d+)?)*$/ },
    policy: { choices: ['preferred', 'bind', 'interleave'] },
  },
};

export const rngFormat: Format = {
  defaultKey: 'source',
  keys: {
    source: { choices: ['/dev/urandom', '/dev/random', '/dev/hwrng'], required: true },
    max_bytes: count,
    period: count,
  },
};

export const usbFormat: Format = {
  defaultKey: 'host',
  keys: { host: text, mapping: { configId: true }, usb3: boolean },
};

const models =
  'e1000 e1000-82540em e1000-82544gc e1000-82545em e1000e i82551 i82557b i82559er ne2k_isa ne2k_pci pcnet rtl8139 virtio vmxnet3';

/** A model may be a key of its own, with the MAC address as its value. */
export const netFormat: Format = {
  defaultKey: 'model',
  keys: {
    ...keys(models, { pattern: /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i }),
    model: { choices: models.split(' ') },
    macaddr: { pattern: /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i },
    bridge: { pattern: /^[-_.\w]+$/ },
    queues: { integer: [0, 64] },
    rate: { pattern: /^\d+(\.\d+)?$/ },
    tag: { integer: [1, 4094] },
    trunks: { pattern: /^\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*$/ },
    firewall: boolean,
    link_down: boolean,
    mtu: { integer: [1, 65520] },
  },
};

export const diskFormat: Format = {
  defaultKey: 'file',
  keys: {
    file: { required: true },
    volume: text,
    'import-from': text,
    ...keys(
      'aio cache discard detect_zeroes format media rerror werror serial size wwn product vendor',
      text,
    ),
    ...keys('backup replicate iothread ssd ro shared snapshot scsiblock pre-enrolled-keys', boolean),
    ...keys('mbps mbps_rd mbps_wr mbps_max mbps_rd_max mbps_wr_max bps bps_rd bps_wr', text),
    ...keys('iops iops_rd iops_wr iops_max iops_rd_max iops_wr_max queues', count),
    efitype: { choices: ['2m', '4m'] },
    version: { choices: ['v1.2', 'v2.0'] },
    'ms-cert': { choices: ['2011', '2023', '2023w', '2023k'] },
  },
};
