import { describe, expect, it } from 'vitest';
import {
  isBytes,
  isHostTypeId,
  parseBytes,
  parseMigProfile,
  parsePciAddress,
  parsePciId,
  parsePciSlot,
  parseVgpuProfile,
  pciAddressFromParts,
  printBytes,
  printKubernetesQuantity,
  printPciAddress,
  printPciId,
  tryParseMigProfile,
  tryParsePciAddress,
  tryParsePciId,
  tryParsePciSlot,
  tryParseVgpuProfile,
  VmgpuError,
} from '../src/index.ts';
import { sharedJson } from './shared-data.ts';

describe('PCI addresses', () => {
  it('have one spelling for each consumer', () => {
    const address = parsePciAddress('00000000:5E:00.0');
    expect(address).toBe('0000:5e:00.0');
    expect(printPciAddress(address, 'sysfs')).toBe('0000:5e:00.0');
    expect(printPciAddress(address, 'lspci')).toBe('5e:00.0');
    expect(printPciAddress(address, 'libvirt')).toBe('pci_0000_5e_00_0');
    expect(printPciAddress(address, 'nvidia')).toBe('00000000:5E:00.0');
    expect(printPciAddress(address, 'nova-provider')).toBe('0000:5E:00.0');
  });

  it('keep a 32-bit domain', () => {
    const address = parsePciAddress('10000:e1:00.0');
    expect(printPciAddress(address, 'lspci')).toBe('10000:e1:00.0');
    expect(printPciAddress(address, 'nvidia')).toBe('00010000:E1:00.0');
    expect(printPciAddress(address, 'libvirt')).toBe('pci_10000_e1_00_0');
  });

  it.each([
    '',
    ' ',
    '65:00',
    '0000:65:00',
    '65:00.8',
    '65:20.0',
    '0000:65:20.0',
    'zz:00.0',
    '0000-65-00.0',
    '100:00.0',
    '123456789:65:00.0',
    '65:00.0.0',
    '65:00.0 extra',
    'pci_0000_65_00',
    'pci_0_65_00_0',
    'pci_0000_65_20_0',
    '0x65:00.0',
    '..',
    '0000:65:00.0/../x',
  ])('refuse %j', (text) => {
    expect(tryParsePciAddress(text)).toBeUndefined();
    expect(() => parsePciAddress(text)).toThrow(VmgpuError);
  });

  it('of whole slots are not functions, and the other way round', () => {
    expect(parsePciSlot('65:00')).toBe('0000:65:00');
    expect(parsePciSlot('pci_0000_65_1f')).toBe('0000:65:1f');
    for (const text of ['', '65', '65:00.0', '65:20', 'pci_0000_65_00_0', '0000:65:00.']) {
      expect(tryParsePciSlot(text), text).toBeUndefined();
    }
    expect(() => parsePciSlot('65')).toThrow(/such as 0000:65:00/);
  });

  it.each([
    ['domain', { domain: 2 ** 32, bus: 0, device: 0, function: 0 }],
    ['bus', { domain: 0, bus: 256, device: 0, function: 0 }],
    ['device', { domain: 0, bus: 0, device: 32, function: 0 }],
    ['function', { domain: 0, bus: 0, device: 0, function: 8 }],
    ['bus', { domain: 0, bus: -1, device: 0, function: 0 }],
    ['bus', { domain: 0, bus: 1.5, device: 0, function: 0 }],
    ['bus', { domain: 0, bus: Number.NaN, device: 0, function: 0 }],
  ])('made of numbers name the %s that is out of range', (name, parts) => {
    expect(() => pciAddressFromParts(parts)).toThrow(`PCI ${name} out of range`);
  });
});

describe('PCI ids', () => {
  it('are read from every spelling', () => {
    for (const text of [
      '10de:2236',
      '10DE:2236',
      '0x10de:0x2236',
      '0x223610DE',
      'CUSTOM_PCI_10DE_2236',
      ' 10de:2236 ',
    ]) {
      expect(parsePciId(text), text).toBe('10de:2236');
    }
    expect(parsePciId('10DE:25B6:10DE:159D')).toBe('10de:25b6:10de:159d');
  });

  it('lose the subsystem where the spelling has no place for it', () => {
    const id = parsePciId('10de:25b6:10de:159d');
    expect(printPciId(id, 'canonical')).toBe(id);
    expect(printPciId(id, 'kubevirt')).toBe('10DE:25B6');
    expect(printPciId(id, 'nvidia-smi')).toBe('0x25B610DE');
    expect(printPciId(id, 'nova-class')).toBe('CUSTOM_PCI_10DE_25B6');
  });

  it.each([
    '',
    '10de',
    '10de-2236',
    '10de:223',
    '10de:22366',
    '10de:2236:10de',
    '10dg:2236',
    '223610de',
    '0x2236',
    'custom_pci_10de_2236',
    '10de:*',
  ])('refuse %j', (text) => {
    expect(tryParsePciId(text)).toBeUndefined();
    expect(() => parsePciId(text)).toThrow(/vendor:device/);
  });
});

