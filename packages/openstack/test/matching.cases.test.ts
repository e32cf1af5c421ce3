import { describe, expect, it } from 'vitest';
import { sharedJson } from '../../core/test/shared-data.ts';
import {
  decidingSpec,
  type NovaPciDevice,
  parseAliases,
  parseDeviceSpecs,
  parseRequests,
  poolsOf,
  supportRequests,
} from '../src/translate/matching/index.ts';
import { normalClass, normalTraits } from '../src/translate/names.ts';
import { parseRelease } from '../src/translate/releases.ts';

/** Verdicts recorded from Nova's own code, one file a release. */
interface Cases {
  devices: Record<string, NovaPciDevice>;
  device_spec: Recorded<{
    name: string;
    lines: string[];
    sysfs_pf: string[];
    report_in_placement: boolean;
    match?: string[];
    tags?: object[];
  }>[];
  alias: Recorded<{
    name: string;
    lines: string[];
    pci_in_placement: boolean;
    parsed?: Record<string, [string, object[]]>;
  }>[];
  alias_request: Recorded<{ aliases: object[]; extra_spec: string; requests?: object[] }>[];
  pool_match: {
    name: string;
    aliases: object[];
    device_spec: object[];
    devices: NovaPciDevice[];
    extra_spec: string;
    guest_numa_cells: number[] | null;
    supported: boolean | null;
    pools?: object[];
    error?: { class: string; message: string };
  }[];
  resource_class?: { in: string | null; out: string }[];
  traits?: { in: string; out: string[] }[];
}
type Recorded<T> = T & { ok: boolean; error?: { class: string; message: string } };

const releases = ['24.0.0', '26.0.0', '27.0.0', '31.0.0', '32.0.0'];
const files = releases.map((version) => ({
  version,
  cases: sharedJson<Cases>(`openstack/pci-cases-nova-${version}.json`),
}));

describe.skipIf(files.some(({ cases }) => cases === undefined))(
  'the matching of PCI devices, against Nova',
  () => {
    let compared = 0;
    let texts = 0;
    let sameTexts = 0;
    const differences: string[] = [];
    const compare = (where: string, ours: unknown, nova: unknown) => {
      compared += 1;
      const [left, right] = [sorted(ours), sorted(nova)];
      if (left !== right) differences.push(`${where}\n  ours ${left}\n  Nova ${right}`);
    };
    const compareText = (ours: string | undefined, nova: string | undefined) => {
      texts += 1;
      if (ours === nova) sameTexts += 1;
    };

    it.each(files)('agrees with Nova $version', ({ version, cases }) => {
      const release = parseRelease(version);
      const all = cases as Cases;
      for (const one of all.device_spec) {
        const where = `${version} device_spec ${one.name}`;
        const result = parseDeviceSpecs(one.lines, {
          release,
          reportInPlacement: one.report_in_placement,
          physicalFunctions: one.sysfs_pf,
        });
        compare(where, result.ok, one.ok);
        if (!result.ok) {
          compare(where, result.error.class, one.error?.class);
          compareText(result.error.message, one.error?.message);
          continue;
        }
        const matched = Object.entries(all.devices).filter(([, device]) =>
          decidingSpec(result.value, device),
        );
        compare(where, matched.map(([name]) => name).sort(), [...(one.match ?? [])].sort());
        compare(
          where,
          result.value.map(({ tags }) => tags),
          one.tags,
        );
      }
      for (const one of all.alias) {
        const where = `${version} alias ${one.name}`;
        const result = parseAliases(one.lines, { release, pciInPlacement: one.pci_in_placement });
        compare(where, result.ok, one.ok);
        if (result.ok) {
          const parsed = Object.entries(result.value).map(([name, { numaPolicy, specs }]) => [
            name,
            [numaPolicy, specs],
          ]);
          compare(where, Object.fromEntries(parsed), one.parsed);
        } else {
          compare(where, result.error.class, one.error?.class);
          compareText(result.error.message, one.error?.message);
        }
      }
      for (const one of all.alias_request) {
        const where = `${version} request ${one.extra_spec}`;
        const aliases = parseAliases(
          one.aliases.map((alias) => JSON.stringify(alias)),
          { release },
        );
        const result = parseRequests(one.extra_spec, aliases.ok ? aliases.value : {});
        compare(where, result.ok, one.ok);
        if (result.ok) {
          const requests = result.value.map(({ alias, count, numaPolicy, specs }) => ({
            alias,
            count,
            numa_policy: numaPolicy,
            spec: specs,
          }));
          compare(where, requests, one.requests);
        } else {
          compare(where, result.error.class, one.error?.class);
          compareText(result.error.message, one.error?.message);
        }
      }
      for (const one of all.pool_match) {
        const where = `${version} pools ${one.name}`;
        const aliases = parseAliases(
          one.aliases.map((alias) => JSON.stringify(alias)),
          { release },
        );
        if (!aliases.ok || one.supported === null) {
          compare(where, aliases.ok ? null : aliases.error.class, one.error?.class);
          continue;
        }
        const specs = parseDeviceSpecs(
          one.device_spec.map((spec) => JSON.stringify(spec)),
          { release },
        );
        const requests = parseRequests(one.extra_spec, aliases.value);
        if (!specs.ok || !requests.ok) throw new Error(where);
        const pools = poolsOf(one.devices, specs.value, release);
        compare(where, pools, one.pools);
        const verdict = supportRequests(pools, requests.value, { cells: one.guest_numa_cells }, release);
        compare(where, verdict.supported, one.supported);
      }
      for (const one of all.resource_class ?? []) {
        if (one.in !== null) compare(`${version} class ${one.in}`, normalClass(one.in), one.out);
      }
      for (const one of all.traits ?? []) {
        compare(`${version} traits ${one.in}`, normalTraits(one.in), one.out);
      }
      expect(differences).toEqual([]);
    });

    it('compares every recorded case', () => {
      console.info(
        `Nova's PCI rules: ${compared} comparisons, ${differences.length} differences; ${sameTexts} of ${texts} error texts equal`,
      );
      expect(compared).toBeGreaterThan(1000);
    });
  },
);

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
