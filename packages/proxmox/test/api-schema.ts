/** A checker for parameters against Proxmox VE's own API schema, as far as the schema itself decides. */
type Rule = Readonly<Record<string, unknown>>;
export type Rules = Readonly<Record<string, Rule>>;

/** Every parameter that the schema refuses, with the reason. */
export function refusedParameters(
  parameters: Readonly<Record<string, unknown>>,
  rules: Rules,
  formats: Readonly<Record<string, Rules>>,
): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => {
    const rule = rules[name] ?? rules[name.replace(/\d+$/, '[n]')];
    if (!rule) return [`${name}: unknown`];
    return [value]
      .flat()
      .flatMap((one) => refusals(name, String(one), (rule.items as Rule) ?? rule, formats));
  });
}

function refusals(
  name: string,
  value: string,
  rule: Rule,
  formats: Readonly<Record<string, Rules>>,
): string[] {
  const problems: string[] = [];
  const { type, pattern, format } = rule;
  if (Array.isArray(rule.enum) && !rule.enum.includes(value))
    problems.push(`${name}: ${value} is not in the enumeration`);
  if (type === 'boolean' && !/^[01]$/.test(value)) problems.push(`${name}: ${value} is no boolean`);
  if (type === 'integer' && !/^-?\d+$/.test(value)) problems.push(`${name}: ${value} is no integer`);
  if (typeof rule.minimum === 'number' && Number(value) < rule.minimum)
    problems.push(`${name}: ${value} is too small`);
  if (typeof rule.maximum === 'number' && Number(value) > rule.maximum)
    problems.push(`${name}: ${value} is too large`);
  if (typeof rule.maxLength === 'number' && value.length > rule.maxLength) problems.push(`${name}: too long`);
  if (typeof pattern === 'string' && !perl(pattern).test(value))
    problems.push(`${name}: ${value} does not fit ${pattern}`);
  if (format === 'pve-configid' && !/^[a-z][a-z0-9_-]+$/i.test(value))
    problems.push(`${name}: ${value} is no id`);
  const keys = typeof format === 'string' ? formats[format] : (format as Rules | undefined);
  if (keys && format !== 'pve-qm-boot') problems.push(...propertyRefusals(name, value, keys, formats));
  return problems;
}

function propertyRefusals(
  name: string,
  text: string,
  keys: Rules,
  formats: Readonly<Record<string, Rules>>,
): string[] {
  const bare = Object.keys(keys).find((key) => keys[key]?.default_key);
  const seen = new Set<string>();
  const problems = text.split(',').flatMap((part) => {
    const equals = part.indexOf('=');
    const written = equals < 0 ? bare : part.slice(0, equals);
    const rule = keys[written ?? ''];
    if (!rule || written === undefined) return [`${name}: key ${written} is unknown`];
    const key = String(rule.alias ?? written);
    if (typeof rule.keyAlias === 'string') seen.add(rule.keyAlias);
    if (seen.has(key)) return [`${name}: key ${key} twice`];
    seen.add(key);
    return refusals(`${name}.${key}`, part.slice(equals + 1), keys[key] ?? {}, formats);
  });
  const missing = Object.keys(keys).filter(
    (key) => !keys[key]?.optional && !keys[key]?.alias && !seen.has(key),
  );
  return [...problems, ...missing.map((key) => `${name}: key ${key} is missing`)];
}

function perl(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern.replace(/\(\?\^u?:/g, '(?:')})$`);
}
