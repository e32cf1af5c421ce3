/** The simulator's own reading of device_spec and alias, against verdicts recorded from Nova 26's code. */
import { afterAll, describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import { defaultScenario, type PciDevice } from '../src/openstack/index.ts';
import { offeredDevices } from '../src/openstack/pci.ts';
import { schedule } from '../src/openstack/scheduler.ts';
import { type CloudState, createState } from '../src/openstack/state.ts';

interface Device {
  readonly address: string;
  readonly dev_type: PciDevice['type'];
  readonly vendor_id: string;
  readonly product_id: string;
  readonly parent_addr?: string | null;
}
interface Cases {
  readonly devices: Readonly<Record<string, Device>>;
  readonly device_spec: readonly {
    readonly name: string;
    readonly lines: readonly string[];
    readonly sysfs_pf: readonly string[];
    readonly report_in_placement: boolean;
    readonly ok: boolean;
    readonly match?: readonly string[];
    readonly error?: { readonly class: string; readonly message: string };
  }[];
  readonly pool_match: readonly {
    readonly name: string;
    readonly aliases: readonly object[];
    readonly device_spec: readonly object[];
    readonly devices: readonly Device[];
    readonly extra_spec: string;
    readonly guest_numa_cells: readonly number[] | null;
    readonly supported: boolean | null;
  }[];
}

const recorded = sharedJson<Cases>('openstack/pci-cases-nova-26.0.0.json');
if (!recorded) console.warn('../shared/data is absent: the recorded verdicts of Nova are not compared');

function cloudWith(devices: readonly Device[], nova: string, withParents = true): CloudState {
  const services = ['nova-compute', 'nova-api', 'nova-scheduler'] as const;
  return createState({
    ...defaultScenario(),
    config: services.map((service) => ({ service, text: nova })),
    hosts: [
      {
        name: 'gpu01',
        vcpus: 16,
        memoryMib: 65_536,
        diskGib: 500,
        devices: devices.map(({ address, dev_type, vendor_id, product_id, parent_addr }) => ({
          address,
          type: dev_type,
          vendor: vendor_id,
          product: product_id,
          ...(parent_addr && withParents ? { parent: parent_addr } : {}),
        })),
      },
    ],
  });
}

const lines = (key: string, values: readonly object[]) =>
  values.map((one) => `${key} = ${JSON.stringify(one)}`);

describe.skipIf(!recorded)('PCI devices, against Nova', () => {
  let compared = 0;
  afterAll(() =>
    console.log(`simulated OpenStack against Nova 26: ${compared} verdicts compared, 0 differences`),
  );

  it('device_spec offers the same devices, or is refused', () => {
    const { devices = {}, device_spec = [] } = recorded ?? {};
    for (const { name, lines: values, sysfs_pf, report_in_placement, ok, match = [], error } of device_spec) {
      // What only Placement's translation refuses is listed in NOT-MODELLED.md.
      if (report_in_placement) continue;
      // One pair of quotes around a value belongs to the file.
      const text = ['[pci]', ...values.map((value) => `device_spec = '${value}'`)].join('\n');
      // Without SR-IOV in sysfs a physical function is not known as one.
      const state = cloudWith(Object.values(devices), text, sysfs_pf.length > 0);
      const offered = () => {
        const [host] = state.hosts;
        return host ? offeredDevices(state, host).map(({ device }) => device.address) : [];
      };
      compared += 1;
      if (!ok) {
        // Python's own errors have other words here.
        const own = /^Pci/.test(error?.class ?? '');
        expect(offered, name).toThrow(own ? error?.message : undefined);
        continue;
      }
      const wanted = match.map((key) => devices[key]?.address ?? key);
      expect(offered().sort(), name).toEqual([...wanted].sort());
    }
  });

  it('a flavor’s alias finds a host, or none', () => {
    for (const one of recorded?.pool_match ?? []) {
      // NUMA policies are not modelled.
      if (one.guest_numa_cells !== null || one.supported === null) continue;
      const state = cloudWith(
        one.devices,
        [
          '[pci]',
          ...lines('device_spec', one.device_spec),
          ...lines('alias', one.aliases),
          '[filter_scheduler]',
          'enabled_filters = ComputeFilter,PciPassthroughFilter',
        ].join('\n'),
      );
      const [tiny] = state.flavors;
      if (!tiny) continue;
      const flavor = { ...tiny, extraSpecs: { 'pci_passthrough:alias': one.extra_spec } };
      const placed = schedule(state, { id: 'server', flavor, image: undefined, without: [] });
      compared += 1;
      expect('host' in placed, one.name).toBe(one.supported);
    }
  });
});
