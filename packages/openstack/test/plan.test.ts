import { catalog } from '@vmgpu/core/catalog';
import { describe, expect, it } from 'vitest';
import {
  type ConfigState,
  type FlavorState,
  offlineSnapshot,
  openstackTranslator,
  type RestRequest,
  type ServerState,
} from '../src/index.ts';
import { codes, full, gpu, host, vm } from './support.ts';

const { plan, render } = openstackTranslator;
const a10 = { name: 'gpu0', mode: 'passthrough', device: { id: '10de:2236' }, count: 2 } as const;

/** `service[@host] [section] key = values` of every configuration step. */
function settings(made: ReturnType<typeof plan>): readonly string[] {
  return made.steps.flatMap((step) => {
    if (step.kind !== 'openstack.config') return [];
    const { service, host: on, sections } = step.after as ConfigState;
    return sections.flatMap(({ section, options }) =>
      options.flatMap(({ key, values }) =>
        values.map((value) => `${service}${on ? `@${on}` : ''} [${section}] ${key} = ${value}`),
      ),
    );
  });
}

function specs(made: ReturnType<typeof plan>): Readonly<Record<string, string>> {
  const state = made.steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState | undefined;
  return Object.fromEntries(
    Object.entries(state?.extraSpecs ?? {}).filter(([key]) => !key.startsWith('vmgpu:')),
  );
}

describe('the quota of the project', () => {
  const limits = {
    maxTotalInstances: 10,
    totalInstancesUsed: 3,
    maxTotalCores: -1,
    totalCoresUsed: 900,
    maxTotalRAMSize: 16_384,
    totalRAMUsed: 8_193,
  };
  const made = vm({ ...full, cpu: { cores: 4 }, memory: '8GiB', gpus: [a10] });

  it('has no room for the server: said before Nova refuses it, and only where a server is ordered', () => {
    const tight = plan(made, { ...offlineSnapshot(), limits });
    expect(tight.diagnostics.filter(({ kind }) => kind === 'blocked')).toEqual([
      expect.objectContaining({
        code: 'openstack.quota',
        path: 'spec.memory',
        message: 'the project may have 16384 MiB of memory and has 8193; this server takes 8192 more',
      }),
    ]);
    expect(codes(plan(made, { ...offlineSnapshot(), limits }, { scope: 'platform' }), 'blocked')).toEqual([]);
    const there = [
      { id: 'b1', name: made.metadata.name, status: 'ACTIVE', flavor: { vcpus: 1, ram: 1, disk: 1 } },
    ];
    expect(codes(plan(made, { ...offlineSnapshot(), limits, servers: there }), 'blocked')).toEqual([]);
  });

  it('has just enough', () => {
    const enough = { ...limits, totalRAMUsed: 8_192, totalInstancesUsed: 9 };
    expect(codes(plan(made, { ...offlineSnapshot(), limits: enough }), 'blocked')).toEqual([]);
    const none = { ...enough, totalInstancesUsed: 10 };
    expect(codes(plan(made, { ...offlineSnapshot(), limits: none }), 'blocked')).toEqual(['openstack.quota']);
  });
});

