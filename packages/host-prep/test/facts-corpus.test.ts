import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseNvidiaSmiXml, recognise, type TextKind } from '../src/facts/index.ts';
import { parsers, untypedThrow } from './capture-mutate.ts';
import { collected, filesBelow, readText } from './capture-samples.ts';

/** What files of a folder should be taken for; folders with several kinds of text are not listed. */
const kinds: Readonly<Record<string, readonly TextKind[]>> = {
  acpi: ['acpi-tables', 'unknown'],
  dmesg: ['kernel-log'],
  'insights-grubby': ['grubby', 'unknown'],
  'insights-lsmod': ['lsmod'],
  'insights-lspci': ['lspci'],
  'insights-modinfo': ['modinfo'],
  'insights-lscpu': ['lscpu'],
  'iommu-groups': ['iommu-groups'],
  lscpu: ['lscpu', 'cpuinfo'],
  lshw: ['lshw'],
  lspci: ['lspci'],
  'lspci-hexdump': ['lspci'],
  'lspci-md': ['lspci', 'iommu-groups'],
  nodedev: ['nodedev-xml'],
  'nvidia-smi-text': ['nvidia-smi-text', 'nvidia-smi-vgpu'],
  'nvidia-smi-xml': ['nvidia-smi-xml'],
  udevadm: ['udevadm'],
};

describe.skipIf(!collected)('collected captures', () => {
  it('are all read without an untyped error, and taken for what they are', () => {
    const root = collected ?? '';
    const files = filesBelow(root);
    const found: Record<string, Record<string, number>> = {};
    const wrong: string[] = [];
    let functions = 0;
    for (const file of files) {
      if (/\.tar\.|\.bz2|__tar/.test(basename(file))) continue;
      const text = readText(join(root, file));
      for (const [name, parse] of Object.entries(parsers)) {
        const error = untypedThrow(parse, text.slice(0, 60_000));
        if (error !== undefined) wrong.push(`${file}: ${name}: ${String(error)}`);
      }
      const folder = file.split('/')[0] ?? '';
      const recognised = recognise(text);
      if (recognised.kind === 'nvidia-smi-xml' && !parseNvidiaSmiXml(text)?.[0]?.productName)
        wrong.push(`${file}: no GPU`);
      functions += recognised.functions?.length ?? 0;
      found[folder] ??= {};
      const counts = found[folder] as Record<string, number>;
      counts[recognised.kind] = (counts[recognised.kind] ?? 0) + 1;
      if (kinds[folder] && !kinds[folder].includes(recognised.kind))
        wrong.push(`${file}: taken for ${recognised.kind}`);
    }
    console.info(`${files.length} files, ${functions} PCI functions`, found);
    expect(wrong).toEqual([]);
  });
});
