/**
 * PCI devices as nova-compute and the scheduler see them. Source: nova 26, nova/pci/{devspec,whitelist,request,stats}.py and
 * nova/compute/pci_placement_translator.py.
 */
import { inPython } from './body.ts';
import { refuse } from './failure.ts';
import { confOf, manyOf } from './nova-conf.ts';
import type { HostScenario, PciDevice } from './scenario.ts';
import type { CloudState } from './state.ts';

type Tags = Readonly<Record<string, string>>;

/** A device that nova-compute offers, with the tags of its device_spec. */
export interface Offered {
  readonly device: PciDevice;
  readonly tags: Tags;
}

interface Spec {
  readonly vendor: string;
  readonly product: string;
  readonly fields: readonly RegExp[];
  /** The four fields of an address that names one function. */
  readonly single: string | undefined;
  readonly tags: Tags;
}

/** What nova-compute of the host offers. Throws a text, as its start does, for a device_spec that it does not take. */
export function offeredDevices(state: CloudState, host: HostScenario): readonly Offered[] {
  const conf = confOf(state, 'nova-compute', host.name);
  const lines = manyOf(conf, 'pci', 'device_spec', 'passthrough_whitelist');
  // A GPU has no name of a network device.
  const specs = lines.flatMap(parseSpecs).filter(({ tags }) => tags.devname === undefined);
  return host.devices.flatMap((device) => {
    const found = specs.find((spec) => fits(spec, device));
    return found ? [{ device, tags: found.tags }] : [];
  });
}

function parseSpecs(text: string): readonly Spec[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`Invalid [pci]device_spec config: Invalid entry: '${text}'`);
  }
  if (typeof value !== 'object' || value === null) {
    throw new Error(`Invalid [pci]device_spec config: Invalid entry: '${text}'; Expecting list or dict`);
  }
  return (Array.isArray(value) ? value : [value]).map((item) => {
    if (typeof item !== 'object' || item === null) {
      throw new Error(`Invalid [pci]device_spec config: Invalid entry: ${inPython(item)}; Expecting dict`);
    }
    const {
      vendor_id = '*',
      product_id = '*',
      address = '',
      devname,
      ...tags
    } = item as Record<string, unknown>;
    if (devname !== undefined && address !== '') {
      throw new Error(
        'Invalid PCI Whitelist: The PCI whitelist can specify devname or address, but not both',
      );
    }
    const { fields, single } = addressFields(address);
    if (devname !== undefined) tags.devname = devname;
    return {
      vendor: hexId('vendor_id', vendor_id),
      product: hexId('product_id', product_id),
      fields,
      single,
      tags: Object.fromEntries(Object.entries(tags).map(([key, one]) => [key, String(one)])),
    };
  });
}

function hexId(property: string, value: unknown): string {
  if (typeof value !== 'string')
    throw new Error(`AttributeError: '${typeof value}' object has no attribute 'strip'`);
  const text = value.trim();
  if (text === '*') return text;
  if (!/^(0x)?[0-9a-f]+$/i.test(text)) {
    throw new Error(
      `Invalid [pci]device_spec config: property ${property} ('${text}') does not parse as a hex number.`,
    );
  }
  const number = Number.parseInt(text, 16);
  if (number > 0xffff) {
    throw new Error(
      `Invalid [pci]device_spec config: property ${property} (${text}) is greater than the maximum allowable value (FFFF).`,
    );
  }
  return number.toString(16).padStart(4, '0');
}

const fieldNames = ['domain', 'bus', 'slot', 'function'] as const;
const fieldRules = [
  ['domain', 0xffff, 4],
  ['bus', 0xff, 2],
  ['slot', 0x1f, 2],
  ['func', 0x7, 1],
] as const;

function addressFields(address: unknown): { fields: readonly RegExp[]; single: string | undefined } {
  const text = typeof address === 'string' ? address : inPython(address);
  const wrong = () => new Error(`The PCI address ${text} has an incorrect format.`);
  if (typeof address === 'object' && address !== null && !Array.isArray(address)) {
    return regexFields(address as Readonly<Record<string, unknown>>, wrong);
  }
  if (typeof address !== 'string') throw wrong();
  const [left = '', func = '*', ...more] = text.split('.');
  const parts = left.split(':');
  if (more.length > 0 || parts.length > 3) throw wrong();
  const padded = [...Array.from({ length: 3 - parts.length }, () => '*'), ...parts, func];
  const hex = padded.map((part, index) => {
    if (part === '*' || part === '') return undefined;
    const [name, max, width] = fieldRules[index] ?? ['func', 7, 1];
    if (!/^[0-9a-f]+$/i.test(part)) {
      throw new Error(
        `Invalid [pci]device_spec config: property ${name} ('${part}') does not parse as a hex number.`,
      );
    }
    if (Number.parseInt(part, 16) > max) {
      throw new Error(
        `Invalid [pci]device_spec config: property ${name} (${part}) is greater than the maximum allowable value (${max.toString(16).toUpperCase()}).`,
      );
    }
    return Number.parseInt(part, 16).toString(16).padStart(width, '0');
  });
  const whole = hex.every((part) => part !== undefined);
  return {
    fields: hex.map((part) => new RegExp(part === undefined ? '^' : `^${part}$`)),
    single: whole ? `${hex[0]}:${hex[1]}:${hex[2]}.${hex[3]}` : undefined,
  };
}

