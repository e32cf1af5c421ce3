/** An error as Nova would raise it: class and text. */
export interface NovaError {
  readonly class: string;
  readonly message: string;
}

/** What Nova makes of an input: the value, or the error it stops with. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: NovaError };

/** Carries a NovaError out of nested code; never leaves this folder. */
class Raised extends Error {
  readonly error: NovaError;
  constructor(error: NovaError) {
    super(error.message);
    this.error = error;
  }
}

export function raise(name: string, message: string): never {
  throw new Raised({ class: name, message });
}

export function outcome<T>(work: () => T): Outcome<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    if (error instanceof Raised) return { ok: false, error: error.error };
    throw error;
  }
}

/** `repr()` of a JSON value. */
export function repr(value: unknown): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    return `${quote}${value.replaceAll('\\', '\\\\')}${quote}`;
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value)
      .map(([key, item]) => `${repr(key)}: ${repr(item)}`)
      .join(', ')}}`;
  }
  return String(value);
}

/** `str()` of a JSON value. */
export function str(value: unknown): string {
  return typeof value === 'string' ? value : repr(value);
}

/** `int(text, 16)`: surrounding blanks, a sign, `0x` and single underscores are fine. Undefined stands for ValueError. */
export function hexInt(text: string): number | undefined {
  const match = /^\s*([+-]?)(?:0[xX]_?)?([0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)\s*$/.exec(text);
  if (!match) return undefined;
  const value = Number.parseInt((match[2] ?? '').replaceAll('_', ''), 16);
  return match[1] === '-' ? -value : value;
}

const truths = ['1', 'on', 't', 'true', 'y', 'yes'];
const lies = ['0', 'f', 'false', 'n', 'no', 'off'];

/** oslo's `bool_from_string(strict=True)`; its complaint when the text is neither. */
export function strictBool(value: unknown): boolean | string {
  const text = str(value).trim().toLowerCase();
  if (truths.includes(text)) return true;
  if (lies.includes(text)) return false;
  const known = [...truths, ...lies].sort().map(repr).join(', ');
  return `Unrecognized value ${repr(str(value))}, acceptable values are: ${known}`;
}

/** Parses JSON; undefined when it is none. */
export function tryJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Python's name of the type of a JSON value. */
export function typeName(value: unknown): string {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  const names: Readonly<Record<string, string>> = { string: 'str', boolean: 'bool', object: 'dict' };
  return names[typeof value] ?? (Number.isInteger(value) ? 'int' : 'float');
}
