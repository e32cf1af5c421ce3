import type { LintContext, Linter, LintFinding, SourceFile } from '@vmgpu/core';
import { functionsAt } from '../translate/inventory.ts';
import {
  entryOf,
  type MappingEntry,
  printMappingEntry,
  staleReason,
  tryParseMappingEntry,
} from '../translate/mapping.ts';
import { isConfigId } from '../translate/property-string.ts';
import type { ProxmoxSnapshot } from '../translate/snapshot.ts';
import { type Fault, findingAt, snapshotOf } from './findings.ts';

export const pciConfigLinter: Linter = {
  name: 'Proxmox PCI mappings',
  recognises: ({ path, text }) => /(^|\/)pci\.cfg$/.test(path) || /^[ \t]+map .*\bpath=/m.test(text),
  lint: lintPciConfig,
};

const keys = /^(map|mdev|live-migration-capable|description)$/;

function lintPciConfig(file: SourceFile, context?: LintContext): readonly LintFinding[] {
  const snapshot = snapshotOf(context);
  const findings: LintFinding[] = [];
  const blocks = splitBlocks(file.text);
  for (const block of blocks) {
    const mdev = block.lines.some(({ key, value }) => key === 'mdev' && value !== '0');
    if (!isConfigId(block.id)) findings.push(findingAt(file, block.start, block.id.length, badId(block.id)));
    for (const { key, value, start, keyStart } of block.lines) {
      if (!keys.test(key)) findings.push(findingAt(file, keyStart, key.length, unknownKey(key)));
      if (key !== 'map') continue;
      for (const fault of entryFaults(block.id, value, mdev, snapshot)) {
        findings.push(findingAt(file, start, value.length, fault));
      }
    }
  }
  return findings;
}

interface Block {
  readonly id: string;
  readonly start: number;
  readonly lines: {
    readonly key: string;
    readonly value: string;
    readonly keyStart: number;
    readonly start: number;
  }[];
}

function splitBlocks(text: string): readonly Block[] {
  const blocks: Block[] = [];
  let offset = 0;
  for (const raw of text.split('\n')) {
    const line = raw.trimEnd();
    const [whole = '', indent = '', key = ''] = /^(\s*)(\S+)\s*/.exec(line) ?? [];
    if (line !== '' && !line.startsWith('#')) {
      if (indent === '') blocks.push({ id: line, start: offset, lines: [] });
      else {
        blocks.at(-1)?.lines.push({
          key,
          value: line.slice(whole.length),
          keyStart: offset + indent.length,
          start: offset + whole.length,
        });
      }
    }
    offset += raw.length + 1;
  }
  return blocks;
}

/** Faults of one map entry, by itself or against the inventory. Also for the `--map` of commands. */
export function entryFaults(
  id: string,
  text: string,
  mdev: boolean,
  snapshot?: ProxmoxSnapshot,
): readonly Fault[] {
  const result = tryParseMappingEntry(text);
  if (!result.ok) {
    const lower = text
      .replace(/\s*,\s*/g, ',')
      .replace(
        /(path|id|subsystem-id)=(?:0x)?([^,]*)/gi,
        (_, key, value) => `${key}=${String(value).toLowerCase().replace(/:0x/, ':')}`,
      );
    const certain = lower !== text && tryParseMappingEntry(lower).ok;
    const { text: headline, errors = {} } = result.problem;
    const details = Object.entries(errors).map(([key, why]) => `${key}: ${why}`);
    return [
      {
        rule: 'mapping-entry-invalid',
        severity: 'error',
        message: details.join('; ') || headline,
        why: 'Proxmox VE refuses the entry with status 400.',
        remedy: 'write node=NODE,path=0000:26:00,id=10de:1d01,subsystem-id=1462:8c98,iommugroup=15',
        ...(certain ? { replacement: lower } : {}),
      },
    ];
  }
  return [...spellingFaults(result.value, mdev), ...inventoryFaults(id, result.value, mdev, snapshot)];
}

