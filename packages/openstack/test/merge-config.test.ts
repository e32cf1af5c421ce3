import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeConfig, ownHeader } from '../src/steps/merge-config.ts';
import { type OsloSections, osloValues, parseOslo } from '../src/translate/oslo-config.ts';

const sections = (section: string, key: string, ...values: readonly string[]): OsloSections => [
  { section, options: [{ key, values }] },
];
const a10 = '{"vendor_id":"10de","product_id":"2236"}';
const t4 = '{"vendor_id":"10de","product_id":"1eb8"}';
const alias = (name: string, product: string) =>
  `{"name":"${name}","vendor_id":"10de","product_id":"${product}"}`;

describe('settings are merged into a file', () => {
  it.each([
    ['a new one', '', sections('pci', 'device_spec', a10), `[pci]\ndevice_spec = ${a10}\n`],
    [
      'at the end of their section',
      '# mine\n[pci]\nreport_in_placement = true\n\n[libvirt]\ncpu_mode = none',
      sections('pci', 'device_spec', a10),
      `# mine\n[pci]\nreport_in_placement = true\ndevice_spec = ${a10}\n\n[libvirt]\ncpu_mode = none`,
    ],
    [
      'beside others of the same option, whatever their spelling',
      `[pci]\ndevice_spec = { "product_id": "2236", "vendor_id": "10de" }\n# end\n`,
      sections('pci', 'device_spec', a10, t4),
      `[pci]\ndevice_spec = { "product_id": "2236", "vendor_id": "10de" }\ndevice_spec = ${t4}\n# end\n`,
    ],
    [
      'before others that would match first',
      `[pci]\ndevice_spec = ${a10}\n`,
      sections('pci', 'device_spec', '{"address":"0000:41:00.0","resource_class":"CUSTOM_X"}'),
      `[pci]\ndevice_spec = {"address":"0000:41:00.0","resource_class":"CUSTOM_X"}\ndevice_spec = ${a10}\n`,
    ],
    [
      'into a list that has entries of others',
      '[filter_scheduler]\nenabled_filters = ComputeFilter, MyFilter\n',
      sections('filter_scheduler', 'enabled_filters', 'ComputeFilter,PciPassthroughFilter'),
      '[filter_scheduler]\nenabled_filters = ComputeFilter,MyFilter,PciPassthroughFilter\n',
    ],
    [
      'instead of another value',
      '[pci]\nreport_in_placement = false\n',
      sections('pci', 'report_in_placement', 'true'),
      '[pci]\nreport_in_placement = true\n',
    ],
    [
      'instead of an alias of the same name in a file of ours',
      `${ownHeader}[pci]\nalias = ${alias('a10', '2236')}\nalias = ${alias('t4', '1eb8')}\n`,
      sections('pci', 'alias', alias('a10', '2235')),
      `${ownHeader}[pci]\nalias = ${alias('t4', '1eb8')}\nalias = ${alias('a10', '2235')}\n`,
    ],
  ])('%s', (_, text, wanted, expected) => {
    expect(mergeConfig(text, wanted, 'nova.conf')).toBe(expected);
    expect(mergeConfig(expected, wanted, 'nova.conf')).toBe(expected);
  });

  it('not where somebody else gives the alias another meaning', () => {
    const theirs = `[pci]\nalias = ${alias('a10', '2236')}\n`;
    expect(() => mergeConfig(theirs, sections('pci', 'alias', alias('a10', '2235')), 'nova.conf')).toThrow(
      expect.objectContaining({ code: 'conflict', where: { file: 'nova.conf' } }),
    );
  });

  it('and an entry of somebody else that goes on in the next line stays whole', () => {
    const theirs = '[devices]\nenabled_mdev_types = nvidia-63,\n  nvidia-64\n  odd\n';
    const once = mergeConfig(theirs, sections('devices', 'enabled_mdev_types', 'nvidia-70'), 'nova.conf');
    expect(once).toBe('[devices]\nenabled_mdev_types = nvidia-63,nvidia-64\n  odd,nvidia-70\n');
    expect(mergeConfig(once, sections('devices', 'enabled_mdev_types', 'nvidia-70'), 'nova.conf')).toBe(once);
  });

  const line = fc.constantFrom(
    '[pci]',
    '[devices]',
    '[DEFAULT]',
    '# comment',
    '',
    'alias = x',
    `device_spec = ${a10}`,
    'enabled_mdev_types = nvidia-63, nvidia-64',
    'report_in_placement: false',
    '  continued',
    'no option',
    'passthrough-whitelist = {"devname": "eth0"}',
  );
  const wanted = fc.constantFrom(
    sections('pci', 'device_spec', t4, a10),
    sections('pci', 'report_in_placement', 'true'),
    sections('devices', 'enabled_mdev_types', 'nvidia-63', 'nvidia-70'),
    sections('DEFAULT', 'debug', '$x "quoted"'),
  );
  it('and are then read from it; merging again, and everything else, changes nothing', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(wanted, { minLength: 1 }), (lines, settings) => {
        const text = lines.join('\n');
        const merged = mergeConfig(text, settings.flat(), 'nova.conf');
        expect(mergeConfig(merged, settings.flat(), 'nova.conf')).toBe(merged);
        const document = parseOslo(merged);
        for (const { section, options } of settings.flat()) {
          for (const { key, values } of options) {
            const found = osloValues(document, section, key);
            if (key === 'enabled_mdev_types')
              for (const value of values) expect(found.at(-1)?.split(',')).toContain(value);
            else if (key === 'device_spec') expect(found).toEqual(expect.arrayContaining([...values]));
            else expect(found.at(-1)).toBe(values[0]);
          }
        }
        const kept = lines.filter((one) => /^#|^alias|^passthrough|^no option/.test(one));
        const left = merged.split('\n').filter((one) => /^#|^alias|^passthrough|^no option/.test(one));
        expect(left).toEqual(kept);
      }),
    );
  });
});
