import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  baseId,
  comparePciAddresses,
  matchesPciId,
  type PciAddress,
  type PciAddressForm,
  type PciIdForm,
  parseBytes,
  parseMigProfile,
  parsePciAddress,
  parsePciId,
  parsePciSlot,
  parseVgpuProfile,
  pciAddressFromParts,
  pciAddressParts,
  pciIdParts,
  printBytes,
  printKubernetesQuantity,
  printMigProfile,
  printPciAddress,
  printPciId,
  printVgpuProfile,
  slotOf,
  toGiB,
  toMiB,
} from '../src/index.ts';

const parts = fc.record({
  // Every width of domain: four digits, Intel VMD's five, and the full 32 bits.
  domain: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: 0xffff }),
    fc.integer({ min: 0x10000, max: 0xffffffff }),
  ),
  bus: fc.integer({ min: 0, max: 0xff }),
  device: fc.integer({ min: 0, max: 0x1f }),
  function: fc.integer({ min: 0, max: 7 }),
});
const hex4 = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16).padStart(4, '0'));
const scramble = fc.constantFrom(
  (text: string) => text.toUpperCase(),
  (text: string) => text.toLowerCase(),
  (text: string) => `  ${text}\n`,
);

describe('PCI addresses', () => {
  it.each<PciAddressForm>(['sysfs', 'lspci', 'libvirt', 'nvidia', 'nova-provider'])(
    'survive the form %s',
    (form) => {
      fc.assert(
        fc.property(parts, scramble, (value, spelling) => {
          const address = pciAddressFromParts(value);
          expect(pciAddressParts(address)).toEqual(value);
          expect(parsePciAddress(spelling(printPciAddress(address, form)))).toBe(address);
        }),
      );
    },
  );

  it('have a slot that reads back, with or without its domain', () => {
    fc.assert(
      fc.property(parts, (value) => {
        const address = pciAddressFromParts(value);
        const slot = slotOf(address);
        expect(parsePciSlot(slot)).toBe(slot);
        expect(parsePciSlot(`pci_${slot.replaceAll(':', '_')}`)).toBe(slot);
        if (value.domain === 0) expect(parsePciSlot(slot.slice('0000:'.length))).toBe(slot);
        expect(`${slot}.${value.function}`).toBe(address);
      }),
    );
  });

  it('sort by their numbers', () => {
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const order = comparePciAddresses(pciAddressFromParts(left), pciAddressFromParts(right));
        const number = ({ domain, bus, device, function: fn }: typeof left) =>
          BigInt(domain) * 65536n + BigInt(bus * 256 + device * 8 + fn);
        const [a, b] = [number(left), number(right)];
        expect(Math.sign(order)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
    const sorted = ['10000:e1:00.0', '2000:00:00.0', '0000:65:00.1', '0000:65:00.0'].map(parsePciAddress);
    expect([...sorted].sort(comparePciAddresses)).toEqual([...sorted].reverse());
  });
});

describe('PCI ids', () => {
  it.each<PciIdForm>(['canonical', 'kubevirt', 'nvidia-smi', 'nova-class'])('survive the form %s', (form) => {
    fc.assert(
      fc.property(hex4, hex4, (vendor, device) => {
        const id = parsePciId(`${vendor}:${device}`);
        expect(parsePciId(printPciId(id, form))).toBe(id);
      }),
    );
  });

  it('keep their subsystem and match without it', () => {
    fc.assert(
      fc.property(hex4, hex4, hex4, hex4, scramble, (vendor, device, subvendor, subdevice, spelling) => {
        const text = [vendor, device, subvendor, subdevice].join(':');
        const id = parsePciId(spelling(text));
        expect(id).toBe(text);
        expect(pciIdParts(id)).toEqual({ vendor, device, subvendor, subdevice });
        expect(matchesPciId(baseId(id), id)).toBe(true);
        expect(matchesPciId(id, id)).toBe(true);
        expect(matchesPciId(id, baseId(id))).toBe(false);
      }),
    );
  });
});

describe('quantities', () => {
  const bytes = fc.oneof(
    fc.maxSafeNat(),
    fc
      .tuple(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 4 }))
      .map(([n, power]) => n * 1024 ** power),
  );

  it('print to something that reads back, in both spellings', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(parseBytes(printBytes(value))).toBe(value);
        expect(parseBytes(printKubernetesQuantity(value))).toBe(value);
      }),
    );
  });

  it('round up to the units of Nova and Proxmox VE, never down', () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toMiB(value) * 2 ** 20).toBeGreaterThanOrEqual(value);
        expect((toMiB(value) - 1) * 2 ** 20).toBeLessThan(value === 0 ? 1 : value);
        expect(toGiB(value) * 2 ** 30).toBeGreaterThanOrEqual(value);
      }),
    );
  });
});