function spellingFaults(entry: MappingEntry, mdev: boolean): Fault[] {
  const faults: Fault[] = [];
  const lower = {
    ...entry,
    id: entry.id.toLowerCase(),
    ...(entry['subsystem-id'] === undefined ? {} : { 'subsystem-id': entry['subsystem-id'].toLowerCase() }),
  };
  if (printMappingEntry(lower) !== printMappingEntry(entry)) {
    faults.push({
      rule: 'mapping-id-case',
      severity: 'error',
      message: 'ids must be in lower case',
      why: 'Stored without complaint, but compared as text at start: the VM does not start (hardware probably changed).',
      remedy: `write id=${lower.id}`,
      replacement: printMappingEntry(lower),
    });
  }
  if (entry.path.includes(';')) {
    faults.push({
      rule: 'mapping-path-list',
      severity: 'error',
      message: `several paths in one entry: ${entry.path}`,
      why: 'They are not alternatives: all are passed together, and each is compared with the one id, so a GPU and its audio function never start.',
      remedy: 'for a whole card write the slot (0000:26:00); for a pool write one map line for each device',
    });
  } else if (!/^[a-f0-9]{4,}:[a-f0-9]{2}:[a-f0-9]{2}(\.[a-f0-9])?$/.test(entry.path)) {
    faults.push({
      rule: 'mapping-path',
      severity: 'error',
      message: `${entry.path} is not an address`,
      why: 'The API lets any character stand for the dot; no device is found at start.',
      remedy: 'write 0000:26:00.0',
    });
  }
  if (mdev && !/\.[a-f0-9]$/.test(entry.path)) {
    faults.push({
      rule: 'mdev-whole-slot',
      severity: 'error',
      message: `a mapping for mediated devices names a whole slot: ${entry.path}`,
      why: 'A slot with several functions does not start: cannot use mediated device with multifunction device.',
      remedy: 'name the function, one map line for each',
    });
  }
  if (entry.iommugroup === undefined) {
    faults.push({
      rule: 'mapping-incomplete',
      severity: 'warning',
      message: 'the entry has no iommugroup',
      why: "Accepted now, refused at start: missing expected property 'iommugroup'.",
      remedy: 'take id, subsystem-id and iommugroup from GET /nodes/NODE/hardware/pci',
    });
  }
  return faults;
}

function inventoryFaults(
  id: string,
  entry: MappingEntry,
  mdev: boolean,
  snapshot: ProxmoxSnapshot | undefined,
): Fault[] {
  const items = snapshot?.nodes.find(({ name }) => name === entry.node)?.pci;
  if (!items || entry.path.includes(';')) return [];
  const faults: Fault[] = [];
  const reason = staleReason({ id, map: [], mdev }, entry, items);
  const functions = functionsAt(items, entry.path);
  const [first] = functions;
  if (reason !== undefined) {
    const fresh = first && { ...entry, ...entryOf(entry.node, entry.path, first) };
    // The same device in another group is the same device; another id is not.
    const certain = fresh && fresh.id === entry.id && !reason.startsWith("'mdev'");
    faults.push({
      rule: 'mapping-stale',
      severity: 'error',
      message: `the entry does not fit the hardware: ${reason}`,
      why: 'VMs that use it do not start: PCI device mapping invalid (hardware probably changed).',
      remedy: fresh
        ? `the device there is ${printMappingEntry(fresh)}`
        : 'find the device in GET /nodes/NODE/hardware/pci',
      ...(certain ? { replacement: printMappingEntry(fresh) } : {}),
    });
  }
  if (functions.length > 1 && functions.some((item) => item.physfn !== undefined || item.virtfns)) {
    faults.push({
      rule: 'whole-slot-with-vfs',
      severity: 'error',
      message: `${entry.path} takes the physical function and its virtual functions`,
      why: 'A path without function matches every function of the slot, virtual functions included.',
      remedy: 'give the function, one map line for each virtual function',
    });
  }
  return faults;
}

function badId(id: string): Fault {
  return {
    rule: 'mapping-id',
    severity: 'error',
    message: `${id} is not the id of a mapping`,
    why: `invalid configuration ID '${id}'`,
    remedy: 'a letter, then letters, digits, - and _, at least two characters in all',
  };
}

function unknownKey(key: string): Fault {
  return {
    rule: 'mapping-key',
    severity: 'error',
    message: `a mapping has no property ${key}`,
    why: 'Proxmox VE skips the line with a warning.',
    remedy: 'properties are map, mdev, live-migration-capable and description',
  };
}
