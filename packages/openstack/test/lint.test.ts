import { readFileSync } from 'node:fs';
import { applyEdits, type LintContext, type SourceFile } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../core/test/shared-data.ts';
import { openstackLinters } from '../src/lint/index.ts';

function lint(file: SourceFile, context?: LintContext) {
  return openstackLinters
    .filter((linter) => linter.recognises(file))
    .flatMap((linter) => linter.lint(file, context));
}

/** `line:column rule` of a nova.conf. */
function places(text: string, path = 'nova.conf', context?: LintContext): readonly string[] {
  return lint({ path, text }, context).map(({ rule, where }) => `${where.line}:${where.column} ${rule}`);
}

const a10 = '"vendor_id": "10de", "product_id": "2236"';
const alias = `alias = {"name": "a10", ${a10}, "device_type": "type-PF"}`;
const filters =
  'ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter';

describe('nova.conf', () => {
  it('that is right has no findings', () => {
    const text = `[pci]\ndevice_spec = {${a10}}\n${alias}\n[filter_scheduler]\nenabled_filters = ${filters},PciPassthroughFilter\n`;
    expect(places(text)).toEqual([]);
  });

  it.each([
    [
      'an alias that never matches a PF',
      `[pci]\nalias = {"name": "a10", ${a10}, "device_type": "type-PCI"}`,
      '2 nova.alias-never-matches type-PCI',
    ],
    ['an alias without type', `[pci]\nalias = {"name": "x", ${a10}}`, '2 nova.alias-without-type {"name"'],
    [
      '0x in an alias',
      '[pci]\nalias = {"name": "x", "vendor_id": "0x10de", "product_id": "2236", "device_type": "type-PF"}',
      '2 nova.alias-id-prefix 0x10de',
    ],
    [
      'an unknown key of an alias',
      `[pci]\nalias = {"name": "x", ${a10}, "type": "type-PF"}`,
      '2 nova.alias-unknown-key type"',
    ],
    [
      'capability_type',
      `[pci]\nalias = {"name": "x", ${a10}, "device_type": "type-PF", "capability_type": "pci"}`,
      '2 nova.alias-capability-type capability_type',
    ],
    [
      'a list of aliases',
      `[pci]\nalias = [{"name": "x", ${a10}, "device_type": "type-PF"}]`,
      '2 nova.alias-refused [{',
    ],
    [
      'a misspelt tag',
      '[pci]\ndevice_spec = {"vendor_id": "10de", "product": "2236"}',
      '2 nova.device-spec-unknown-key product"',
    ],
    ['a partial glob', '[pci]\ndevice_spec = {"address": "0000:4*:00.0"}', '2 nova.partial-glob 4*'],
    ['single quotes', "[pci]\ndevice_spec = {'vendor_id': '10de'}", '2 nova.device-spec-refused {'],
    [
      'an unindented continuation',
      '[pci]\ndevice_spec = {"vendor_id": "10de",\n"product_id": "2236"}',
      '2 nova.device-spec-refused {',
    ],
    ['everything', '[pci]\ndevice_spec = {}', '2 nova.device-spec-everything {}'],
    [
      'a regex that is a prefix',
      `[pci]\ndevice_spec = {${a10}, "address": {"bus": "4"}}`,
      '2 nova.regex-unanchored "4"',
    ],
    [
      'an upper-case regex',
      `[pci]\ndevice_spec = {${a10}, "address": {"bus": "A1"}}`,
      '2 nova.regex-upper-case "A1"',
    ],
    [
      'blanks between traits',
      `[pci]\ndevice_spec = {${a10}, "traits": "ampere, nvlink"}`,
      '2 nova.traits-untrimmed "ampere',
    ],
    [
      'a class that Placement refuses',
      `[pci]\ndevice_spec = {${a10}, "resource_class": "CUSTOM_a-b"}`,
      '2 nova.placement-name CUSTOM_a-b',
    ],
    [
      'an interpolated dollar',
      `[pci]\ndevice_spec = {${a10}, "address": {"bus": "41$x"}}`,
      '2 nova.dollar-interpolated $x',
    ],
    [
      'overwritten filters',
      '[filter_scheduler]\nenabled_filters = PciPassthroughFilter',
      '2 nova.filters-overwritten enabled_filters',
    ],
    [
      'an mdev_class without addresses',
      '[devices]\nenabled_mdev_types = nvidia-558\n[mdev_nvidia-558]\nmdev_class = CUSTOM_A40',
      '4 nova.mdev-class-ignored mdev_class',
    ],
    [
      'upper-case mdev addresses',
      '[mdev_nvidia-558]\ndevice_addresses = 0000:A1:00.4',
      '2 nova.mdev-address-upper-case 0000:A1',
    ],
    [
      'an address of two types',
      '[mdev_a]\ndevice_addresses = 0000:a1:00.4\n[mdev_b]\ndevice_addresses = 0000:a1:00.4',
      '4 nova.mdev-address-twice 0000:a1',
    ],
    ['an old name', `[pci]\npassthrough_whitelist = {${a10}}`, '2 nova.option-renamed passthrough_whitelist'],
    [
      'virtual functions by id',
      `[pci]\ndevice_spec = {${a10}}\nalias = {"name": "v", ${a10}, "device_type": "type-VF"}`,
      '2 nova.virtual-functions-by-id {',
    ],
    [
      'a NUMA policy without filter',
      `[pci]\nalias = {"name": "a", ${a10}, "device_type": "type-PF", "numa_policy": "required"}\n[filter_scheduler]\nenabled_filters = ${filters},PciPassthroughFilter`,
      '2 nova.numa-policy-without-filter numa_policy',
    ],
    [
      'an alias of two types',
      `[pci]\n${alias}\nalias = {"name": "a10", "vendor_id": "10de", "product_id": "1df6", "device_type": "type-PCI"}`,
      '3 nova.alias-twice {"name"',
    ],
  ])('finds %s', (_, text, place) => {
    const found = lint({ path: 'nova.conf', text }).map(({ rule, where: { line = 0, column = 0 } }) => {
      return `${line} ${rule} ${text.split('\n')[line - 1]?.slice(column - 1)}`;
    });
    expect(found).toEqual([expect.stringContaining(place)]);
  });

  it('knows which service reads what, and where kolla-ansible keeps it', () => {
    expect(places(`[pci]\ndevice_spec = {${a10}}`, '/etc/kolla/config/nova/nova-api.conf')).toEqual([
      '2:1 nova.option-in-wrong-service',
    ]);
    expect(places(`[PCI]\n${alias}`, '/etc/kolla/config/nova/nova-api.conf')).toEqual([
      '1:2 kolla.section-case',
    ]);
    expect(places(`[pci]\n${alias}`, '/etc/kolla/config/nova.conf')).toEqual(['2:1 kolla.global-file']);
    expect(places(`[pci]\n${alias}`, '/etc/kolla/nova-api/nova.conf')).toEqual(['1:1 kolla.generated-file']);
    const files = [{ path: 'nova-compute.conf', text: `[pci]\ndevice_spec = {${a10}}` }];
    expect(places(`[pci]\n${alias}`, 'nova-api.conf', { files })).toEqual(['2:1 nova.alias-not-on-compute']);
  });

  it('goes by the release', () => {
    expect(places(`[pci]\ndevice_spec = {${a10}}`, 'nova.conf', { version: 'yoga' })).toEqual([
      '2:1 nova.option-too-new',
    ]);
    expect(places(`[pci]\npassthrough_whitelist = {${a10}}`, 'nova.conf', { version: 'yoga' })).toEqual([]);
    const list = `[filter_scheduler]\nenabled_filters = ${filters}\n`;
    expect(places(list, 'nova.conf', { version: '29' })).toEqual([]);
    expect(places(list, 'nova.conf', { version: 'train' })).toEqual(['2:1 nova.filters-overwritten']);
  });

  it('repairs what is certain, keeping comments and order', () => {
    const text = `# ours\n[pci]\npassthrough_whitelist: {${a10}, "traits": "a, b"} \nalias = {"name": "a10", ${a10}, "device_type": "type-PCI"}\n\n[filter_scheduler]\n; all\navailable_filters = nova.scheduler.filters.all_filters\nenabled_filters = PciPassthroughFilter\n`;
    let fixed = text;
    for (let round = 0; round < 5; round += 1) {
      fixed = applyEdits(
        fixed,
        lint({ path: 'nova.conf', text: fixed }).flatMap(({ fix }) => fix ?? []),
      );
    }
    expect(fixed).toBe(
      `# ours\n[pci]\ndevice_spec = {${a10}, "traits": "a,b"} \n${alias}\n\n[filter_scheduler]\n; all\nenabled_filters = ${filters},PciPassthroughFilter\n`,
    );
    expect(places(fixed)).toEqual([]);
  });
});

