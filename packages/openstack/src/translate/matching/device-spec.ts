import { type NovaRelease, since } from '../releases.ts';
import { hexInt, type Outcome, outcome, raise, str, strictBool, tryJson, typeName } from './python.ts';

/** A PCI function of a compute host, as Nova's tracker sees it. */
export interface NovaPciDevice {
  /** `0000:41:00.0` */
  readonly address: string;
  readonly vendor_id: string;
  readonly product_id: string;
  readonly dev_type: 'type-PCI' | 'type-PF' | 'type-VF';
  /** PF of a VF. */
  readonly parent_addr?: string | null;
  readonly numa_node?: number | null;
}

/** One parsed object of `device_spec`. */
export interface DeviceSpec {
  /** Four lower-case hexadecimal digits, or `*`. */
  readonly vendor: string;
  readonly product: string;
  /** Tags as Nova keeps them: those it knows normalised, all others as written. */
  readonly tags: Readonly<Record<string, unknown>>;
  readonly devname?: string;
  /** Whether the spec means this device (ids and address). */
  matches(device: NovaPciDevice): boolean;
}

export interface DeviceSpecContext {
  readonly release: NovaRelease;
  readonly reportInPlacement?: boolean;
  /** Addresses that are physical functions in sysfs (`sriov_totalvfs` above 0). */
  readonly physicalFunctions?: readonly string[];
}

type Field = 'domain' | 'bus' | 'slot' | 'func';
const limits: readonly (readonly [Field, number, number])[] = [
  ['domain', 0xffff, 4],
  ['bus', 0xff, 2],
  ['slot', 0x1f, 2],
  ['func', 0x7, 1],
];

/**
 * Reads the values of `[pci] device_spec` as nova-compute does when it starts (nova/pci/whitelist.py and devspec.py, Nova
 * 24.0.0 to 32.0.0). Each value is a JSON object or a list of them.
 */
export function parseDeviceSpecs(
  lines: readonly string[],
  context: DeviceSpecContext,
): Outcome<readonly DeviceSpec[]> {
  return outcome(() => lines.flatMap((line) => parseLine(line, context)));
}

/** The spec that decides about a device: the first that matches. Devices in 32-bit domains are never offered. */
export function decidingSpec(specs: readonly DeviceSpec[], device: NovaPciDevice): DeviceSpec | undefined {
  if ((hexInt(device.address.split(':')[0] ?? '') ?? 0) > 0xffff) return undefined;
  return specs.find((spec) => spec.matches(device));
}

function parseLine(line: string, context: DeviceSpecContext): readonly DeviceSpec[] {
  const json = tryJson(line);
  if (json === undefined) return invalid(context, `Invalid entry: '${line}'`);
  if (typeof json.value !== 'object' || json.value === null) {
    return invalid(context, `Invalid entry: '${line}'; Expecting list or dict`);
  }
  const items: readonly unknown[] = Array.isArray(json.value) ? json.value : [json.value];
  return items.map((item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      return invalid(context, `Invalid entry: '${str(item)}'; Expecting dict`);
    }
    return parseSpec(item as Readonly<Record<string, unknown>>, context);
  });
}

