import { type NovaRelease, since } from '../releases.ts';
import { type Outcome, outcome, raise, repr, strictBool, tryJson } from './python.ts';

/** One alias: its NUMA policy and what a device must be, any one of `specs`. */
export interface PciAlias {
  readonly numaPolicy: string;
  readonly specs: readonly Readonly<Record<string, string>>[];
}

export interface AliasContext {
  readonly release: NovaRelease;
  /** `[filter_scheduler] pci_in_placement` in the configuration of the same process. */
  readonly pciInPlacement?: boolean;
}

/** One request of a flavor. */
export interface PciRequest {
  readonly alias: string;
  readonly count: number;
  readonly numaPolicy: string;
  readonly specs: PciAlias['specs'];
}

const types = ['type-PCI', 'type-PF', 'type-VF'];
const policies = ['required', 'legacy', 'preferred', 'socket'];

/** Keys an alias may have in a release. */
export function aliasKeys(release: NovaRelease): readonly string[] {
  return [
    ...['name', 'capability_type', 'product_id', 'vendor_id', 'device_type', 'numa_policy'],
    ...(since(release, 'pciInPlacement') ? ['resource_class', 'traits'] : []),
    ...(since(release, 'managedTag') ? ['live_migratable'] : []),
  ];
}

/** Reads the values of `[pci] alias` (nova/pci/request.py, Nova 24.0.0 to 32.0.0): at each use, and at start from 32.0.0. */
export function parseAliases(
  lines: readonly string[],
  context: AliasContext,
): Outcome<Readonly<Record<string, PciAlias>>> {
  return outcome(() => {
    const aliases = new Map<string, PciAlias>();
    for (const line of lines) addAlias(aliases, line, context);
    if (since(context.release, 'aliasCheckedAtStart')) checkAtStart(aliases, context.pciInPlacement ?? false);
    return Object.fromEntries(aliases);
  });
}

function addAlias(aliases: Map<string, PciAlias>, line: string, { release }: AliasContext): void {
  const { name, numa_policy, device_type, live_migratable, ...rest } = validated(line, release);
  const key = (name ?? '').trim();
  const numaPolicy = numa_policy ?? 'legacy';
  const live = live_migratable === undefined ? undefined : strictBool(live_migratable);
  if (typeof live === 'string') invalid(live);
  const spec = {
    ...rest,
    ...(device_type === undefined ? {} : { dev_type: device_type }),
    ...(live === undefined ? {} : { live_migratable: String(live) }),
  };
  const known = aliases.get(key);
  if (known === undefined) {
    aliases.set(key, { numaPolicy, specs: [spec] });
    return;
  }
  if (known.numaPolicy !== numaPolicy) invalid(`NUMA policy mismatch for alias '${key}'`);
  const first = known.specs[0]?.dev_type;
  // Nova looks the type up without a default, so that its error is the text of a KeyError.
  if (first === undefined || device_type === undefined) invalid("'dev_type'");
  if (first !== device_type) invalid(`Device type mismatch for alias '${key}'`);
  aliases.set(key, { numaPolicy, specs: [...known.specs, spec] });
}

/** The JSON schema of an alias, with the texts of python-jsonschema. */
function validated(line: string, release: NovaRelease): Readonly<Record<string, string | undefined>> {
  const json = tryJson(line);
  if (json === undefined) return invalid('the value is not JSON');
  const alias = json.value;
  if (typeof alias !== 'object' || alias === null || Array.isArray(alias)) {
    return invalid(`${repr(alias)} is not of type 'object'`);
  }
  const known = aliasKeys(release);
  const unknown = Object.keys(alias).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    const verb = unknown.length === 1 ? 'was' : 'were';
    invalid(`Additional properties are not allowed (${unknown.map(repr).join(', ')} ${verb} unexpected)`);
  }
  for (const [key, value] of Object.entries(alias as Record<string, unknown>)) {
    if (typeof value !== 'string') invalid(`${repr(value)} is not of type 'string'`);
    checkValue(key, value as string);
  }
  if (!('name' in alias)) invalid("'name' is a required property");
  return alias as Record<string, string>;
}

function checkValue(key: string, value: string): void {
  const allowed = { device_type: types, numa_policy: policies, capability_type: ['pci'] }[key];
  if (allowed !== undefined && !allowed.includes(value))
    invalid(`${repr(value)} is not one of ${repr(allowed)}`);
  if ((key === 'vendor_id' || key === 'product_id') && !/^[\da-fA-F]{4}$/.test(value)) {
    invalid(`${repr(value)} does not match ${repr('^([\\da-fA-F]{4})$')}`);
  }
  if (key === 'name' && value === '') invalid("'' is too short");
  if (key === 'name' && value.length > 256) invalid(`${repr(value)} is too long`);
}

function checkAtStart(aliases: ReadonlyMap<string, PciAlias>, pciInPlacement: boolean): void {
  const named = (bad: (spec: Readonly<Record<string, string>>) => boolean) =>
    [...aliases].flatMap(([name, { specs }]) => (specs.some(bad) ? [name] : []));
  const noIds = (spec: Readonly<Record<string, string>>) =>
    spec.vendor_id === undefined || spec.product_id === undefined;
  const lacking = named((spec) => noIds(spec) && !(pciInPlacement && spec.resource_class !== undefined));
  if (lacking.length > 0) {
    const more = pciInPlacement ? ' or resource_class field set' : '';
    raise(
      'PciInvalidAlias',
      `The PCI alias(es) ${lacking.join(',')} does not have vendor_id and product_id fields set${more}.`,
    );
  }
  const several = [...aliases].flatMap(([name, { specs }]) => (specs.length > 1 ? [name] : []));
  if (pciInPlacement && several.length > 0) {
    raise(
      'PciInvalidAlias',
      `The PCI alias(es) ${several.join(',')} have multiple specs but [filter_scheduler]pci_in_placement is True. The PCI in Placement feature only supports one spec per alias. You can assign the same resource_class to multiple [pci]device_spec matchers to allow using different devices for the same alias.`,
    );
  }
}

/** Reads `pci_passthrough:alias`. A policy of flavor or image goes before the alias's own. */
export function parseRequests(
  extraSpec: string,
  aliases: Readonly<Record<string, PciAlias>>,
  numaPolicy?: string,
): Outcome<readonly PciRequest[]> {
  return outcome(() =>
    extraSpec.split(',').map((part) => {
      const [name = '', count, ...more] = part.split(':');
      if (count === undefined) raise('ValueError', 'not enough values to unpack (expected 2, got 1)');
      if (more.length > 0) raise('ValueError', 'too many values to unpack (expected 2)');
      const alias = Object.hasOwn(aliases, name.trim()) ? aliases[name.trim()] : undefined;
      if (alias === undefined)
        return raise('PciRequestAliasNotDefined', `PCI alias ${name.trim()} is not defined`);
      if (!/^\s*[+-]?\d+(_\d+)*\s*$/.test(count ?? '')) {
        raise('ValueError', `invalid literal for int() with base 10: ${repr(count)}`);
      }
      return {
        alias: name.trim(),
        count: Number((count ?? '').replaceAll('_', '')),
        numaPolicy: numaPolicy ?? alias.numaPolicy,
        specs: alias.specs,
      };
    }),
  );
}

function invalid(why: string): never {
  return raise('PciInvalidAlias', `Invalid PCI alias definition: ${why}`);
}