describe('passthrough', () => {
  it('goes through Placement from 2024.1 on, computes before schedulers', () => {
    const made = plan(vm({ ...full, gpus: [a10] }), offlineSnapshot({ version: '2024.1' }));
    expect(settings(made)).toEqual([
      'nova-compute [pci] device_spec = {"vendor_id":"10de","product_id":"2236"}',
      'nova-compute [pci] report_in_placement = true',
      'nova-compute [pci] alias = {"name":"gpu-10de-2236","vendor_id":"10de","product_id":"2236","device_type":"type-PF"}',
      'nova-api [pci] alias = {"name":"gpu-10de-2236","vendor_id":"10de","product_id":"2236","device_type":"type-PF"}',
      'nova-api [filter_scheduler] pci_in_placement = true',
      'nova-scheduler [filter_scheduler] pci_in_placement = true',
      'nova-scheduler [filter_scheduler] enabled_filters = ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter,PciPassthroughFilter',
      'nova-conductor [filter_scheduler] pci_in_placement = true',
    ]);
    const api = made.steps.find(({ id }) => id === 'config/nova-api');
    expect(api?.needs).toEqual(['config/nova-compute']);
    expect(specs(made)).toEqual({ 'pci_passthrough:alias': 'gpu-10de-2236:2' });
  });

  it.each([
    ['wallaby', 'passthrough_whitelist', 'AvailabilityZoneFilter,ComputeFilter'],
    ['queens', 'passthrough_whitelist', 'RetryFilter,AvailabilityZoneFilter,ComputeFilter'],
    ['zed', 'device_spec', 'ComputeFilter'],
  ])('uses the names and defaults of %s', (version, key, filters) => {
    const made = settings(plan(vm({ ...full, gpus: [a10] }), offlineSnapshot({ version })));
    expect(made[0]).toContain(`[pci] ${key} = `);
    expect(made.some((line) => line.includes('report_in_placement'))).toBe(false);
    expect(made.find((line) => line.includes('enabled_filters'))).toContain(`= ${filters}`);
  });

  it('believes the host about the device type before the table', () => {
    const t4 = { name: 't4', mode: 'passthrough', device: { id: '10de:1eb8' } } as const;
    const hosts = [host('old', gpu('0000:81:00.0', '10de:1eb8', { sriovTotal: null }))];
    const told = plan(vm({ ...full, gpus: [t4] }), offlineSnapshot({ hosts }));
    expect(settings(told).join()).toContain('"device_type":"type-PCI"');
    expect(codes(told)).toEqual([]);
    const guessed = plan(vm({ ...full, gpus: [t4] }), offlineSnapshot());
    expect(settings(guessed).join()).toContain('"device_type":"type-PF"');
    expect(codes(guessed)).toEqual(['openstack.device-type-guessed']);
    const mixed = [...hosts, host('new', gpu('0000:81:00.0', '10de:1eb8', { sriovTotal: 16 }))];
    expect(codes(plan(vm({ ...full, gpus: [t4] }), offlineSnapshot({ hosts: mixed })), 'blocked')).toEqual([
      'openstack.device-type-mixed',
    ]);
  });

  it('gives a board of several ids one resource class', () => {
    const boards = catalog.boards.filter(({ ids }) => ids.length > 1);
    const board = boards[0];
    expect(board).toBeDefined();
    const request = { name: 'v', mode: 'passthrough', device: { board: board?.name ?? '' } } as const;
    const made = settings(plan(vm({ ...full, gpus: [request] }), offlineSnapshot(), { catalog }));
    const offered = made.filter((line) => line.includes('device_spec'));
    expect(offered.length).toBeGreaterThan(1);
    expect(new Set(offered.map((line) => /"resource_class":"([^"]+)"/.exec(line)?.[1])).size).toBe(1);
    expect(made.filter((line) => line.startsWith('nova-api [pci] alias'))).toHaveLength(1);
  });

  it('asks for a NUMA topology with the policy, and enables its filter', () => {
    const made = plan(vm({ ...full, numa: { gpuAffinity: 'required' }, gpus: [a10] }), offlineSnapshot());
    expect(specs(made)).toMatchObject({ 'hw:numa_nodes': '1', 'hw:pci_numa_affinity_policy': 'required' });
    expect(settings(made).find((line) => line.includes('enabled_filters'))).toContain(
      'NUMATopologyFilter,PciPassthroughFilter',
    );
    const pinned = plan(
      vm({ ...full, cpu: { cores: 8, dedicated: true }, numa: { gpuAffinity: 'preferred' }, gpus: [a10] }),
      offlineSnapshot(),
    );
    expect(specs(pinned)['hw:numa_nodes']).toBeUndefined();
  });

  it('does not pass a card with virtual functions through Placement', () => {
    const hosts = [
      host(
        'h',
        gpu('0000:41:00.0', '10de:2236', { sriovTotal: 32, virtualFunctions: ['0000:41:00.4' as never] }),
      ),
    ];
    expect(codes(plan(vm({ ...full, gpus: [a10] }), offlineSnapshot({ hosts })), 'blocked')).toEqual([
      'openstack.virtual-functions-enabled',
    ]);
  });

  it('hands out companions only where the right ones are certain', () => {
    const audio = {
      address: '0000:02:00.1',
      id: '10de:0e1b',
      class: '0403',
      driver: null,
      iommuGroup: 1,
      numaNode: 0,
    } as never;
    const card = (address: string) => gpu(address, '10de:0fc6', { companions: [audio] });
    const wish = {
      name: 'g',
      mode: 'passthrough',
      device: { id: '10de:0fc6' },
      companions: 'include',
    } as const;
    const one = plan(
      vm({ ...full, gpus: [wish] }),
      offlineSnapshot({ hosts: [host('h', card('0000:02:00.0'))] }),
    );
    expect(specs(one)['pci_passthrough:alias']).toBe('gpu-10de-0fc6:1,gpu-10de-0fc6-0e1b:1');
    const hosts = [host('h', card('0000:02:00.0'), card('0000:03:00.0'))];
    expect(codes(plan(vm({ ...full, gpus: [wish] }), offlineSnapshot({ hosts })), 'blocked')).toEqual([
      'openstack.companions-mixed',
    ]);
  });

  it('tunes Placement for many like devices', () => {
    const eight = { ...a10, count: 8 };
    const made = settings(plan(vm({ ...full, gpus: [eight] }), offlineSnapshot({ version: '2025.1' })));
    expect(made.filter((line) => line.startsWith('placement-api'))).toEqual([
      'placement-api [placement] max_allocation_candidates = 1000',
      'placement-api [placement] allocation_candidates_generation_strategy = breadth-first',
      'placement-api [workarounds] optimize_for_wide_provider_trees = true',
    ]);
  });

  it('keeps filters and aliases that stand in the configuration', () => {
    const snapshot = {
      ...offlineSnapshot({ deployment: 'kolla-ansible' as const }),
      config: [
        {
          service: 'nova-scheduler' as const,
          text: '[filter_scheduler]\nenabled_filters = ComputeFilter, BlazarFilter\n',
        },
        {
          service: 'nova-api' as const,
          text: '[pci]\nalias = {"name":"other","vendor_id":"10de","product_id":"1df6","device_type":"type-PCI"}\n',
        },
      ],
    };
    const made = settings(plan(vm({ ...full, gpus: [a10] }), snapshot));
    expect(made.find((line) => line.includes('enabled_filters'))).toMatch(
      /BlazarFilter,PciPassthroughFilter$/,
    );
    expect(made.filter((line) => line.startsWith('nova-api [pci] alias'))).toHaveLength(2);
  });
});

const types = [
  { typeId: 'nvidia-63', name: 'GRID P4-1Q', available: 8, maxInstances: 8 },
  { typeId: 'nvidia-64', name: 'GRID P4-2Q', available: 4, maxInstances: 4 },
];
const p4s = host(
  'gpu01',
  gpu('0000:c1:00.0', '10de:1bb3', { vgpuFramework: 'mdev', vgpuTypes: types }),
  gpu('0000:c2:00.0', '10de:1bb3', { vgpuFramework: 'mdev', vgpuTypes: types }),
);

describe('vGPU', () => {
  it('of one type is resources:VGPU, its number from the host', () => {
    const share = { name: 'v', mode: 'vgpu', profile: 'P4-1Q' } as const;
    const made = plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ hosts: [p4s] }));
    expect(settings(made)).toEqual(['nova-compute@gpu01 [devices] enabled_mdev_types = nvidia-63']);
    expect(specs(made)).toEqual({ 'resources:VGPU': '1' });
    expect(codes(made)).toEqual([]);
  });

  it('of several types lists addresses and gives each a class', () => {
    const shares = [
      { name: 'a', mode: 'vgpu', profile: 'P4-1Q', device: { address: '0000:c1:00.0' } },
      { name: 'b', mode: 'vgpu', profile: 'P4-2Q', device: { address: '0000:c2:00.0' } },
    ] as const;
    const made = plan(vm({ ...full, gpus: shares }), offlineSnapshot({ hosts: [p4s] }));
    expect(settings(made)).toEqual([
      'nova-compute@gpu01 [devices] enabled_mdev_types = nvidia-63,nvidia-64',
      'nova-compute@gpu01 [mdev_nvidia-63] device_addresses = 0000:c1:00.0',
      'nova-compute@gpu01 [mdev_nvidia-63] mdev_class = CUSTOM_VGPU_P4_1Q',
      'nova-compute@gpu01 [mdev_nvidia-64] device_addresses = 0000:c2:00.0',
      'nova-compute@gpu01 [mdev_nvidia-64] mdev_class = CUSTOM_VGPU_P4_2Q',
    ]);
    expect(specs(made)).toEqual({ 'resources:CUSTOM_VGPU_P4_1Q': '1', 'resources:CUSTOM_VGPU_P4_2Q': '1' });
    const open = shares.map(({ device: _, ...share }) => share);
    expect(codes(plan(vm({ ...full, gpus: open }), offlineSnapshot({ hosts: [p4s] })), 'blocked')).toContain(
      'openstack.vgpu-types-overlap',
    );
    expect(codes(plan(vm({ ...full, gpus: open }), offlineSnapshot()), 'blocked')).not.toEqual([]);
  });

  const functions = (framework: 'mdev-on-vf' | 'vendor-vfio', id: string) => {
    const vf = (fn: number) =>
      gpu(`0000:25:00.${fn}`, id, {
        role: 'virtual',
        physicalFunction: '0000:25:00.0' as never,
        vgpuFramework: framework,
        vgpuTypes: [{ typeId: 'nvidia-710', name: 'NVIDIA A16-16A', available: 1, maxInstances: 1 }],
      });
    return host('gpu02', gpu('0000:25:00.0', id, { sriovTotal: 16 }), vf(4), vf(5));
  };

  it('on virtual functions with mdev: addresses before 2024.1, a cap after', () => {
    const share = { name: 'v', mode: 'vgpu', profile: 'A16-16A' } as const;
    const hosts = [functions('mdev-on-vf', '10de:25b6')];
    const old = settings(plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ version: 'bobcat', hosts })));
    expect(old).toContain('nova-compute@gpu02 [mdev_nvidia-710] device_addresses = 0000:25:00.4');
    const now = settings(
      plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ version: 'caracal', hosts })),
    );
    expect(now).toContain('nova-compute@gpu02 [mdev_nvidia-710] max_instances = 1');
  });

  it('without mdev is an alias of listed virtual functions that Nova leaves on their driver', () => {
    const share = { name: 'v', mode: 'vgpu', profile: 'A16-16A' } as const;
    const hosts = [functions('vendor-vfio', '10de:25b6')];
    const made = plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ version: 'epoxy', hosts }));
    expect(settings(made)).toContain(
      'nova-compute@gpu02 [pci] device_spec = {"vendor_id":"10de","product_id":"25b6","address":"0000:25:00.4","managed":"no","resource_class":"CUSTOM_VGPU_A16_16A"}',
    );
    expect(settings(made)).toContain(
      'nova-api [pci] alias = {"name":"vgpu-a16-16a","device_type":"type-VF","resource_class":"CUSTOM_VGPU_A16_16A"}',
    );
    expect(specs(made)).toEqual({ 'pci_passthrough:alias': 'vgpu-a16-16a:1' });
    const old = plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ version: '30', hosts }));
    expect(codes(old, 'blocked')).toEqual(['openstack.variant-driver-too-new']);
  });

  it('does not share a card that is handed out whole', () => {
    const both = [
      { name: 'p', mode: 'passthrough', device: { id: '10de:1bb3' } },
      { name: 'v', mode: 'vgpu', profile: 'P4-1Q' },
    ] as const;
    expect(codes(plan(vm({ ...full, gpus: both }), offlineSnapshot({ hosts: [p4s] })), 'blocked')).toEqual([
      'openstack.claimed-twice',
    ]);
  });

  it('never guesses a type number, and says when the catalogue’s is used', () => {
    const share = { name: 'v', mode: 'vgpu', profile: 'A10-24Q' } as const;
    const blind = plan(vm({ ...full, gpus: [share] }), offlineSnapshot());
    expect(codes(blind, 'blocked')).toEqual(['openstack.vgpu-type-unknown']);
    const known = plan(vm({ ...full, gpus: [share] }), offlineSnapshot(), { catalog });
    expect(codes(known)).toEqual(['openstack.vgpu-type-from-catalog']);
    const absent = plan(vm({ ...full, gpus: [share] }), offlineSnapshot({ hosts: [p4s] }), { catalog });
    expect(codes(absent, 'blocked')).toEqual(['openstack.vgpu-type-not-offered']);
  });

  it('more than one in a guest are groups from 33.0.0 on', () => {
    const shares = { name: 'v', mode: 'vgpu', profile: 'nvidia-558', count: 2 } as const;
    expect(specs(plan(vm({ ...full, gpus: [shares] }), offlineSnapshot({ version: '33' })))).toEqual({
      group_policy: 'isolate',
      'resources1:VGPU': '1',
      'resources2:VGPU': '1',
    });
    const old = plan(vm({ ...full, gpus: [shares] }), offlineSnapshot({ version: '32' }));
    expect(codes(old)).toEqual(['openstack.several-vgpus']);
  });
});