function parseSpec(spec: Readonly<Record<string, unknown>>, context: DeviceSpecContext): DeviceSpec {
  const { vendor_id = '*', product_id = '*', address, devname, ...tags } = spec;
  if (typeof vendor_id !== 'string') {
    return raise('AttributeError', `'${typeName(vendor_id)}' object has no attribute 'strip'`);
  }
  const name = typeof devname === 'string' ? devname : undefined;
  const addressed = address !== undefined && address !== null && address !== '' && !isEmpty(address);
  if (addressed && name !== undefined) {
    raise(
      'PciDeviceInvalidDeviceName',
      'Invalid PCI Whitelist: The PCI whitelist can specify devname or address, but not both',
    );
  }
  const vendor = hexProperty(context, 'vendor_id', vendor_id.trim(), 0xffff, 4);
  if (typeof product_id !== 'string') {
    return raise('TypeError', "int() can't convert non-string with explicit base");
  }
  const product = hexProperty(context, 'product_id', product_id, 0xffff, 4);
  const atAddress = addressed ? addressMatcher(address, context) : () => true;
  return {
    vendor,
    product,
    tags: knownTags(tags, context),
    ...(name === undefined ? {} : { devname: name }),
    matches: (device) =>
      name === undefined &&
      (vendor === '*' || vendor === device.vendor_id) &&
      (product === '*' || product === device.product_id) &&
      atAddress(device),
  };
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** `*` stays, all else becomes lower-case hexadecimal of a fixed length. */
function hexProperty(
  context: DeviceSpecContext,
  name: string,
  text: string,
  most: number,
  digits: number,
): string {
  if (text === '*') return text;
  const value = hexInt(text);
  if (value === undefined)
    return invalid(context, `property ${name} ('${text}') does not parse as a hex number.`);
  if (value > most) {
    const found = value.toString(16).toUpperCase();
    const limit = most.toString(16).toUpperCase();
    const shown = name.endsWith('_id') ? text : found;
    return invalid(
      context,
      `property ${name} (${shown}) is greater than the maximum allowable value (${limit}).`,
    );
  }
  return value.toString(16).padStart(digits, '0');
}

function addressMatcher(address: unknown, context: DeviceSpecContext): (device: NovaPciDevice) => boolean {
  const fields =
    typeof address === 'string'
      ? globFields(address, context)
      : typeof address === 'object' && address !== null && !Array.isArray(address)
        ? regexFields(address as Readonly<Record<string, unknown>>)
        : wrongFormat(address);
  const matches = (text: string) => fields.every(({ test }, index) => test(addressFields(text)[index] ?? ''));
  const single = fields.every(({ text }) => /^[0-9a-fA-F]+$/.test(text));
  const [domain, bus, slot, func] = fields.map(({ text }) => text);
  const isPf = single && (context.physicalFunctions ?? []).includes(`${domain}:${bus}:${slot}.${func}`);
  return (device) =>
    matches(device.address) || (isPf && Boolean(device.parent_addr) && matches(device.parent_addr ?? ''));
}

interface AddressField {
  readonly text: string;
  test(target: string): boolean;
}

/** `domain:bus:slot.function`, each a whole hexadecimal number, `*` or nothing; missing leading fields are any. */
function globFields(address: string, context: DeviceSpecContext): readonly AddressField[] {
  const dot = address.indexOf('.');
  const left = dot < 0 ? address : address.slice(0, dot);
  const func = dot < 0 ? '' : address.slice(dot + 1);
  const parts = left === '' ? [] : left.split(':');
  if (parts.length > 3) return wrongFormat(address);
  const texts = [...['', '', ''].slice(parts.length), ...parts, func];
  return limits.map(([name, most, digits], index) => {
    const given = (texts[index] ?? '').trim();
    const text = given === '' ? '*' : hexProperty(context, name, given, most, digits);
    return { text, test: (target) => text === '*' || text === target };
  });
}

/** Python's `re.match`: anchored at the start only, so that `4` means every bus from 40 to 4f. */
function regexFields(address: Readonly<Record<string, unknown>>): readonly AddressField[] {
  return ['domain', 'bus', 'slot', 'function'].map((key) => {
    const text = address[key] ?? '.*';
    if (typeof text !== 'string')
      return raise('TypeError', 'first argument must be string or compiled pattern');
    let pattern: RegExp;
    try {
      pattern = new RegExp(`^(?:${text})`);
    } catch {
      return wrongFormat(address);
    }
    return { text, test: (target) => pattern.test(target) };
  });
}

function addressFields(address: string): readonly string[] {
  return address.toLowerCase().split(/[:.]/);
}

/** Tags that newer releases read strictly; older ones keep whatever is written. */
function knownTags(
  tags: Readonly<Record<string, unknown>>,
  context: DeviceSpecContext,
): Record<string, unknown> {
  const { release } = context;
  const strict = [
    ...(since(release, 'managedTag') ? ['managed', 'live_migratable'] : []),
    ...(since(release, 'oneTimeUse') ? ['one_time_use'] : []),
  ];
  const known = Object.fromEntries(
    Object.entries(tags).map(([key, value]) => {
      if (!strict.includes(key)) return [key, value];
      const bool = strictBool(value);
      if (typeof bool === 'string') return invalid(context, `Cannot parse tag '${key}': ${bool}`);
      return [key, String(bool)];
    }),
  );
  if (strict.includes('one_time_use') && known.one_time_use === 'true' && !context.reportInPlacement) {
    invalid(context, 'one_time_use=true requires pci.report_in_placement to be enabled');
  }
  return known;
}

function invalid(context: DeviceSpecContext, why: string): never {
  return since(context.release, 'deviceSpec')
    ? raise('PciConfigInvalidSpec', `Invalid [pci]device_spec config: ${why}`)
    : raise('PciConfigInvalidWhitelist', `Invalid PCI devices Whitelist config: ${why}`);
}

function wrongFormat(address: unknown): never {
  return raise('PciDeviceWrongAddressFormat', `The PCI address ${str(address)} has an incorrect format.`);
}
