import { VmgpuError } from '@vmgpu/core';
import {
  normalKey,
  type OsloOption,
  type OsloSections,
  parseOslo,
  printOsloOption,
  sameSection,
} from '../translate/oslo-config.ts';

/** First line of a file that is ours alone. */
export const ownHeader = '# Made by vmgpu; what later plans need is added.\n';

/** Options whose values add up (oslo.config's MultiOpt). */
const repeated = ['alias', 'device_spec', 'passthrough_whitelist'];
/** Options with one comma-separated list, in which entries of others may stand. */
const lists = ['device_addresses', 'enabled_mdev_types', 'enabled_vgpu_types', 'enabled_filters'];

/**
 * A configuration text with these settings in it. Everything else stays as it is written: comments, order, other options,
 * and other people's entries of the same ones. Merging twice changes nothing more. Throws `conflict` where a text that
 * is not ours gives an alias of the same name another meaning.
 */
export function mergeConfig(text: string, sections: OsloSections, file: string): string {
  let merged = text;
  for (const { section, options } of sections) {
    for (const { key, values } of options) merged = mergeOption(merged, section, key, values, file);
  }
  return merged;
}

function mergeOption(
  text: string,
  section: string,
  key: string,
  wanted: readonly string[],
  file: string,
): string {
  const own = optionsOf(text, section).filter((option) => normalKey(option.key) === key);
  const last = own.at(-1);
  if (!repeated.includes(key)) {
    const value = lists.includes(key) ? union(last && plainValue(last), wanted) : (wanted.at(-1) ?? '');
    if (last === undefined) return insert(text, section, printOsloOption(key, value));
    return plainValue(last) === value ? text : splice(text, last, last, printOsloOption(key, value));
  }
  const other = key === 'alias' ? own.find((option) => redefines(option, wanted)) : undefined;
  if (other !== undefined) {
    if (!text.startsWith(ownHeader)) {
      throw new VmgpuError('conflict', `${file} gives an alias of this name another meaning`, {
        where: { file },
        found: plainValue(other),
        expected: wanted.join(' '),
        hint: 'name the alias otherwise: providerOptions.openstack.gpus.*.alias',
      });
    }
    return mergeOption(splice(text, other, other, ''), section, key, wanted, file);
  }
  const missing = wanted.filter((value) => !own.some((option) => sameValue(plainValue(option), value)));
  if (missing.length === 0) return text;
  const lines = missing.map((value) => printOsloOption(key, value));
  const [first] = own;
  if (first === undefined || last === undefined) return insert(text, section, lines.join(''));
  // The first device_spec that matches a device gives it its tags: those for one address come before the others.
  const narrow = lines.filter((line) => line.includes('"address"'));
  const wide = lines.filter((line) => !narrow.includes(line));
  const after = text.slice(0, last.start + last.raw.length);
  const whole = ended(after) + wide.join('') + text.slice(after.length);
  return whole.slice(0, first.start) + narrow.join('') + whole.slice(first.start);
}

function optionsOf(text: string, section: string): readonly OsloOption[] {
  return parseOslo(text).entries.filter(
    (entry) => entry.kind === 'option' && sameSection(entry.section, section),
  ) as OsloOption[];
}

function plainValue({ value }: OsloOption): string {
  return value.replaceAll('$$', '$');
}

function union(present: string | undefined, wanted: readonly string[]): string {
  const words = [present ?? '', ...wanted].flatMap((value) => value.split(',')).map((word) => word.trim());
  return [...new Set(words.filter(Boolean))].join(',');
}

function sameValue(left: string, right: string): boolean {
  const [one, other] = [fields(left), fields(right)];
  return left === right || (one !== undefined && one === other);
}

/** The fields of a JSON value in one order; undefined when it is none. */
function fields(value: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(value);
    return JSON.stringify(Object.entries(parsed as object).sort(([a], [b]) => (a < b ? -1 : 1)));
  } catch {
    return undefined;
  }
}

function aliasName(value: string): unknown {
  try {
    return (JSON.parse(value) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}

function redefines(option: OsloOption, wanted: readonly string[]): boolean {
  const value = plainValue(option);
  const name = aliasName(value);
  const ofName = wanted.filter((other) => name !== undefined && aliasName(other) === name);
  return ofName.length > 0 && !ofName.some((other) => sameValue(other, value));
}

/** A line into a section, at its end; the section is made when there is none. */
function insert(text: string, section: string, lines: string): string {
  const { entries } = parseOslo(text);
  let current = 'DEFAULT';
  let place: { readonly start: number; readonly raw: string } | undefined;
  for (const entry of entries) {
    if (entry.kind === 'section') current = entry.name;
    // Lines that oslo.config refuses as well: an indented one would become part of ours.
    if (!['blank', 'comment'].includes(entry.kind) && sameSection(current, section)) place = entry;
  }
  if (place === undefined) {
    const before = ended(text);
    return `${before}${before === '' || before === ownHeader ? '' : '\n'}[${section}]\n${lines}`;
  }
  const end = place.start + place.raw.length;
  return ended(text.slice(0, end)) + lines + text.slice(end);
}

function splice(text: string, from: OsloOption, to: OsloOption, lines: string): string {
  return text.slice(0, from.start) + lines + text.slice(to.start + to.raw.length);
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
