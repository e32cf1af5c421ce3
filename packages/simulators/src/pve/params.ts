import type { Params } from './body.ts';
import { badParameters } from './failure.ts';
import { truth } from './property-string.ts';

/** What is wrong with a value, in the words of pve-common 9.2.1, PVE::JSONSchema; undefined: nothing. */
export type Check = (value: string) => string | undefined;

export const unknownParameter =
  'property is not defined in schema and the schema does not allow additional properties';
export const missingParameter = 'property is missing and it is not optional';

export const any: Check = () => undefined;
export const bool: Check = (value) =>
  truth(value) === undefined ? `type check ('boolean') failed - got '${value}'` : undefined;

export function int(minimum = 0, maximum = Number.MAX_SAFE_INTEGER): Check {
  return (value) => {
    if (!/^[+-]?\d+$/.test(value)) return `type check ('integer') failed - got '${value}'`;
    if (Number(value) < minimum) return `value must have a minimum value of ${minimum}`;
    return Number(value) > maximum ? `value must have a maximum value of ${maximum}` : undefined;
  };
}

export function number(minimum: number, maximum: number): Check {
  return (value) => {
    if (!/^[+-]?\d+(\.\d+)?$/.test(value)) return `type check ('number') failed - got '${value}'`;
    if (Number(value) < minimum) return `value must have a minimum value of ${minimum}`;
    return Number(value) > maximum ? `value must have a maximum value of ${maximum}` : undefined;
  };
}

export function atMost(length: number): Check {
  return (value) => (value.length > length ? `value may only be ${length} characters long` : undefined);
}

export function oneOf(...choices: readonly string[]): Check {
  return (value) =>
    choices.includes(value)
      ? undefined
      : `value '${value}' does not have a value in the enumeration '${choices.join(', ')}'`;
}

export function pattern(shape: RegExp): Check {
  return (value) => (shape.test(value) ? undefined : 'value does not match the regex pattern');
}

/** A named format of Proxmox VE and its own sentence. */
export function format(shape: RegExp, sentence: (value: string) => string): Check {
  return (value) => (shape.test(value) ? undefined : `invalid format - ${sentence(value)}\n`);
}

export const vmid = format(/^[1-9]\d{2,8}$/, () => 'value does not look like a valid VM ID');
export const nodeName = format(
  /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/,
  () => 'value does not look like a valid node name',
);
export const configId = format(/^[a-z][a-z0-9_-]+$/i, (value) => `invalid configuration ID '${value}'`);
export const storageId = format(
  /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i,
  (value) => `storage ID '${value}' contains illegal characters`,
);

/** Parameters of a call by name. All but those in the path are optional. */
export type ParamTable = Readonly<Record<string, Check>>;

const inPath: ParamTable = { vmid, node: nodeName, storage: storageId };

/** Throws the 400 of PVE::JSONSchema unless all parameters are known and well-formed. */
export function checkParams(
  route: { readonly params: ParamTable | null; readonly path: Readonly<Record<string, string>> },
  params: Params,
): void {
  const errors: Record<string, string> = {};
  const look = (key: string, value: Params[string], check: Check | undefined) => {
    const problem = check === undefined ? unknownParameter : check(String(value));
    if (problem !== undefined) errors[key] = problem;
  };
  for (const [key, value] of Object.entries(route.path)) look(key, value, inPath[key] ?? any);
  if (route.params !== null) {
    for (const [key, value] of Object.entries(params)) look(key, value, route.params[key]);
  }
  if (Object.keys(errors).length > 0) throw badParameters(errors);
}