/** Python's `re.match` is bound to the start only. Four plain numbers are an address all the same. */
function regexFields(parts: Readonly<Record<string, unknown>>, wrong: () => Error) {
  const given = fieldNames.map((name) => parts[name] ?? '.*');
  if (given.some((part) => typeof part !== 'string')) {
    throw new Error('TypeError: first argument must be string or compiled pattern');
  }
  const [domain, bus, slot, func] = given;
  const plain = given.every((part) => /^[0-9a-f]+$/.test(String(part)));
  try {
    const fields = given.map((part) => new RegExp(`^(?:${String(part)})`));
    return { fields, single: plain ? `${domain}:${bus}:${slot}.${func}` : undefined };
  } catch {
    throw wrong();
  }
}

function fits({ vendor, product, fields, single }: Spec, device: PciDevice): boolean {
  if (vendor !== '*' && vendor !== device.vendor) return false;
  if (product !== '*' && product !== device.product) return false;
  // A single address that is a physical function stands for its virtual ones, too.
  if (single !== undefined && device.parent === single) return true;
  const parts = device.address.split(/[:.]/);
  return fields.every((field, index) => field.test(parts[index] ?? ''));
}

export interface Alias {
  readonly name: string;
  readonly vendor: string | undefined;
  readonly product: string | undefined;
  readonly type: string | undefined;
  readonly resourceClass: string | undefined;
  readonly traits: string | undefined;
  /** Accepted, and then no device has it. */
  readonly capability: string | undefined;
}

/** One entry of `pci_passthrough:alias`. */
export interface PciRequest {
  readonly count: number;
  readonly specs: readonly Alias[];
}

/** Aliases that nova-api has. Throws 400 for one that it does not take. */
function aliasesOf(state: CloudState): readonly Alias[] {
  return manyOf(confOf(state, 'nova-api'), 'pci', 'alias').map((text) => {
    let value: Record<string, unknown>;
    try {
      value = JSON.parse(text) as Record<string, unknown>;
    } catch (error) {
      throw refuse(400, `Invalid PCI alias definition: ${(error as Error).message}`);
    }
    const textOf = (key: string) => (value[key] === undefined ? undefined : String(value[key]));
    for (const key of ['vendor_id', 'product_id']) {
      const id = value[key];
      if (id !== undefined && !/^[\da-fA-F]{4}$/.test(String(id))) {
        throw refuse(
          400,
          `Invalid PCI alias definition: '${String(id)}' does not match '^([\\da-fA-F]{4})$'`,
        );
      }
    }
    const type = textOf('device_type');
    if (type !== undefined && !['type-PCI', 'type-PF', 'type-VF'].includes(type)) {
      throw refuse(
        400,
        `Invalid PCI alias definition: '${type}' is not one of ['type-PCI', 'type-PF', 'type-VF']`,
      );
    }
    return {
      name: String(value.name ?? '').trim(),
      vendor: textOf('vendor_id')?.toLowerCase(),
      product: textOf('product_id')?.toLowerCase(),
      type,
      resourceClass: textOf('resource_class'),
      traits: textOf('traits'),
      capability: textOf('capability_type'),
    };
  });
}

/** What a flavor asks for by alias. Throws 400 for an unknown one, 500 for a text that Nova cannot take apart. */
export function pciRequests(state: CloudState, extraSpecs: Tags): readonly PciRequest[] {
  const text = extraSpecs['pci_passthrough:alias'];
  if (text === undefined) return [];
  const aliases = aliasesOf(state);
  return text.split(',').map((entry) => {
    const [name = '', count, ...more] = entry.split(':');
    if (count === undefined || more.length > 0 || !/^\s*-?\d+\s*$/.test(count)) {
      throw refuse(
        500,
        "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class 'ValueError'>",
      );
    }
    const specs = aliases.filter((alias) => alias.name === name.trim());
    if (specs.length === 0) throw refuse(400, `PCI alias ${name.trim()} is not defined`);
    return { count: Number(count), specs };
  });
}

/** Whether the device serves an alias; one without a type takes no physical function. */
export function serves({ device, tags }: Offered, specs: readonly Alias[]): boolean {
  if (tags.remote_managed === 'true') return false;
  if (device.type === 'type-PF' && !specs.some(({ type }) => type === 'type-PF')) return false;
  return specs.some(
    ({ vendor, product, type, capability }) =>
      capability === undefined &&
      (vendor === undefined || vendor === device.vendor) &&
      (product === undefined || product === device.product) &&
      (type === undefined || type === device.type),
  );
}

/** Upper case; what is neither standard nor custom is made custom. */
export function classOf({ device, tags }: Offered): string {
  const given = tags.resource_class;
  if (given === undefined) return `CUSTOM_PCI_${device.vendor}_${device.product}`.toUpperCase();
  return customName(given);
}

export function customName(given: string): string {
  const upper = given.toUpperCase();
  if (/^(CUSTOM_.*|VGPU|PGPU|PCI_DEVICE|SRIOV_NET_VF|FPGA)$/.test(upper)) return upper;
  return `CUSTOM_${upper.replace(/[^A-Z0-9]+/g, '_')}`;
}

/** Split at commas, not trimmed. */
export function traitNames(text: string | undefined): readonly string[] {
  if (!text) return [];
  return text
    .split(',')
    .map((name) => (/^(HW|COMPUTE|MISC|OWNER)_[A-Z0-9_]+$/.test(name) ? name : customName(name)));
}