describe('an attachment', () => {
  const server = {
    id: 'b1b2',
    name: 'db',
    flavor: {
      original_name: 'm1',
      vcpus: 4,
      ram: 8192,
      disk: 40,
      extra_specs: { 'hw:cpu_policy': 'dedicated' },
    },
  };
  const snapshot = { ...offlineSnapshot(), servers: [server] };

  it('is a flavor like the present one with the GPUs, and a resize', () => {
    const made = plan(vm({ gpus: [a10] }), snapshot, { vm: 'db' });
    const flavor = made.steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState;
    expect(flavor.flavor).toMatchObject({ vcpus: 4, ram: 8192, disk: 40 });
    expect(flavor.extraSpecs).toMatchObject({
      'hw:cpu_policy': 'dedicated',
      'pci_passthrough:alias': 'gpu-10de-2236:2',
    });
    expect(made.steps.at(-1)).toMatchObject({
      kind: 'openstack.resize',
      risk: 'vm-restart',
      after: { server: 'b1b2' },
    });
    const again = {
      ...snapshot,
      servers: [
        {
          ...server,
          flavor: { ...server.flavor, original_name: flavor.flavor.name, extra_specs: flavor.extraSpecs },
        },
      ],
    };
    expect(
      plan(vm({ gpus: [a10] }), again, { vm: 'db' }).steps.some(({ kind }) => kind === 'openstack.resize'),
    ).toBe(false);
    const away = plan(vm({ gpus: [] }), again, { vm: 'db' });
    const bare = away.steps.find(({ kind }) => kind === 'openstack.flavor')?.after as FlavorState;
    expect(bare.extraSpecs).toEqual({ 'hw:cpu_policy': 'dedicated' });
  });

  it('is refused where the extra specs are hidden: they would be lost', () => {
    const { extra_specs: _hidden, ...flavor } = server.flavor;
    const { vcpus, ram, disk } = flavor;
    const flavors = [{ id: 'f1', name: flavor.original_name, vcpus, ram, disk }];
    const blind = { ...snapshot, flavors, servers: [{ ...server, flavor }] };
    expect(codes(plan(vm({ gpus: [a10] }), blind, { vm: 'db' }), 'blocked')).toEqual([
      'openstack.extra-specs-hidden',
    ]);
  });

  it('needs the server', () => {
    expect(codes(plan(vm({ gpus: [a10] }), offlineSnapshot(), { vm: 'db' }), 'blocked')).toEqual([
      'openstack.server-unknown',
    ]);
  });
});