describe('other files', () => {
  it('DevStack: quotes and colons', () => {
    const text =
      '[[post-config|$NOVA_CPU_CONF]]\n[pci]\ndevice_spec: {"vendor_id": "10de", "product_id": "2236"}\n';
    const found = lint({ path: 'local.conf', text });
    expect(found.map(({ rule, severity }) => `${severity} ${rule}`).sort()).toEqual([
      'error devstack.quotes',
      'error nova.colon-separator',
    ]);
    const fixed = applyEdits(
      text,
      found.flatMap(({ fix }) => fix ?? []),
    );
    expect(fixed).toContain('device_spec = {\\\\\\"vendor_id\\\\\\": \\\\\\"10de\\\\\\"');
    expect(lint({ path: 'local.conf', text: fixed })).toEqual([]);
  });

  it('openstack-ansible: aliases and keys that are not written', () => {
    const text = `nova_pci_alias:\n  - '{"name": "a10", ${a10}, "device_type": "type-PCI"}'\nnova_enabled_mdev_types:\n  - type: nvidia-558\n    mdev_class: CUSTOM_A\n`;
    expect(places(text, 'user_variables.yml')).toEqual([
      '2:81 nova.alias-never-matches',
      '5:5 ansible.mdev-key-ignored',
    ]);
  });

  it('placement.conf, globals.yml and cyborg.conf', () => {
    expect(
      places(
        '[placement]\nmax_allocation_candidates = 1000\noptimize_for_wide_provider_trees = true\n',
        'placement.conf',
      ),
    ).toEqual(['2:1 placement.limit-without-breadth-first', '3:1 placement.option-in-wrong-section']);
    expect(places('enable_neutron_sriov: "yes"\n', 'globals.yml')).toEqual([
      '1:1 kolla.neutron-sriov-whitelist',
    ]);
    expect(places('[gpu_devices]\nenabled_vgpu_types = nvidia-35\n', 'cyborg.conf')).toEqual([
      '2:1 cyborg.vgpu-unattached',
    ]);
  });

  it('commands in guides', () => {
    const text = [
      '# Guide',
      '```shell',
      'openstack flavor create g --property pci_passthrough:alias=a10 --property hw:numa_nodes=1',
      'openstack flavor set g --property hw:pci_numa_affinity_policy=required',
      '```',
    ].join('\n');
    expect(places(text, 'guide.md')).toEqual([
      '3:27 openstack.extra-spec',
      '4:24 openstack.numa-policy-without-topology',
    ]);
  });
});

const guide = sharedData('../guides/openstack-gpu-passthrough-kolla.md');

describe.skipIf(guide === undefined)('a guide from the field', () => {
  it('has every mistake found at its line', () => {
    const text = readFileSync(guide as string, 'utf8');
    const found = places(text, 'guide.md').map((place) => place.replace(/:\d+ /, ' '));
    for (const expected of [
      '100 kolla.generated-file',
      '101 nova.option-renamed',
      '101 nova.colon-separator',
      '101 nova.ids-take-every-card',
      '103 kolla.container-name',
      '109 nova.alias-not-on-compute',
      '111 nova.filters-overwritten',
      '111 nova.option-in-wrong-service',
      '112 nova.available-filters-redundant',
      '114 nova.restart-everywhere',
      '121 nova.filters-overwritten',
      '132 kolla.global-file',
      '136 nova.filters-overwritten',
      '150 openstack.flavor-hints',
      '160 openstack.property-without-command',
      '160 openstack.hide-hypervisor',
    ]) {
      expect(found).toContain(expected);
    }
    expect(found).not.toContain('144 openstack.property-without-command');
    expect(found.filter((place) => place.includes('never-matches'))).toEqual([]);
  });
});
