/**
 * oslo.config's dialect of INI, loss-free: comments, order, spelling and blank lines are kept, and every option knows
 * where it stands. Rules (executed against oslo.config, see the facts behind Nova's configuration): `key = v` and
 * `key: v`; a line that starts with a blank continues the value before it; one pair of matching quotes around a value is
 * taken off; `$name` is interpolated and `$$` is a dollar sign; an option may be given many times.
 */
export interface OsloDocument {
  /** The text, line by line, in order. */
  readonly entries: readonly OsloEntry[];
}

export type OsloEntry = OsloOther | OsloSection | OsloOption;

interface OsloEntryBase {
  /** As written, line ends included. */
  readonly raw: string;
  /** Offset of `raw` in the text. */
  readonly start: number;
}
/** Blank lines, comments, and lines that oslo.config would refuse. */
export interface OsloOther extends OsloEntryBase {
  readonly kind: 'blank' | 'comment' | 'invalid';
}
export interface OsloSection extends OsloEntryBase {
  readonly kind: 'section';
  readonly name: string;
}
export interface OsloOption extends OsloEntryBase {
  readonly kind: 'option';
  /** Section it stands in; `DEFAULT` before the first header. */
  readonly section: string;
  readonly key: string;
  readonly separator: '=' | ':';
  /** The value as oslo.config hands it to the option: continuation lines joined, quotes taken off, `$$` kept. */
  readonly value: string;
  /** Offsets into the text: the key, the separator, and the value with its quotes. */
  readonly at: {
    readonly key: number;
    readonly separator: number;
    readonly value: number;
    readonly end: number;
  };
}

/** Reads any text; lines that are no INI are kept as `invalid`. Linear in the length of the text. */
export function parseOslo(text: string): OsloDocument {
  const entries: OsloEntry[] = [];
  let section = 'DEFAULT';
  let start = 0;
  let more: string[] = [];
  const endOption = () => {
    const last = entries.at(-1);
    if (more.length > 0 && last?.kind === 'option') entries[entries.length - 1] = continued(last, more);
    more = [];
  };
  for (const raw of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const line = raw.trimEnd();
    if (/^\s/.test(line) && entries.at(-1)?.kind === 'option') more.push(raw);
    else {
      endOption();
      const entry = entryOf(line, raw, start, section);
      if (entry.kind === 'section') section = entry.name;
      entries.push(entry);
    }
    start += raw.length;
  }
  endOption();
  return { entries };
}

function entryOf(line: string, raw: string, start: number, section: string): OsloEntry {
  if (line === '') return { kind: 'blank', raw, start };
  if (/^[#;]/.test(line)) return { kind: 'comment', raw, start };
  // Blanks inside the brackets are part of the name, and nothing may follow them.
  const name = /^\[(.+)\]$/.exec(line)?.[1];
  if (name !== undefined) return { kind: 'section', raw, start, name };
  const wrong = /^[\s[]/.test(line);
  return (wrong ? undefined : option(raw, start, section)) ?? { kind: 'invalid', raw, start };
}

/** The text again, byte for byte. */
export function printOslo(document: OsloDocument): string {
  return document.entries.map((entry) => entry.raw).join('');
}

/** All options, in order. */
export function osloOptions(document: OsloDocument): readonly OsloOption[] {
  return document.entries.filter((entry) => entry.kind === 'option');
}

/** Values of one option in order. Section names are compared without case, keys with `-` and `_` alike. */
export function osloValues(
  document: OsloDocument,
  section: string,
  ...keys: readonly string[]
): readonly string[] {
  return osloOptions(document)
    .filter((entry) => sameSection(entry.section, section) && keys.includes(normalKey(entry.key)))
    .map((entry) => entry.value.replaceAll('$$', '$'));
}

export function sameSection(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

export function normalKey(key: string): string {
  return key.replaceAll('-', '_');
}

/** One `key = value` line: `$` becomes `$$`, a value that quoting would change is quoted, further lines are indented. */
export function printOsloOption(key: string, value: string): string {
  const [first = '', ...more] = value.replaceAll('$', '$$$$').split('\n');
  const quoted = unquote(first) !== first || first !== first.trim() ? `"${first}"` : first;
  const continuation = more.filter((line) => line.trim() !== '').map((line) => `  ${line}\n`);
  return `${key} = ${quoted}\n${continuation.join('')}`;
}

/** Settings of one file: sections in order, each with its options; several values make several lines. */
export type OsloSections = readonly {
  readonly section: string;
  readonly options: readonly { readonly key: string; readonly values: readonly string[] }[];
}[];

/** Prints settings as a new file. */
export function printOsloSections(sections: OsloSections): string {
  return sections
    .map(
      ({ section, options }) =>
        `[${section}]\n${options.flatMap(({ key, values }) => values.map((value) => printOsloOption(key, value))).join('')}`,
    )
    .join('\n');
}

function option(raw: string, start: number, section: string): OsloOption | undefined {
  const match = /[:=]/.exec(raw);
  const key = raw.slice(0, match?.index).trimEnd();
  if (!match || key === '') return undefined;
  const rest = raw.slice(match.index + 1);
  const value = rest.trim();
  const offset = start + match.index + 1 + (rest.length - rest.trimStart().length);
  return {
    kind: 'option',
    raw,
    start,
    section,
    key,
    separator: match[0] as '=' | ':',
    value: unquote(value),
    at: {
      key: start,
      separator: start + match.index,
      value: value === '' ? start + match.index + 1 : offset,
      end: (value === '' ? start + match.index + 1 : offset) + value.length,
    },
  };
}

/** Quotes are taken off the first line only, before the others are joined to it. */
function continued(entry: OsloOption, more: readonly string[]): OsloOption {
  const raw = [entry.raw, ...more].join('');
  return {
    ...entry,
    raw,
    value: [entry.value, ...more.map((line) => line.trim())].join('\n'),
    at: { ...entry.at, end: entry.start + raw.trimEnd().length },
  };
}

function unquote(value: string): string {
  const quote = value[0];
  return (quote === '"' || quote === "'") && value.endsWith(quote) ? value.slice(1, -1) : value;
}
