/** Names and formats of a VM's options. Source: qemu-server 9.2.6, API schema of create_vm and update_vm. */
import { formatOf, propertiesOf } from './formats.ts';
import { hostPciFormat } from './hostpci.ts';
import type { VmOptions } from './option-text.ts';
import { privilegesFor, rootOnly } from './permissions.ts';
import { apiErrorText, tryParseProperties, unknownProperty } from './property-string.ts';

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
/** Number of options of each indexed kind. */
const indexed: Readonly<Record<string, number>> = {
  hostpci: 16,
  net: 32,
  ipconfig: 32,
  scsi: 31,
  virtio: 16,
  sata: 6,
  ide: 4,
  efidisk: 1,
  tpmstate: 1,
  usb: 14,
  serial: 4,
  parallel: 3,
  numa: 8,
  unused: 256,
  virtiofs: 10,
};
/** Parameters that are no options of the VM. */
const control =
  /^(archive|background_delay|bwlimit|delete|digest|force|ha-managed|import-working-storage|live-restore|pool|revert|skiplock|start|storage|unique)$/;

/** True for parameters that are no options of the VM. */
export function isControlParameter(name: string): boolean {
  return control.test(name);
}

/** True for names of VM options in qemu-server 9.2. */
export function isVmOption(name: string): boolean {
  const [, kind = '', index = ''] = /^([a-z]+?)(\d+)$/.exec(name) ?? [];
  const fits = Number(index) < (indexed[kind] ?? Number.POSITIVE_INFINITY) && !/^0./.test(index);
  return fits && (privilegesFor(name) !== undefined || rootOnly.test(name));
}

/** What the API's schema refuses of these parameters, by name and in its own words (status 400). */
export function schemaErrors(params: VmOptions): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const [key, value] of Object.entries(params)) {
    if (isControlParameter(key)) continue;
    if (!isVmOption(key)) {
      errors[key] = unknownProperty;
      continue;
    }
    const format = /^hostpci/.test(key) ? hostPciFormat : formatOf(key);
    const result = format && value !== '' ? tryParseProperties(format, value) : undefined;
    if (result && !result.ok) errors[key] = apiErrorText(key, result.problem);
    else if (key === 'cpu') {
      const flags = (propertiesOf('cpu', value).flags ?? '').split(';').filter(Boolean);
      if (flags.some((flag) => !cpuFlags.includes(flag.slice(1)))) {
        errors[key] = `invalid format - VM-specific CPU flags must be a subset of: ${cpuFlags.join(', ')}\n`;
      }
    }
  }
  return errors;
}