describe('profile names', () => {
  const size = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 300 }));
  const prefix = fc.constantFrom('', 'NVIDIA', 'GRID', 'NVIDIA RTX Pro 6000 Blackwell');
  const timeSliced = fc
    .tuple(
      fc.constantFrom('A10', 'RTX6000-Ada', 'DC', 'V100DX', '6000D'),
      size,
      fc.constantFrom('A', 'B', 'B4', 'C', 'Q'),
    )
    .map(([board, gib, series]) => ({ board, gib, series, short: `${board}-${gib}${series}` }));
  const migBacked = fc
    .tuple(
      fc.constantFrom('A100', 'H100XM', 'DC'),
      fc.integer({ min: 1, max: 9 }),
      size,
      fc.constantFrom('C', 'Q'),
      fc.constantFrom('', 'ME', 'NOME', 'MEALL', 'GFX'),
    )
    .map(([board, slices, gib, series, variant]) => ({
      board,
      slices,
      gib,
      series,
      variant,
      short: `${board}-${slices}-${gib}${series}${variant}`,
    }));

  it('of time-sliced vGPU types say what they were made of', () => {
    fc.assert(
      fc.property(timeSliced, prefix, (made, words) => {
        const full = `${words} ${made.short}`.trim();
        const name = parseVgpuProfile(full);
        expect(name).toMatchObject({ short: made.short, board: made.board, series: made.series.charAt(0) });
        expect(name.framebufferMiB).toBe(made.gib === 0 ? 512 : made.gib * 1024);
        expect(name.slices).toBeUndefined();
        expect(printVgpuProfile(name)).toBe(full);
        expect(parseVgpuProfile(full.replaceAll(' ', '_'))).toEqual(name);
      }),
    );
  });

  it('of MIG-backed vGPU types say what they were made of', () => {
    fc.assert(
      fc.property(migBacked, prefix, (made, words) => {
        const full = `${words} ${made.short}`.trim();
        const name = parseVgpuProfile(full);
        expect(name).toMatchObject({
          short: made.short,
          board: made.board,
          series: made.series,
          slices: made.slices,
        });
        expect(name.variant ?? '').toBe(made.variant);
        expect(printVgpuProfile(name)).toBe(full);
      }),
    );
  });

  it('of MIG instances read back', () => {
    const attribute = fc.constantFrom('+me', '-me', '+gfx', '+me.all');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 400 }),
        fc.uniqueArray(attribute, { maxLength: 2 }),
        scramble,
        (slices, memoryGB, attributes, spelling) => {
          const profile = { slices, memoryGB, attributes };
          expect(parseMigProfile(spelling(printMigProfile(profile)))).toEqual(profile);
          expect(parseMigProfile(`MIG ${printMigProfile(profile)}`)).toEqual(profile);
        },
      ),
    );
  });
});

describe('every reader', () => {
  it('answers any text with a value that prints to itself, or with bad-input', () => {
    const readers = [
      (text: string) => expect(parsePciAddress(parsePciAddress(text))).toBe(parsePciAddress(text)),
      (text: string) => expect(parsePciSlot(parsePciSlot(text))).toBe(parsePciSlot(text)),
      (text: string) => expect(parsePciId(parsePciId(text))).toBe(parsePciId(text)),
      (text: string) =>
        expect(parseVgpuProfile(printVgpuProfile(parseVgpuProfile(text)))).toEqual(parseVgpuProfile(text)),
      (text: string) =>
        expect(parseMigProfile(printMigProfile(parseMigProfile(text)))).toEqual(parseMigProfile(text)),
      (text: string) => expect(parseBytes(printBytes(parseBytes(text)))).toBe(parseBytes(text)),
    ];
    const characters = fc.constantFrom(...'0123456789abcdefABCQGiM:._-+ \t'.split(''));
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: characters })), (text) => {
        for (const read of readers) {
          try {
            read(text);
          } catch (error) {
            if ((error as { code?: string }).code !== 'bad-input') throw error;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the type of an address', () => {
    const address: PciAddress = parsePciAddress('65:00.0');
    expect(address).toBe('0000:65:00.0');
  });
});