describe('the rest of a plan', () => {
  it('keeps to a scope', () => {
    const made = plan(vm({ ...full, gpus: [a10] }), offlineSnapshot(), { scope: 'vm' });
    expect(made.steps.map(({ kind }) => kind)).toEqual(['openstack.server']);
    expect(made.steps[0]?.needs).toEqual([]);
  });

  it('writes each extra spec at a microversion that takes it', () => {
    const options = {
      flavor: { extraSpecs: { 'hw:maxphysaddr_mode': 'emulate', 'hw:maxphysaddr_bits': '46' } },
    };
    const made = plan(
      vm({ ...full, gpus: [a10], providerOptions: { openstack: options } }),
      offlineSnapshot(),
    );
    const rest = render(made).find(({ path }) => path.endsWith('platform.rest.json'));
    const document = rest?.content as { document: { requests: RestRequest[] } } | undefined;
    const requests = document?.document.requests ?? [];
    const written = requests.filter(({ path }) => path.endsWith('os-extra_specs'));
    expect(
      written.map(({ microversion, body }) => [
        microversion,
        Object.keys((body as { extra_specs: object }).extra_specs)[0],
      ]),
    ).toEqual([
      ['2.86', 'pci_passthrough:alias'],
      ['2.85', 'hw:maxphysaddr_bits'],
    ]);
  });

  it('refuses unknown options with their place', () => {
    const wrong = vm({ ...full, gpus: [a10], providerOptions: { openstack: { flavour: {} } } });
    expect(() => plan(wrong, offlineSnapshot())).toThrow(
      /providerOptions\.openstack.*unknown key "flavour"/s,
    );
  });

  it('says what Nova has no words for', () => {
    const made = plan(vm({ ...full, cpu: { cores: 4, model: 'host' }, gpus: [] }), offlineSnapshot());
    expect(codes(made)).toEqual(['openstack.cpu-model']);
    expect(codes(plan(vm({ cpu: { cores: 4 }, gpus: [a10] }), offlineSnapshot()), 'blocked')).toEqual([
      'openstack.flavor-incomplete',
    ]);
  });

  it('adds data disks next to the root disk', () => {
    const disks = [...(full.disks ?? []), { name: 'data', size: '10GiB' }];
    const made = plan(vm({ ...full, disks, networks: [], gpus: [a10] }), offlineSnapshot());
    const server = (made.steps.at(-1)?.after as ServerState | undefined)?.server;
    expect(server?.networks).toBe('none');
    expect(server?.block_device_mapping_v2).toMatchObject([
      { boot_index: 0, source_type: 'image', destination_type: 'local' },
      { boot_index: -1, source_type: 'blank', volume_size: 10 },
    ]);
  });
});

