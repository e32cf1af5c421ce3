import { Environment } from '@marcbachmann/cel-js';
import { quantity } from './quantity.ts';
import type { Dict } from './types.ts';

/**
 * CEL selectors of dynamic resource allocation: one variable `device` with driver, attributes and capacity by domain; a
 * domain that a device does not have is an empty map (k8s.io/dynamic-resource-allocation v0.36, cel/compile.go).
 */
export interface DeviceSelector {
  /** Throws CelFailure when the expression fails for this device, as for an attribute that it does not have. */
  matches(driver: string, device: Dict): boolean;
}

export class CelFailure extends Error {}

class Device {
  readonly driver: string;
  readonly attributes: ReadonlyMap<string, unknown>;
  readonly capacity: ReadonlyMap<string, unknown>;

  constructor(driver: string, { attributes, capacity }: Dict) {
    this.driver = driver;
    this.attributes = byDomain(driver, attributes, attributeValue);
    this.capacity = byDomain(driver, capacity, ({ value }) => new Quantity(value));
  }
}

class Quantity {
  readonly amount: number;
  constructor(text: unknown) {
    this.amount = quantity(text);
  }
}

class Semver {
  readonly parts: readonly number[];
  constructor(text: string) {
    const match = /^(\d+)\.(\d+)\.(\d+)(?:[-+].*)?$/.exec(text);
    if (match === null) throw new CelFailure(`parse semantic version: invalid version "${text}"`);
    this.parts = match.slice(1, 4).map(Number);
  }
}

const sign = (value: number) => BigInt(Math.sign(value));
const compareAmounts = (a: Quantity, b: Quantity) => a.amount - b.amount;
function compareVersions(a: Semver, b: Semver): number {
  const differences = a.parts.map((part, index) => part - (b.parts[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
}

const environment = new Environment({ enableOptionalTypes: true })
  .registerType('Quantity', { ctor: Quantity, fields: {} })
  .registerType('Semver', { ctor: Semver, fields: {} })
  .registerType('kubernetes.DRADevice', {
    ctor: Device,
    fields: {
      driver: 'string',
      attributes: 'map<string, map<string, dyn>>',
      capacity: 'map<string, map<string, Quantity>>',
    },
  })
  .registerVariable('device', 'kubernetes.DRADevice')
  .registerFunction('quantity(string): Quantity', (text: string) => new Quantity(text))
  .registerFunction('semver(string): Semver', (text: string) => new Semver(text));
for (const [type, compare] of [
  ['Quantity', compareAmounts],
  ['Semver', compareVersions],
] as const) {
  const by = compare as (a: unknown, b: unknown) => number;
  environment
    .registerFunction(`${type}.compareTo(${type}): int`, (a: unknown, b: unknown) => sign(by(a, b)))
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: unknown, b: unknown) => by(a, b) > 0)
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: unknown, b: unknown) => by(a, b) < 0);
}

const compiled = new Map<string, DeviceSelector>();

/** Throws CelFailure for what is no expression of a truth value. */
export function deviceSelector(expression: string): DeviceSelector {
  const known = compiled.get(expression);
  if (known !== undefined) return known;
  const program = attempt(() => environment.parse(expression), 'compilation failed: ERROR: ');
  const { valid, type, error } = program.check();
  if (!valid) throw new CelFailure(`compilation failed: ERROR: ${firstLine(error)}`);
  if (type !== 'bool' && type !== 'dyn') {
    throw new CelFailure(`must evaluate to bool or the unknown type, not ${type}`);
  }
  const selector: DeviceSelector = {
    matches(driver, device) {
      const result = attempt(() => program({ device: new Device(driver, device) }));
      if (typeof result === 'boolean') return result;
      throw new CelFailure(`CEL result of type ${typeof result} could not be converted to bool`);
    },
  };
  compiled.set(expression, selector);
  return selector;
}

function attempt<T>(work: () => T, prefix = ''): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CelFailure) throw error;
    throw new CelFailure(prefix + firstLine(error));
  }
}

/** Without the excerpt that the library draws; in the words of cel-go where a test may look for them. */
function firstLine(error: unknown): string {
  const [line = ''] = String(error instanceof Error ? error.message : error).split('\n');
  return line.replace(/^No such key/, 'no such key');
}

function byDomain(
  driver: string,
  named: Dict = {},
  read: (value: Dict) => unknown,
): ReadonlyMap<string, unknown> {
  const domains = new Map<string, Map<string, unknown>>();
  for (const [name, value] of Object.entries(named)) {
    const slash = name.indexOf('/');
    const [domain, id] = slash < 0 ? [driver, name] : [name.slice(0, slash), name.slice(slash + 1)];
    const values = domains.get(domain) ?? new Map<string, unknown>();
    domains.set(domain, values.set(id, read(value as Dict)));
  }
  const none = new Map<string, unknown>();
  // The library takes plain Maps only, so the default is put into this one.
  domains.get = (domain) => Map.prototype.get.call(domains, domain) ?? none;
  domains.has = () => true;
  return domains;
}

function attributeValue({ int, bool, string, version }: Dict): unknown {
  if (int !== undefined) return BigInt(int);
  return bool ?? string ?? new Semver(version);
}
