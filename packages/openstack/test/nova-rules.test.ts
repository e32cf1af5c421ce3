import { describe, expect, it } from 'vitest';
import { novaReleases, parseRelease, parseSnapshot, printRelease } from '../src/index.ts';
import { type NovaPciDevice, parseDeviceSpecs, placementProviders } from '../src/translate/matching/index.ts';
import { defaultFilters } from '../src/translate/releases.ts';

const flamingo = parseRelease('2025.2');
const pf: NovaPciDevice = {
  address: '0000:41:00.0',
  vendor_id: '10de',
  product_id: '2236',
  dev_type: 'type-PF',
};
const vf = (fn: number): NovaPciDevice => ({
  ...pf,
  address: `0000:41:00.${fn}`,
  dev_type: 'type-VF',
  parent_addr: '0000:41:00.0',
});

function providers(devices: readonly NovaPciDevice[], ...specs: readonly object[]) {
  const parsed = parseDeviceSpecs(
    specs.map((spec) => JSON.stringify(spec)),
    { release: flamingo, reportInPlacement: true, physicalFunctions: ['0000:41:00.0'] },
  );
  if (!parsed.ok) throw new Error(parsed.error.message);
  return placementProviders('gpu01', devices, parsed.value, flamingo);
}

describe('what Placement is told', () => {
  const ids = { vendor_id: '10de', product_id: '2236' };

  it('counts virtual functions on their card', () => {
    expect(providers([vf(4), vf(5)], ids)).toMatchObject({
      ok: true,
      value: [
        { name: 'gpu01_0000:41:00.0', resourceClass: 'CUSTOM_PCI_10DE_2236', total: 2, accepted: true },
      ],
    });
  });

  it.each([
    ['PF and VF together', [pf, vf(4)], [ids], 'PlacementPciDependentDeviceException'],
    [
      'two classes on a card',
      [vf(4), vf(5)],
      [
        { address: '0000:41:00.4', resource_class: 'A' },
        { address: '0000:41:00.5', resource_class: 'B' },
      ],
      'PlacementPciMixedResourceClassException',
    ],
    [
      'two sets of traits on a card',
      [vf(4), vf(5)],
      [{ address: '0000:41:00.4', traits: 'A' }, { address: '0000:41:00.5' }],
      'PlacementPciMixedTraitsException',
    ],
    ['one-time use of a VF', [vf(4)], [{ ...ids, one_time_use: 'no' }], 'PlacementPciException'],
  ])('refuses %s', (_, devices, specs, error) => {
    expect(providers(devices, ...specs)).toMatchObject({ ok: false, error: { class: error } });
  });

  it('marks names that Placement will not take', () => {
    const result = providers([pf], { ...ids, resource_class: 'CUSTOM_a-b', traits: 'ampere, nvlink' });
    expect(result).toMatchObject({ ok: true, value: [{ resourceClass: 'CUSTOM_A-B', accepted: false }] });
    expect(result.ok && result.value[0]?.traits).toEqual([
      'COMPUTE_MANAGED_PCI_DEVICE',
      'CUSTOM_AMPERE',
      'CUSTOM__NVLINK',
    ]);
  });
});

describe('releases', () => {
  it('are found by any of their names', () => {
    for (const text of ['2024.1', 'caracal', 'Caracal', '29', '29.2.1', '2024.1 Caracal', '29.0.0']) {
      expect(parseRelease(text).nova).toBe(29);
    }
    for (const release of novaReleases)
      expect(parseRelease(printRelease(release).split(' ')[0] ?? '')).toBe(release);
    expect(() => parseRelease('carcal')).toThrow(
      expect.objectContaining({ code: 'unknown-name', hint: 'Did you mean Caracal?' }),
    );
    expect(() => parseRelease('35')).toThrow(/no OpenStack release/);
  });

  it('know their default filters', () => {
    expect(defaultFilters(parseRelease('19'))[0]).toBe('RetryFilter');
    expect(defaultFilters(parseRelease('23'))[0]).toBe('AvailabilityZoneFilter');
    expect(defaultFilters(parseRelease('24'))).toHaveLength(5);
  });

  it('are checked in snapshots', () => {
    const snapshot = {
      apiVersion: 'vmgpu/v1',
      kind: 'OpenStackSnapshot',
      version: '29.0.0',
      deployment: 'packages',
      hosts: [],
    };
    expect(parseSnapshot(snapshot)).toBe(snapshot);
    expect(() => parseSnapshot({ ...snapshot, version: '99' })).toThrow(/no OpenStack release/);
    expect(() => parseSnapshot({ ...snapshot, hostz: [] })).toThrow(/hostz/);
  });
});
