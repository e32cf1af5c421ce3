import { type Fact, isUnknown, unknown } from '@vmgpu/core';
import type { CaptureSection, HostCapture } from '../capture/format.ts';
import type { Gap } from './host-facts.ts';
import { linesOf } from './text.ts';

/** Looks up sections by name and says why something is not known. */
export interface CaptureReader {
  /** The section of this name, also when it has no content. */
  section(name: string): CaptureSection | undefined;
  /** All sections whose name matches, in capture order. */
  matching(name: RegExp): readonly CaptureSection[];
  /** Content; null when the host has no such file or command; unknown with the reason when it could not be read. */
  optional(name: string): Fact<string | null>;
  /** Content; absence is unknown too. */
  required(name: string): Fact<string>;
  /** Whether the capture asked for these paths, and those that exist below a prefix. */
  pathsBelow(prefix: string): Fact<readonly string[]>;
  exists(path: string): Fact<boolean>;
  /** What the script could not read. */
  readonly gaps: readonly Gap[];
}

const missing = 'not in the capture';

export function createCaptureReader(capture: HostCapture): CaptureReader {
  const byName = new Map<string, CaptureSection>();
  for (const section of capture.sections) {
    // Asked in two ways, the way that worked counts.
    if (!byName.has(section.name) || section.status === 'ok' || section.status === 'rc=0') {
      byName.set(section.name, section);
    }
  }
  const list = byName.get('paths');
  const paths = list && linesOf(list.text);
  const optional = (name: string): Fact<string | null> => {
    const section = byName.get(name);
    if (!section) return unknown(missing);
    return contentOf(section);
  };
  return {
    section: (name) => byName.get(name),
    matching: (name) => capture.sections.filter((section) => name.test(section.name)),
    optional,
    required: (name) => {
      const text = optional(name);
      return text === null ? unknown(`${name} is not on the host`) : text;
    },
    pathsBelow: (prefix) =>
      paths
        ? paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length))
        : unknown(missing),
    exists: (path) => (paths ? paths.includes(path) : unknown(missing)),
    gaps: capture.sections.flatMap((section) => {
      const text = contentOf(section);
      // A command that ends with another status answers, in its way; the reading of that fact says so.
      const unread = ['denied', 'skipped', 'rc=124'].includes(section.status);
      return unread && isUnknown(text) ? [{ source: section.name, why: text.unknown }] : [];
    }),
  };
}

function contentOf(section: CaptureSection): Fact<string | null> {
  const { status, text } = section;
  const said = linesOf(text).at(-1)?.trim() ?? '';
  if (status === 'ok' || status === 'rc=0') return text;
  if (status === 'absent') return null;
  if (status === 'denied') return unknown(said === '' ? 'needs root' : `needs root: ${said}`);
  if (status === 'skipped') return unknown(`left out: ${said}`);
  if (status === 'rc=124') return unknown('took too long');
  return unknown(said === '' ? `ended with ${status}` : said);
}

/** Turns a known value into another; the reason of an unknown one stays. */
export function mapFact<T, U>(fact: Fact<T>, turn: (value: T) => Fact<U>): Fact<U> {
  return isUnknown(fact) ? fact : turn(fact);
}
