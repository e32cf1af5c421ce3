/** The text of `/etc/pve/mapping/pci.cfg`. Source: pve-guest-common 6.0.2, `PVE::Mapping::PCI` on pve-common's SectionConfig. */
import { badInput } from '@vmgpu/core';
import type { PciMapping } from './mapping.ts';
import { tryParseBoolean } from './property-string.ts';

/** Reads the file. Throws `bad-input` with the line for what Proxmox VE would skip with a warning. */
export function parsePciConfig(text: string, file?: string): readonly PciMapping[] {
  const mappings: (PciMapping & { map: string[] })[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.trimEnd();
    if (line === '' || line.startsWith('#')) return;
    const fail = (expected: string) =>
      badInput('not a line of pci.cfg', {
        where: { ...(file === undefined ? {} : { file }), line: index + 1, column: 1 },
        found: line,
        expected,
      });
    if (!/^\s/.test(line)) {
      if (/\s/.test(line)) throw fail('the id of a mapping, alone on its line');
      mappings.push({ id: line, map: [] });
      return;
    }
    const [, key = '', value = ''] = /^\s+([a-z][a-z0-9-]*)(?:\s+(.*))?$/.exec(line) ?? [];
    const last = mappings.at(-1);
    if (!last) throw fail('the id of a mapping before its properties');
    if (key === 'map') last.map.push(value);
    else if (key === 'mdev' || key === 'live-migration-capable') {
      Object.assign(last, { [key]: tryParseBoolean(value) ?? value === '' });
    } else if (key === 'description') Object.assign(last, { description: value });
    else throw fail('map, mdev, live-migration-capable or description');
  });
  return mappings;
}

/** Prints as Proxmox VE writes: the map lines first, then the other properties in alphabetical order. */
export function printPciConfig(mappings: readonly PciMapping[]): string {
  return mappings
    .map((mapping) => {
      const lines = [
        ...mapping.map.map((entry) => `map ${entry}`),
        ...(mapping.description === undefined ? [] : [`description ${mapping.description}`]),
        ...(mapping['live-migration-capable'] === undefined
          ? []
          : [`live-migration-capable ${mapping['live-migration-capable'] ? 1 : 0}`]),
        ...(mapping.mdev === undefined ? [] : [`mdev ${mapping.mdev ? 1 : 0}`]),
      ];
      return `${mapping.id}\n${lines.map((line) => `\t${line}\n`).join('')}\n`;
    })
    .join('');
}
