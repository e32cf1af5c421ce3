import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { functionsOf, parseLspci } from '../src/facts/lspci.ts';
import { collected, readText } from './capture-samples.ts';

const a10 = { address: '0000:01:00.0', id: '10de:2236:10de:1482', class: '0302', revision: 'a1' };

describe('parseLspci', () => {
  it.each([
    [
      'lspci -Dvmmnnk',
      'Slot:\t0000:01:00.0\nClass:\t3D controller [0302]\nVendor:\tNVIDIA Corporation [10de]\nDevice:\tGA102GL [A10] [2236]\nSVendor:\tNVIDIA Corporation [10de]\nSDevice:\tGA102GL [A10] [1482]\nRev:\ta1\nDriver:\tnouveau\nModule:\tnvidiafb\nModule:\tnouveau\nNUMANode:\t0\nIOMMUGroup:\t11\n',
      { ...a10, driver: 'nouveau', modules: ['nvidiafb', 'nouveau'], iommuGroup: 11, numaNode: 0 },
    ],
    [
      'lspci -nnk without domain',
      '01:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)\n\tSubsystem: NVIDIA Corporation GA102GL [A10] [10de:1482]\n\tKernel driver in use: nouveau\n\tKernel modules: nvidiafb, nouveau\n',
      { ...a10, driver: 'nouveau', modules: ['nvidiafb', 'nouveau'] },
    ],
    [
      'lspci -Dmmnn',
      '0000:01:00.0 "3D controller [0302]" "NVIDIA Corporation [10de]" "GA102GL \\"A10\\" [2236]" -ra1 -p00 "NVIDIA Corporation [10de]" "GA102GL [1482]"\n',
      { ...a10, deviceName: 'GA102GL "A10"' },
    ],
    ['lspci -n', '01:00.0 0302: 10de:2236 (rev a1)\n\tSubsystem: 10de:1482\n', a10],
    [
      'lspci -x',
      '01:00.0 3D controller: NVIDIA Corporation GA102GL [A10] (rev a1)\n00: de 10 36 22 06 04 10 00 a1 00 02 03 00 00 00 00\n10: 00 00 00 f6 0c 00 00 e0 00 00 00 00 0c 00 00 f0\n20: 00 00 00 00 01 e0 00 00 00 00 00 00 de 10 82 14\n',
      a10,
    ],
    [
      'a Markdown quotation with CRLF',
      '# Host\r\n```\r\nroot@pve:~# lspci -nn\r\n    01:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)\r\n        Subsystem: NVIDIA Corporation Device [10de:1482]\r\n```\r\n',
      a10,
    ],
    [
      'an IOMMU group script, groups on lines of their own',
      'IOMMU Group 11:\n\t01:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)\n\t\tSubsystem: NVIDIA Corporation Device [10de:1482]\n',
      { ...a10, iommuGroup: 11 },
    ],
    [
      'an IOMMU group script, one line each',
      'IOMMU group 11 01:00.0 3D controller [0302]: NVIDIA Corporation GA102GL [A10] [10de:2236] (rev a1)\n\tSubsystem: Device [10de:1482]\n',
      { ...a10, iommuGroup: 11 },
    ],
  ])('reads %s', (_, text, expected) => {
    expect(functionsOf(parseLspci(text))).toMatchObject([expected]);
  });

  it('tells "no driver" from "not asked"', () => {
    const line = '01:00.0 3D controller [0302]: NVIDIA GA102GL [10de:2236]\n';
    const audio = '01:00.1 Audio device [0403]: NVIDIA [10de:1aef]\n\tKernel driver in use: snd_hda_intel\n';
    expect(functionsOf(parseLspci(line))[0]?.driver).toHaveProperty('unknown');
    expect(functionsOf(parseLspci(line + audio))[0]?.driver).toBeNull();
  });

  it('keeps 32-bit domains and reads regions of lspci -vv', () => {
    const { records } = parseLspci(
      '10000:e1:00.0 3D controller [0302]: X [10de:2236] (rev ff)\n\tRegion 0: Memory at f6000000 (32-bit, non-prefetchable) [size=16M]\n\tRegion 1: Memory at <unassigned> (64-bit, prefetchable) [size=32G]\n\t!!! Unknown header type 7f\n',
    );
    expect(records).toMatchObject([
      {
        address: '10000:e1:00.0',
        dead: '!!! Unknown header type 7f',
        bars: [
          { index: 0, start: 0xf6000000, size: 16 * 2 ** 20 },
          { index: 1, start: 0, size: 32 * 2 ** 30 },
        ],
      },
    ]);
  });

  it('has no functions for a listing of names', () => {
    const listing = parseLspci('01:00.0 VGA compatible controller: NVIDIA Corporation GP108 (rev a1)\n');
    expect(listing).toMatchObject({
      form: 'lspci (names only)',
      records: [{ deviceName: 'NVIDIA Corporation GP108' }],
    });
    expect(functionsOf(listing)).toEqual([]);
  });
});

interface Truth {
  readonly address: string;
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
  readonly subsystemVendor: string;
  readonly subsystemDevice: string;
  readonly revision: string;
  readonly driver: string | null;
  readonly numa?: number;
}

describe.skipIf(!collected)('hosts whose sysfs is known', () => {
  it('every form of lspci tells the same as sysfs, as far as the form goes', () => {
    const root = join(collected ?? '', 'lspci-derived');
    const count = { hosts: 0, listings: 0, functions: 0, fields: 0, cutOff: 0 };
    const differences: string[] = [];
    for (const host of readdirSync(root)) {
      const files = readdirSync(join(root, host));
      const truthFile = files.find((file) => file.startsWith('truth.json')) ?? '';
      const truth = JSON.parse(readText(join(root, host, truthFile))) as Truth[];
      count.hosts += 1;
      for (const form of files.filter((file) => file.startsWith('lspci'))) {
        const text = readText(join(root, host, form));
        const records = new Map(parseLspci(text).records.map((record) => [record.address as string, record]));
        count.listings += 1;
        expect(records.size, `${host} ${form}`).toBe(truth.length);
        for (const real of truth) {
          count.functions += 1;
          const record = records.get(real.address);
          const compare = (field: string, found: unknown, wanted: unknown) => {
            count.fields += 1;
            if (found !== wanted)
              differences.push(`${host} ${form} ${real.address} ${field}: ${found} for ${wanted}`);
          };
          // pciutils 3.9 itself shortens long lines of the listings for people, and with them the id.
          const short = real.address.replace(/^0000:/, '');
          const line = text
            .split('\n')
            .find((each) => each.startsWith(short) || each.startsWith(real.address));
          if (line?.includes('...')) {
            count.cutOff += 1;
            continue;
          }
          if (form.includes('nn')) {
            compare('vendor', record?.vendor, real.vendor);
            compare('device', record?.device, real.device);
            compare('class', record?.class, real.class.slice(0, 4));
          }
          compare('revision', record?.revision ?? '00', real.revision || '00');
          if (form.includes('nnk')) {
            compare('driver', record?.driver ?? null, real.driver);
            const none = /^(0000|ffff)$/.test(real.subsystemVendor);
            compare('subvendor', record?.subvendor, none ? undefined : real.subsystemVendor);
            compare('subdevice', record?.subdevice, none ? undefined : real.subsystemDevice);
          }
          if (form.includes('vmm')) compare('numaNode', record?.numaNode ?? -1, real.numa ?? -1);
        }
      }
    }
    console.info('lspci against sysfs:', count, `${differences.length} differences`);
    expect(differences.slice(0, 10)).toEqual([]);
    expect(count.hosts).toBeGreaterThan(20);
  });
});