describe('files', () => {
  const made = (deployment: 'packages' | 'kolla-ansible' | 'openstack-ansible' | 'devstack') =>
    render(plan(vm({ ...full, gpus: [a10] }), offlineSnapshot({ version: '2025.2', deployment, hosts: [] })));

  it('lie where the deployment wants them', () => {
    const configs = (deployment: Parameters<typeof made>[0]) =>
      made(deployment).flatMap(({ path }) =>
        /\.(sh|json)$/.test(path) ? [] : [path.replace('openstack/', '')],
      );
    expect(configs('packages')).toEqual([
      'etc/nova/nova.conf.d/50-vmgpu-alias.conf',
      'etc/nova/nova.conf.d/50-vmgpu-compute.conf',
      'etc/nova/nova.conf.d/50-vmgpu-control.conf',
    ]);
    expect(configs('kolla-ansible')).toEqual(
      ['compute', 'api', 'scheduler', 'conductor'].map((name) => `etc/kolla/config/nova/nova-${name}.conf`),
    );
    expect(configs('openstack-ansible')).toEqual([
      'etc/openstack_deploy/group_vars/nova_compute.yml',
      'etc/openstack_deploy/group_vars/nova_all.yml',
    ]);
    expect(configs('devstack')).toEqual(['local.conf']);
  });

  it('define an alias once, so that one host can run every service', () => {
    const texts = made('packages').flatMap(({ content }) =>
      content.format === 'text' ? [content.text] : [],
    );
    expect(texts.join('\n').match(/^alias = /gm)).toHaveLength(1);
  });

  it('quote for DevStack', () => {
    const [local] = made('devstack');
    expect(local?.content).toMatchObject({ text: expect.stringContaining('alias = {\\\\\\"name\\\\\\":') });
  });

  it('are commands that may run twice', () => {
    const script = made('packages').find(({ path }) => path.endsWith('platform.sh'));
    expect(script?.content).toMatchObject({
      text: expect.stringMatching(/flavor show .* \|\|\n {2}openstack flavor create/),
    });
    expect(script?.mode).toBe(0o755);
  });
});