describe('quantities', () => {
  it.each([
    ['64GiB', 64 * 2 ** 30],
    ['64Gi', 64 * 2 ** 30],
    ['512 MiB', 512 * 2 ** 20],
    ['100GB', 100e9],
    ['100G', 100e9],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['4096', 4096],
    ['4k', 4000],
    ['0', 0],
  ])('%s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    '',
    'GiB',
    '-1GiB',
    '1e3',
    '64gib',
    '64GiBs',
    '1,5GiB',
    '1.GiB',
    '.5GiB',
    '1.0001',
    '9007199254740992',
    '8192TiB',
    '64 Gi B',
    'constructor',
    '1constructor',
    '1toString',
  ])('refuse %j', (text) => {
    expect(isBytes(text)).toBe(false);
    expect(() => parseBytes(text)).toThrow(/such as 64GiB/);
  });

  it('print in the largest unit that stays whole', () => {
    expect(printBytes(2 ** 40)).toBe('1TiB');
    expect(printBytes(1536 * 2 ** 20)).toBe('1536MiB');
    expect(printKubernetesQuantity(64 * 2 ** 30)).toBe('64Gi');
    expect(printBytes(1000)).toBe('1000');
    expect(printBytes(0)).toBe('0');
  });
});

describe('vGPU profile names', () => {
  it('come apart', () => {
    expect(parseVgpuProfile('NVIDIA A100-1-5CME')).toEqual({
      short: 'A100-1-5CME',
      board: 'A100',
      prefix: 'NVIDIA',
      slices: 1,
      framebufferMiB: 5120,
      series: 'C',
      variant: 'ME',
    });
    expect(parseVgpuProfile('NVIDIA_RTX_Pro_6000_Blackwell_DC-48C')).toEqual({
      short: 'DC-48C',
      board: 'DC',
      prefix: 'NVIDIA RTX Pro 6000 Blackwell',
      framebufferMiB: 49152,
      series: 'C',
    });
    expect(parseVgpuProfile('GRID M10-0B')).toMatchObject({ framebufferMiB: 512, series: 'B' });
    expect(parseVgpuProfile('GRID T4-2B4')).toMatchObject({
      short: 'T4-2B4',
      framebufferMiB: 2048,
      series: 'B',
    });
  });

  it.each([
    '',
    'A10',
    'A10-24',
    'A10-24E',
    'a10-24Q',
    'A10-24q',
    'A10-024Q',
    'A10-24Q4',
    'A100-0-5C',
    'A100-10-5C',
    'A100-1-5CXX',
    'A100-1-5B4',
    '-24Q',
    'A10 -24Q',
    'nvidia-592',
  ])('refuse %j', (text) => {
    expect(tryParseVgpuProfile(text)).toBeUndefined();
    expect(() => parseVgpuProfile(text)).toThrow(/such as A10-24Q/);
  });

  it("are told apart from a host's own identifiers", () => {
    for (const text of ['nvidia-592', 'i915-GVTg_V5_4', 'mtty-1', 'mtty-2'])
      expect(isHostTypeId(text), text).toBe(true);
    for (const text of ['A10-24Q', 'NVIDIA A10-24Q', 'nvidia', 'nvidia-', '', 'a b-1'])
      expect(isHostTypeId(text), text).toBe(false);
  });

  it('take long hostile texts in linear time', () => {
    for (const text of [
      'A'.repeat(50_000),
      `A${'-a'.repeat(25_000)}!`,
      `${'A-'.repeat(25_000)}1Q!`,
      '1-'.repeat(25_000),
    ]) {
      expect(tryParseVgpuProfile(text)).toBeUndefined();
      expect(tryParseMigProfile(text)).toBeUndefined();
      expect(isHostTypeId(text)).toBe(false);
    }
  });
});

describe('MIG profile names', () => {
  it.each([
    ['1g.5gb', 1, 5, []],
    ['1g.5gb+me', 1, 5, ['+me']],
    ['2g.24gb-me', 2, 24, ['-me']],
    ['1g.24gb+me.all', 1, 24, ['+me.all']],
    ['4g.96gb+gfx', 4, 96, ['+gfx']],
    ['MIG 1g.10gb', 1, 10, []],
    ['MIG 2G.20GB', 2, 20, []],
  ])('%s', (text, slices, memoryGB, attributes) => {
    expect(parseMigProfile(text)).toEqual({ slices, memoryGB, attributes });
  });

  it.each([
    '',
    '0g.5gb',
    '8g.5gb',
    '1g5gb',
    '1g.gb',
    '1g.5gb+',
    '1g.5gb me',
    '1c.1g.5gb',
    '1g.5gb++me',
    '1g.5gb+me.',
  ])('refuse %j', (text) => {
    expect(tryParseMigProfile(text)).toBeUndefined();
    expect(() => parseMigProfile(text)).toThrow(/such as 1g.10gb/);
  });
});

interface ParsedType {
  Type: string;
  Valid: boolean;
  GPU: string;
  G: number;
  GB: number;
  Series: string;
  Attr: string[] | null;
}
const parsed = sharedJson<ParsedType[]>('kubevirt/vgpu-device-manager/types-parsed.json') ?? [];

describe.skipIf(parsed.length === 0)('NVIDIA vgpu-device-manager', () => {
  it('and we read the same out of every type name', () => {
    expect(parsed).toHaveLength(728);
    for (const type of parsed) {
      // Its names are short ones without blanks around them; ours may carry the driver's words before.
      const ours = /\s/.test(type.Type) ? undefined : tryParseVgpuProfile(type.Type);
      expect(ours !== undefined, type.Type).toBe(type.Valid);
      if (!ours) continue;
      expect(ours, type.Type).toMatchObject({
        short: type.Type,
        board: type.GPU,
        series: type.Series,
        framebufferMiB: type.GB === 0 ? 512 : type.GB * 1024,
      });
      expect(ours.slices ?? 0).toBe(type.G);
      expect(ours.variant ?? '').toBe(type.Attr?.[0] ?? '');
    }
  });
});
