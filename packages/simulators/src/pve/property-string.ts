import { atLeast } from './state.ts';

/** A key of a property string. Source: pve-common 9.2.1, PVE::JSONSchema. */
export interface Key {
  readonly pattern?: RegExp;
  readonly choices?: readonly string[];
  readonly boolean?: boolean;
  readonly configId?: boolean;
  readonly integer?: readonly [minimum: number, maximum: number];
  readonly required?: boolean;
  /** The first release that knows it. */
  readonly since?: string;
}

export interface Format {
  readonly defaultKey?: string;
  readonly keys: Readonly<Record<string, Key>>;
}

/** The format as a release knows it. */
export function formatOf(state: { readonly version: string }, format: Format): Format {
  const known = Object.entries(format.keys).filter(
    ([, { since }]) => since === undefined || atLeast(state, since),
  );
  return { ...format, keys: Object.fromEntries(known) };
}

const unknownKey = 'property is not defined in schema and the schema does not allow additional properties';

/** The parsed parts, or the text that Proxmox VE gives for what is wrong with parameter `name`. */
export function parseProperties(
  text: string,
  format: Format,
  name: string,
): { readonly parts: Record<string, string> } | { readonly error: string } {
  const parts: Record<string, string> = Object.create(null);
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const bare = !part.includes('=');
    const [key, value] = bare
      ? [format.defaultKey ?? '', part]
      : [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)];
    if (!bare && (key === '' || value === ''))
      return { error: invalid('missing key in comma-separated list property') };
    if (bare && format.defaultKey === undefined)
      return { error: invalid('value without key, but schema does not define a default key') };
    if (parts[key] !== undefined)
      return { error: invalid(`duplicate key in comma-separated list property: ${key}`) };
    parts[key] = value;
  }
  const wrong: string[] = [];
  for (const [key, value] of Object.entries(parts)) {
    const rule = Object.hasOwn(format.keys, key) ? format.keys[key] : undefined;
    const problem = check(rule, value);
    if (problem === undefined && rule?.boolean) parts[key] = truth(value) ? '1' : '0';
    if (problem !== undefined) wrong.push(`${name}.${key}: ${problem}\n`);
  }
  for (const [key, rule] of Object.entries(format.keys)) {
    if (rule.required && parts[key] === undefined)
      wrong.push(`${name}.${key}: property is missing and it is not optional\n`);
  }
  return wrong.length > 0 ? { error: `invalid format - format error\n${wrong.sort().join('')}` } : { parts };
}

function invalid(text: string): string {
  return `invalid format - ${text}\n`;
}

function check(rule: Key | undefined, value: string): string | undefined {
  if (!rule) return unknownKey;
  if (rule.boolean)
    return truth(value) === undefined ? `type check ('boolean') failed - got '${value}'` : undefined;
  if (rule.integer) {
    const [minimum, maximum] = rule.integer;
    if (!/^[+-]?\d+$/.test(value)) return `type check ('integer') failed - got '${value}'`;
    if (Number(value) < minimum) return `value must have a minimum value of ${minimum}`;
    return Number(value) > maximum ? `value must have a maximum value of ${maximum}` : undefined;
  }
  if (rule.configId) {
    return /^[a-z][a-z0-9_-]+$/i.test(value)
      ? undefined
      : `invalid format - invalid configuration ID '${value}'\n`;
  }
  if (rule.choices) {
    return rule.choices.includes(value)
      ? undefined
      : `value '${value}' does not have a value in the enumeration '${rule.choices.join(', ')}'`;
  }
  return rule.pattern && !rule.pattern.test(value) ? 'value does not match the regex pattern' : undefined;
}

/** `1 on yes true` and `0 off no false` in any case. */
export function truth(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  if (/^(1|on|yes|true)$/i.test(value)) return true;
  return /^(0|off|no|false)$/i.test(value) ? false : undefined;
}

const address = '(?:[a-f0-9]{4,}:)?[a-f0-9]{2}:[a-f0-9]{2}(?:\\.[a-f0-9])?';
const id = { pattern: /^0x[0-9a-fA-F]{4}$/ };

/** Source: qemu-server 9.2.6, PVE::QemuServer::PCI. */
export const hostpciFormat: Format = {
  defaultKey: 'host',
  keys: {
    host: { pattern: new RegExp(`^${address}(?:;${address})*$`) },
    mapping: { configId: true },
    mdev: { pattern: /^[^/.:]+$/ },
    pcie: { boolean: true },
    rombar: { boolean: true },
    romfile: { pattern: /^[^,;]+$/ },
    'x-vga': { boolean: true },
    'legacy-igd': { boolean: true },
    'vendor-id': id,
    'device-id': id,
    'sub-vendor-id': id,
    'sub-device-id': id,
    driver: { choices: ['vfio', 'keep'], since: '9.1' },
  },
};

const mapPath = '[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(?:.[a-f0-9])?';
/** Source: pve-guest-common 6.0.2, PVE::Mapping::PCI; the unescaped dot of the path is theirs. */
export const mapFormat: Format = {
  keys: {
    node: { required: true },
    path: { required: true, pattern: new RegExp(`^${mapPath}(?:;${mapPath})*$`) },
    id: { required: true, pattern: /^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$/ },
    'subsystem-id': { pattern: /^[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}$/ },
    iommugroup: { pattern: /^\d+$/ },
    description: {},
  },
};

/** Source: qemu-server 9.2.6, PVE::QemuServer::Machine. */
export const machineFormat: Format = {
  defaultKey: 'type',
  keys: {
    type: {
      pattern:
        /^(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)$/,
    },
    viommu: { choices: ['intel', 'virtio'], since: '8.2' },
    'aw-bits': { integer: [32, 64], since: '9.1' },
    'enable-s3': { boolean: true, since: '8.4' },
    'enable-s4': { boolean: true, since: '8.4' },
  },
};
