/**
 * Formats of the property strings that the adapter reads or writes, apart from hostpci's. Source: qemu-server 9.2.6,
 * the format definitions behind the VM options, as its API schema prints them.
 */
import { type PropertyFormat, tryParseProperties } from './property-string.ts';

export const machineFormat: PropertyFormat = {
  defaultKey: 'type',
  keys: {
    type: /^(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)$/,
    viommu: ['intel', 'virtio'],
    'aw-bits': 'number',
    'enable-s3': 'boolean',
    'enable-s4': 'boolean',
  },
};

export const cpuFormat: PropertyFormat = {
  defaultKey: 'cputype',
  keys: {
    cputype: /^.+$/,
    hidden: 'boolean',
    'hv-vendor-id': /^[a-zA-Z0-9]{1,12}$/,
    flags: /^[+-][a-zA-Z0-9_.-]+(;[+-][a-zA-Z0-9_.-]+)*$/,
    'phys-bits': /^(host|[89]|[1-5]\d|6[0-4])$/,
    'guest-phys-bits': 'number',
    level: 'number',
    'reported-model': /^.+$/,
  },
};

export const vgaFormat: PropertyFormat = {
  defaultKey: 'type',
  keys: {
    type: [
      'cirrus',
      'qxl',
      'qxl2',
      'qxl3',
      'qxl4',
      'none',
      'serial0',
      'serial1',
      'serial2',
      'serial3',
      'std',
      'virtio',
      'virtio-gl',
      'vmware',
    ],
    memory: 'number',
    clipboard: ['vnc'],
  },
};

/** Any drive. Its keys are many and none of them concerns GPUs: they are kept as they are. */
export const driveFormat: PropertyFormat = {
  defaultKey: 'file',
  keys: { file: /^.+$/, size: /^\d+(\.\d+)?[KMGT]?$/ },
  required: ['file'],
  open: true,
};

export const efidiskFormat: PropertyFormat = {
  defaultKey: 'file',
  keys: {
    ...driveFormat.keys,
    efitype: ['2m', '4m'],
    format: /^.+$/,
    'import-from': /^.+$/,
    'ms-cert': ['2011', '2023', '2023w', '2023k'],
    'pre-enrolled-keys': 'boolean',
  },
  required: ['file'],
};

export const tpmstateFormat: PropertyFormat = {
  defaultKey: 'file',
  keys: { ...driveFormat.keys, format: /^.+$/, 'import-from': /^.+$/, version: ['v1.2', 'v2.0'] },
  required: ['file'],
};

/** `virtio=MAC` is an alias for `model=virtio,macaddr=MAC` and is kept as written. */
export const netFormat: PropertyFormat = { defaultKey: 'model', keys: {}, open: true };

export const memoryFormat: PropertyFormat = { defaultKey: 'current', keys: { current: /^\d+$/ } };
export const numaFormat: PropertyFormat = {
  keys: {
    cpus: /^\d+(-\d+)?(;\d+(-\d+)?)*$/,
    hostnodes: /^\d+(-\d+)?(;\d+(-\d+)?)*$/,
    memory: 'number',
    policy: ['preferred', 'bind', 'interleave'],
  },
};

const byKey: readonly (readonly [RegExp, PropertyFormat])[] = [
  [/^machine$/, machineFormat],
  [/^cpu$/, cpuFormat],
  [/^vga$/, vgaFormat],
  [/^efidisk0$/, efidiskFormat],
  [/^tpmstate0$/, tpmstateFormat],
  [/^(ide|sata|scsi|virtio)\d+$/, driveFormat],
  [/^net\d+$/, netFormat],
  [/^memory$/, memoryFormat],
  [/^numa\d+$/, numaFormat],
];

/** The format of a VM option's value; undefined for options whose value is plain text, and for hostpci. */
export function formatOf(option: string): PropertyFormat | undefined {
  return byKey.find(([pattern]) => pattern.test(option))?.[1];
}

/** The option's values by key; empty when the option is unset or not valid. */
export function propertiesOf(option: string, text: string | undefined): Readonly<Record<string, string>> {
  const format = formatOf(option);
  const result = text === undefined || !format ? undefined : tryParseProperties(format, text);
  return result?.ok ? result.value : {};
}
