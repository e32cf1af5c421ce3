/** The text of `/etc/pve/qemu-server/NNN.conf`. Source: qemu-server 9.2.6, `parse_vm_config` and `write_vm_config`. */
import { badInput } from '@vmgpu/core';
import type { VmOptions } from './option-text.ts';

export interface VmConfig {
  /** What the VM runs with; `description` is one of them. */
  readonly options: VmOptions;
  /** What waits for the next start. */
  readonly pending?: { readonly options: VmOptions; readonly delete: readonly PendingDelete[] };
  readonly snapshots?: Readonly<Record<string, VmOptions>>;
  /** Sections `[special:NAME]`: data that Proxmox VE keeps for itself. */
  readonly special?: Readonly<Record<string, VmOptions>>;
}

export interface PendingDelete {
  readonly option: string;
  readonly force: boolean;
}

/** One line of the file, with its place: lines from 1, offsets into the text. */
export interface ConfigLine {
  readonly kind: 'option' | 'comment' | 'section' | 'blank' | 'unknown';
  /** Name of the section the line lies in; '' for the VM itself. */
  readonly section: string;
  readonly key: string;
  readonly value: string;
  readonly line: number;
  readonly start: number;
  readonly keyStart: number;
  readonly valueStart: number;
}

/** Takes the text apart line by line. Never fails: what it does not understand is `unknown`. */
export function configLines(text: string): readonly ConfigLine[] {
  let section = '';
  let start = 0;
  return text.split('\n').map((raw, index): ConfigLine => {
    const line = raw.replace(/\r$/, '');
    const place = { line: index + 1, start, keyStart: start, valueStart: start };
    start += raw.length + 1;
    const header = /^\[([^\]]+)\]\s*$/.exec(line);
    if (header) {
      section = header[1] ?? '';
      return { kind: 'section', section, key: section, value: '', ...place };
    }
    if (line.trim() === '') return { kind: 'blank', section, key: '', value: '', ...place };
    if (line.startsWith('#')) return { kind: 'comment', section, key: '#', value: line.slice(1), ...place };
    const option = /^(\s*)([A-Za-z][A-Za-z0-9_-]*):([ \t]*)/.exec(line);
    if (!option) return { kind: 'unknown', section, key: '', value: line, ...place };
    const [whole, indent = '', key = ''] = option;
    return {
      kind: indent === '' ? 'option' : 'unknown',
      section,
      key,
      value: line.slice(whole.length).trimEnd(),
      ...place,
      keyStart: place.start + indent.length,
      valueStart: place.start + whole.length,
    };
  });
}

/** Reads the file. Throws `bad-input` with the line for what Proxmox VE would only warn about and drop. */
export function parseVmConfig(text: string, file?: string): VmConfig {
  const sections = new Map<string, { options: Record<string, string>; comments: string[] }>();
  const sectionOf = (name: string) => {
    const found = sections.get(name) ?? { options: {}, comments: [] };
    sections.set(name, found);
    return found;
  };
  sectionOf('');
  for (const line of configLines(text)) {
    const section = sectionOf(line.section);
    if (line.kind === 'comment') section.comments.push(decodeText(line.value));
    if (line.kind === 'option') section.options[line.key] = line.value;
    if (line.kind === 'unknown') {
      throw badInput('not a line of a VM configuration', {
        where: { ...(file === undefined ? {} : { file }), line: line.line, column: 1 },
        found: line.value,
        expected: 'key: value',
      });
    }
  }
  const optionsOf = (name: string): VmOptions => {
    const { options, comments } = sectionOf(name);
    return comments.length > 0 ? { ...options, description: comments.join('\n') } : options;
  };
  const names = [...sections.keys()].filter((name) => name !== '' && name !== 'PENDING');
  const group = (test: (name: string) => boolean, cut: number) =>
    Object.fromEntries(names.filter(test).map((name) => [name.slice(cut), optionsOf(name)]));
  const special = group((name) => name.startsWith('special:'), 8);
  const snapshots = group((name) => !name.startsWith('special:'), 0);
  return {
    options: optionsOf(''),
    ...(sections.has('PENDING') ? { pending: readPending(optionsOf('PENDING')) } : {}),
    ...(Object.keys(special).length > 0 ? { special } : {}),
    ...(Object.keys(snapshots).length > 0 ? { snapshots } : {}),
  };
}

function readPending({ delete: list = '', ...options }: VmOptions) {
  const names = list.split(/[,; ]+/).filter(Boolean);
  return {
    options,
    delete: names.map((name) => ({ option: name.replace(/^!/, ''), force: name.startsWith('!') })),
  };
}

/** Prints the file as Proxmox VE writes it: description first, then the options in alphabetical order. */
export function printVmConfig(config: VmConfig): string {
  const { pending, special = {}, snapshots = {} } = config;
  const sections = [printOptions(config.options)];
  const add = (name: string, options: VmOptions) => sections.push(`[${name}]\n${printOptions(options)}`);
  if (pending) {
    const list = pending.delete.map(({ option, force }) => `${force ? '!' : ''}${option}`).join(',');
    add('PENDING', list === '' ? pending.options : { ...pending.options, delete: list });
  }
  for (const name of Object.keys(special).sort()) add(`special:${name}`, special[name] ?? {});
  for (const name of Object.keys(snapshots).sort()) add(name, snapshots[name] ?? {});
  return sections.join('\n');
}

function printOptions({ description, ...options }: VmOptions): string {
  const comments =
    description === undefined ? [] : description.split('\n').map((line) => `#${encodeText(line)}\n`);
  const lines = Object.keys(options)
    .sort()
    .map((key) => `${key}: ${options[key]}\n`);
  return [...comments, ...lines].join('');
}

/** The configuration as it will be at the next start: pending values and deletions merged. */
export function nextStart({ options, pending }: VmConfig): VmOptions {
  if (!pending) return options;
  const gone = new Set(pending.delete.map(({ option }) => option));
  const kept = Object.entries(options).filter(([key]) => !gone.has(key));
  return { ...Object.fromEntries(kept), ...pending.options };
}

/** Percent-codes everything but printable ASCII, the colon, and percent signs that would read as a code. */
function encodeText(text: string): string {
  return [...new TextEncoder().encode(text.replace(/%(?=[0-9a-f]{2})/gi, '%25'))]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x3a
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}

function decodeText(text: string): string {
  const raw = new TextEncoder().encode(text);
  const bytes: number[] = [];
  for (let at = 0; at < raw.length; at += 1) {
    const code =
      raw[at] === 0x25
        ? /^[0-9a-f]{2}$/i.exec(String.fromCharCode(raw[at + 1] ?? 0, raw[at + 2] ?? 0))
        : null;
    bytes.push(code ? Number.parseInt(code[0], 16) : (raw[at] ?? 0));
    if (code) at += 2;
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
