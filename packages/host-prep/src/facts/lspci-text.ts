import { type PciBar, tryParsePciAddress } from '@vmgpu/core';
import { type LspciForm, type LspciListing, type LspciRecord, makeListing } from './lspci-record.ts';
import { linesOf, wholeNumber } from './text.ts';

/**
 * The listings made for people: `lspci`, with any of `-n`, `-nn`, `-k`, `-v`…`-vvv`, `-x`…`-xxxx`, `-D`; also inside a
 * Markdown fence, behind a shell prompt's line, or grouped by one of the usual IOMMU group scripts.
 */
export function parseLspciText(text: string): LspciListing {
  const records: LspciRecord[] = [];
  let current: LspciRecord | undefined;
  let group: number | undefined;
  let config: number[] = [];
  let form: LspciForm = 'lspci (names only)';
  const finish = () => {
    if (current && config.length > 0) {
      readConfig(current, config);
      if (form === 'lspci (names only)') form = 'lspci -x';
    }
    config = [];
  };
  for (const line of linesOf(text)) {
    if (line.length > 4000) continue;
    const found = headerLine.exec(line);
    const address = found && tryParsePciAddress(found[2] ?? '');
    if (found && address) {
      finish();
      const named = groupWords.exec(found[1] ?? '');
      if (named) group = wholeNumber(named[1]);
      current = { address, iommuGroup: group };
      const read = readHeader(current, found[3] ?? '');
      if (read !== undefined && form !== 'lspci -nn') form = read;
      records.push(current);
      continue;
    }
    const hex = hexLine.exec(line);
    if (hex && current) {
      const bytes = (hex[2] ?? '').trim().split(/\s+/);
      if (Number.parseInt(hex[1] ?? '', 16) === config.length) {
        config.push(...bytes.map((byte) => Number.parseInt(byte, 16)));
      }
      continue;
    }
    const groupLine = groupWords.exec(line);
    if (groupLine) {
      finish();
      current = undefined;
      group = wholeNumber(groupLine[1]);
      continue;
    }
    if (line.trim() === '') continue;
    // Details are indented; anything else at column 0 ends the listing (a prompt, a fence, prose).
    if (/^\s/.test(line)) {
      if (current) readDetail(current, line.trim());
    } else {
      finish();
      current = undefined;
    }
  }
  finish();
  return makeListing(form, records);
}

// "0000:65:00.0 VGA compatible controller [0300]: ...", after nothing, list marks, or "IOMMU Group 7".
const headerLine =
  /^([\s|*#>-]{0,40}(?:IOMMU\s?group\s?:?\s?\d{1,6}[\s:-]{0,20})?)((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s+(\S.*)$/i;
const groupWords = /^[\s|*#>-]{0,40}(?:IOMMU\s?)?group\s?:?\s?(\d{1,6})(?!\d)/i;
const hexLine = /^\s{0,8}([0-9a-f]{2,3}):((?: [0-9a-f]{2}){1,16})\s*$/i;

/** Returns the form that this header line proves. */
function readHeader(record: LspciRecord, text: string): LspciForm | undefined {
  // "0300: 10de:1d01 (rev a1)", "Class 0300: 10de:1d01".
  const numeric = /^(?:Class )?([0-9a-f]{4}): ([0-9a-f]{4}):([0-9a-f]{4})(?![0-9a-f:])/i.exec(text);
  const tail = /\(rev ([0-9a-f]{2})\)/i.exec(text.slice(-80)) ?? /\(rev ([0-9a-f]{2})\)/i.exec(text);
  record.revision = tail?.[1]?.toLowerCase();
  if (record.revision === 'ff') record.dead = '(rev ff)';
  if (numeric) {
    [record.class, record.vendor, record.device] = numeric.slice(1, 4).map((id) => id.toLowerCase());
    return 'lspci -n';
  }
  // The id is the last [vvvv:dddd] before revision and programming interface; names contain brackets too.
  const ids = [...text.matchAll(/\[([0-9a-f]{4}):([0-9a-f]{4})\]/gi)].at(-1);
  const split = /^([^[\]:]{0,120}?)\s?\[([0-9a-f]{4})\]:?\s+/i.exec(text);
  if (split && ids) {
    record.className = split[1];
    record.class = split[2]?.toLowerCase();
    record.vendor = ids[1]?.toLowerCase();
    record.device = ids[2]?.toLowerCase();
    record.deviceName = text.slice(split[0].length, ids.index).trim() || undefined;
    return 'lspci -nn';
  }
  const colon = text.indexOf(': ');
  if (colon > 0) {
    record.className = text.slice(0, colon);
    record.deviceName = text.slice(colon + 2).replace(/ \(rev [0-9a-f]{2}\).*$/i, '');
  }
  return undefined;
}

function readDetail(record: LspciRecord, line: string): void {
  const [, key = '', value = ''] = /^([^:]{1,40}):\s*(.*)$/.exec(line) ?? [];
  switch (key) {
    case 'Subsystem': {
      const ids = [...value.matchAll(/(?:^|\[)([0-9a-f]{4}):([0-9a-f]{4})(?:\]|$)/gi)].at(-1);
      record.subvendor = ids?.[1]?.toLowerCase();
      record.subdevice = ids?.[2]?.toLowerCase();
      record.subsystemName = value.slice(0, ids?.index ?? value.length).trim() || undefined;
      return;
    }
    case 'Kernel driver in use':
      record.driver = value.trim();
      return;
    case 'Kernel modules':
      record.modules = value.split(/[\s,]+/).filter(Boolean);
      return;
    case 'NUMA node':
      record.numaNode = wholeNumber(value);
      return;
    case 'IOMMU group':
      record.iommuGroup = wholeNumber(value);
      return;
  }
  if (line.startsWith('!!! Unknown header type')) record.dead = line;
  const region = /^Region (\d): Memory at ([0-9a-f]{1,16}|<[a-z]{1,20}>)/i.exec(line);
  if (region) record.bars = [...(record.bars ?? []), bar(region[1], region[2], line)];
  const total = /\bTotal VFs: (\d{1,5})/.exec(line);
  if (total) record.sriovTotal = wholeNumber(total[1]);
}

function bar(index = '', start = '', line = ''): PciBar {
  const [, count = '0', unit = ''] = /\[size=(\d{1,6})([KMGT]?)\]/.exec(line) ?? [];
  const power = ' KMGT'.indexOf(unit || ' ');
  const address = start.startsWith('<') ? 0 : Number.parseInt(start, 16);
  return { index: Number(index), size: Number(count) * 1024 ** power, start: address };
}

/** The standard header of the configuration space (PCI Local Bus 3.0, §6.1). */
function readConfig(record: LspciRecord, bytes: readonly number[]): void {
  const hex = (offset: number) => (bytes[offset] ?? 0).toString(16).padStart(2, '0');
  const word = (offset: number) => hex(offset + 1) + hex(offset);
  if (bytes.length < 16) return;
  const vendor = word(0);
  // A virtual function's own space says ffff:ffff; so does a device that does not answer.
  if (vendor === 'ffff') {
    record.dead ??= bytes.every((byte) => byte === 0xff) ? 'configuration space reads ff' : undefined;
    return;
  }
  record.vendor ??= vendor;
  record.device ??= word(2);
  record.class ??= word(0x0a);
  record.revision ??= hex(8);
  if (((bytes[0x0e] ?? 0) & 0x7f) === 0 && bytes.length >= 0x30 && record.subvendor === undefined) {
    record.subvendor = word(0x2c);
    record.subdevice = word(0x2e);
  }
}
