/** Lines of a text without their ends; CRLF counts as one end. A trailing line end makes no empty last line. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Splits at the first separator: `a: b: c` at `:` is `['a', ' b: c']`; undefined when there is none. */
export function cut(text: string, separator: string): readonly [string, string] | undefined {
  const place = text.indexOf(separator);
  return place < 0 ? undefined : [text.slice(0, place), text.slice(place + separator.length)];
}

/** A whole number written in decimal digits; undefined for anything else. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

/** An object without the keys whose value is undefined: facts leave out what they do not know. */
export function compact<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** JSON of a command's output, past any noise before its first bracket; undefined when there is none. */
export function tryParseJson(text: string): unknown {
  const start = text.search(/[[{]/);
  if (start < 0) return undefined;
  try {
    return JSON.parse(text.slice(start)) as unknown;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