describe('what the caller could not see', () => {
  const gaps = [
    { path: 'flavors', why: 'the role of the login does not show it', needs: 'reader in the project' },
    { path: 'networks.lab', why: 'several networks have this name' },
    { path: 'networks.other', why: 'several networks have this name' },
    { path: 'aggregates', why: 'the role of the login does not show it' },
    { path: 'hypervisors.gpu-host-1', why: 'the host is down and enabled' },
    { path: 'traits', why: 'the role of the login does not show it', needs: 'placement:traits:list' },
    { path: 'config', why: 'no API tells nova.conf', needs: 'the configuration texts' },
  ];
  const intent = vm({ ...full, networks: [{ name: 'lab' }], gpus: [a10] });
  const told = (scope?: 'platform' | 'vm') =>
    plan(intent, { ...offlineSnapshot({ version: '26' }), gaps }, scope ? { scope } : {}).diagnostics.filter(
      ({ code }) => code === 'openstack.not-read',
    );

  it('is said where a step depends on it, with the right that is missing', () => {
    expect(told().map(({ path, message }) => [path, /seen (\S+) for certain/.exec(message)?.[1]])).toEqual([
      ['spec.gpus', 'flavors'],
      ['spec.networks', 'networks.lab'],
      ['spec.gpus', 'config'],
    ]);
    expect(told()[0]?.remedy).toBe('the caller needs reader in the project');
  });

  it('is no matter for the other scope’s steps', () => {
    expect(told('vm').map(({ path }) => path)).toEqual(['spec.networks']);
    expect(told('platform').map(({ path }) => path)).toEqual(['spec.gpus', 'spec.gpus']);
  });
});
