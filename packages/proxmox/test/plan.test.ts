import { isVmgpuError, type Plan } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { type ProxmoxSnapshot, proxmoxTranslator, type VmStepState } from '../src/translate/index.ts';
import { cluster, pve1, pve2, vm } from './cluster.ts';

const { plan, render } = proxmoxTranslator;
const state = (made: Plan) => made.steps.find(({ kind }) => kind === 'proxmox.vm')?.after as VmStepState;
const codes = (made: Plan, kind?: string) =>
  made.diagnostics
    .filter((diagnostic) => kind === undefined || diagnostic.kind === kind)
    .map(({ code }) => code.slice(8));

const whole = { name: 'g', mode: 'passthrough', device: { id: '10de:1d01' }, companions: 'include' } as const;

describe('a new VM', () => {
  it('gets a mapping for the whole card, made from the inventory, and the options the GPU needs', () => {
    const made = plan(vm({ memory: '8GiB', gpus: [whole] }), cluster());
    expect(made.steps.map(({ id, scope }) => [id, scope])).toEqual([
      ['mapping/gpu-10de-1d01', 'platform'],
      ['vm/train-1', 'vm'],
    ]);
    expect(made.steps[0]).toMatchObject({
      before: null,
      after: {
        id: 'gpu-10de-1d01',
        map: ['id=10de:1d01,iommugroup=15,node=pve1,path=0000:26:00,subsystem-id=1462:8c98'],
      },
    });
    expect(state(made).options).toEqual({
      name: 'train-1',
      tags: 'vmgpu',
      machine: 'q35',
      cpu: 'host',
      memory: '8192',
      balloon: '0',
      hostpci0: 'mapping=gpu-10de-1d01,pcie=1',
    });
    expect(codes(made)).toEqual(['machine-for-gpu', 'cpu-for-gpu', 'network-none']);
  });

  it('draws several equal cards from one pool, on every node that has them', () => {
    const gpus = [{ name: 'mi', mode: 'passthrough', device: { id: '1002:740f' }, count: 2 }] as const;
    const made = plan(vm({ machine: 'q35', gpus }), cluster({ nodes: [pve1, pve2] }));
    expect(made.steps[0]?.after).toMatchObject({
      map: [
        'id=1002:740f,iommugroup=90,node=pve1,path=0000:c1:00.0,subsystem-id=1002:0c34',
        'id=1002:740f,iommugroup=91,node=pve1,path=0000:c2:00.0,subsystem-id=1002:0c34',
        'id=1002:740f,iommugroup=12,node=pve2,path=0000:05:00.0,subsystem-id=1002:0c34',
      ],
    });
    expect(state(made)).toMatchObject({
      node: 'pve1',
      options: { hostpci0: 'mapping=gpu-1002-740f,pcie=1', hostpci1: 'mapping=gpu-1002-740f,pcie=1' },
    });
  });

  it('finds the vGPU type by the profile’s name and names each virtual function', () => {
    const made = plan(
      vm({ machine: 'q35', gpus: [{ name: 'v', mode: 'vgpu', profile: 'A10-24Q' }] }),
      cluster(),
    );
    expect(made.steps[0]?.after).toEqual({
      id: 'vgpu-10de-2236',
      mdev: true,
      map: [
        'id=10de:2236,iommugroup=60,node=pve1,path=0000:41:00.4,subsystem-id=10de:1482',
        'id=10de:2236,iommugroup=61,node=pve1,path=0000:41:00.5,subsystem-id=10de:1482',
      ],
    });
    expect(state(made).options.hostpci0).toBe('mapping=vgpu-10de-2236,mdev=nvidia-597,pcie=1');
    expect(made.requirements.map(({ kind }) => kind)).toEqual(['iommu', 'virtual-functions', 'vgpu-profile']);
  });

  it('uses a mapping that fits instead of making another', () => {
    const map = ['id=10de:1d01,iommugroup=15,node=pve1,path=0000:26:00,subsystem-id=1462:8c98'];
    const made = plan(vm({ machine: 'q35', gpus: [whole] }), cluster({ mappings: [{ id: 'gt1030', map }] }));
    expect(made.steps).toHaveLength(1);
    expect(state(made).options.hostpci0).toBe('mapping=gt1030,pcie=1');
  });

  it('keeps the entries of others when it extends a mapping, and brings its own up to date', () => {
    const foreign = 'node=pve9,path=0000:09:00,id=10de:1d01';
    const stale = 'id=10de:1d01,iommugroup=3,node=pve1,path=0000:26:00,subsystem-id=1462:8c98';
    const made = plan(
      vm({ gpus: [whole] }),
      cluster({ mappings: [{ id: 'gpu-10de-1d01', map: [foreign, stale] }] }),
    );
    expect(made.steps[0]).toMatchObject({ after: { map: [foreign, stale.replace('group=3', 'group=15')] } });
  });

  it('allocates firmware, TPM and disks as asked', () => {
    const made = plan(
      vm({
        guestOs: 'windows',
        firmware: { type: 'uefi', secureBoot: true, tpm: true },
        disks: [
          { name: 'root', size: '100GiB' },
          { name: 'data', size: '1500MiB' },
        ],
        networks: [{ name: 'vmbr1' }],
        cpu: { cores: 8, sockets: 2, model: 'host' },
        hideHypervisor: true,
      }),
      cluster(),
    );
    expect(state(made)).toMatchObject({
      request: 'create',
      options: {
        ostype: 'win11',
        bios: 'ovmf',
        efidisk0: 'local-lvm:1,efitype=4m,pre-enrolled-keys=1',
        tpmstate0: 'local-lvm:1,version=v2.0',
        scsihw: 'virtio-scsi-single',
        scsi0: 'local-lvm:100',
        scsi1: 'local-lvm:2',
        net0: 'virtio,bridge=vmbr1',
        cores: '4',
        sockets: '2',
        cpu: 'host,hidden=1',
      },
    });
    expect(made.diagnostics).toMatchObject([
      { kind: 'approximated', code: 'proxmox.disk-size-rounded', path: 'spec.disks[1].size' },
    ]);
  });

  it('binds the guest to the GPU’s NUMA node when it is known', () => {
    const spec = {
      cpu: { cores: 16, model: 'host' },
      memory: '64GiB',
      machine: 'q35',
      numa: { gpuAffinity: 'required' },
    } as const;
    const made = plan(
      vm({
        ...spec,
        gpus: [{ name: 'g', mode: 'passthrough', device: { id: '10de:2684' }, companions: 'include' }],
      }),
      cluster(),
    );
    expect(state(made).options).toMatchObject({
      numa: '1',
      numa0: 'cpus=0-15,hostnodes=1,memory=65536,policy=bind',
    });
  });

  it('makes the form of legacy graphics assignment', () => {
    const igd = { name: 'igd', mode: 'passthrough', device: { address: '0000:00:02.0' } } as const;
    const providerOptions = { proxmox: { raw: true, hostpci: { igd: { 'legacy-igd': true } } } };
    const options = state(plan(vm({ gpus: [igd], providerOptions }), cluster({ nodes: [] }))).options;
    expect(options).toMatchObject({ machine: 'pc', vga: 'none', hostpci0: '0000:00:02.0,legacy-igd=1' });
  });

  it('writes addresses instead of mappings when asked to', () => {
    const gpus = [
      { name: 'a', mode: 'vgpu', profile: 'T4-1Q', count: 2 },
      { name: 'b', mode: 'passthrough', device: { id: '1002:740f' }, count: 2 },
      { ...whole, name: 'c' },
    ] as const;
    const snapshot = cluster({ caller: { user: 'root@pam' } });
    const made = plan(vm({ machine: 'q35', gpus, providerOptions: { proxmox: { raw: true } } }), snapshot);
    expect(state(made).options).toMatchObject({
      hostpci0: '0000:42:00.0,mdev=nvidia-230,pcie=1',
      hostpci1: '0000:42:00.0,mdev=nvidia-230,pcie=1',
      hostpci2: '0000:c1:00.0,pcie=1',
      hostpci3: '0000:c2:00.0,pcie=1',
      hostpci4: '0000:26:00,pcie=1',
    });
    expect(codes(made, 'blocked')).toEqual([]);
    expect(made.steps).toHaveLength(1);
  });

  it('puts user data into a snippet', () => {
    const made = plan(vm({ userData: '#cloud-config\n' }), cluster());
    expect(state(made).options).toMatchObject({
      cicustom: 'user=local:snippets/vmgpu-train-1-user.yaml',
      ide2: 'local-lvm:cloudinit,media=cdrom',
    });
    const snippet = render(made).find(({ path }) => path.startsWith('proxmox/snippets/'));
    expect(snippet).toMatchObject({ content: { text: '#cloud-config\n' }, mode: 0o600 });
  });
});

describe('what is told before anything is sent', () => {
  const cases: readonly (readonly [string, Parameters<typeof vm>[0], Partial<ProxmoxSnapshot>, string])[] = [
    [
      'a shared IOMMU group',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { id: '1002:73bf' } }] },
      {},
      'iommu-group-shared',
    ],
    [
      'a card whose virtual functions are on',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { id: '10de:2236' } }] },
      {},
      'sriov-enabled',
    ],
    [
      'too few cards',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { id: '10de:2684' }, count: 2 }] },
      {},
      'too-few-devices',
    ],
    [
      'a profile nobody offers',
      { gpus: [{ name: 'g', mode: 'vgpu', profile: 'L40S-48Q' }] },
      {},
      'profile-unresolved',
    ],
    [
      'a raw address without root',
      { gpus: [whole], providerOptions: { proxmox: { raw: true } } },
      { caller: { user: 'root@pam!ci' } },
      'needs-root',
    ],
    [
      'huge pages without root',
      { memory: '4GiB', hugepages: '1GiB', gpus: [whole] },
      { caller: { user: 'dev@pve' } },
      'needs-root',
    ],
    [
      'a missing privilege',
      { gpus: [whole] },
      { caller: { user: 'dev@pve', privileges: { '/': ['VM.Allocate'] } } },
      'permission-missing',
    ],
    [
      'a word of a later version',
      { gpus: [whole], providerOptions: { proxmox: { hostpci: { g: { driver: 'keep' } } } } },
      { version: '8.4' },
      'needs-newer-version',
    ],
    [
      'a ROM file with a path',
      { gpus: [whole], providerOptions: { proxmox: { hostpci: { g: { romfile: '../x.rom' } } } } },
      {},
      'romfile-path',
    ],
    [
      'PCI Express on i440fx',
      { machine: 'pc', gpus: [whole], providerOptions: { proxmox: { hostpci: { g: { pcie: true } } } } },
      {},
      'would-not-start',
    ],
    ['no storage', { firmware: { type: 'uefi' } }, { storages: [] }, 'storage-unknown'],
    [
      'a stale mapping',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { name: 'old' } }] },
      { mappings: [{ id: 'old', map: ['node=pve1,path=0000:27:00,id=10de:1d01'] }] },
      'mapping-stale',
    ],
    [
      'a mapping that does not exist',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { name: 'gt103' } }] },
      { mappings: [{ id: 'gt1030', map: [] }] },
      'mapping-not-found',
    ],
    [
      'a board without catalogue',
      { gpus: [{ name: 'g', mode: 'passthrough', device: { board: 'NVIDIA A10' } }] },
      {},
      'board-unknown',
    ],
    [
      'an id that another VM has',
      { memory: '1GiB', providerOptions: { proxmox: { vmid: 100 } } },
      { vms: [{ vmid: 100, node: 'pve1', name: 'db', config: {} }] },
      'vmid-taken',
    ],
    [
      'a card that a running VM holds',
      { machine: 'q35', gpus: [{ ...whole, device: { address: '0000:26:00.0' } }] },
      { vms: [{ vmid: 100, node: 'pve1', status: 'running', config: { hostpci0: '0000:26:00' } }] },
      'would-not-start',
    ],
  ];
  it.each(cases)('%s', (_, spec, more, code) => {
    expect(codes(plan(vm(spec), cluster(more)), 'blocked')).toContain(code);
  });

  it.each([
    [{ nod: 'pve1' }, 'unknown key "nod"'],
    [{ options: { hostpci16: '26:00' } }, 'not an option'],
    [{ hostpci: { nobody: { pcie: true } } }, 'not asked for'],
  ])('wrong provider options %j', (proxmox, message) => {
    const attempt = () => plan(vm({ gpus: [whole], providerOptions: { proxmox } }), cluster());
    expect(attempt).toThrow(message);
    try {
      attempt();
    } catch (error) {
      expect(isVmgpuError(error) && error.code).toBe('bad-input');
    }
  });
});

describe('an existing VM', () => {
  const config = {
    name: 'db',
    machine: 'q35',
    memory: '8192',
    hostpci0: '0000:30:00.0,pcie=1',
    hostpci2: 'mapping=gpu-10de-1d01,pcie=on,x-vga=0',
    hostpci5: 'mapping=vgpu-10de-2236,mdev=nvidia-592',
  };
  const map = ['id=10de:1d01,iommugroup=15,node=pve1,path=0000:26:00,subsystem-id=1462:8c98'];
  const snapshot = cluster({
    mappings: [{ id: 'gpu-10de-1d01', map }],
    vms: [{ vmid: 101, node: 'pve1', name: 'db', status: 'running', config }],
  });

  it('keeps index and text of what stays, removes GPUs that are not wanted, touches nothing else', () => {
    const made = plan(vm({ gpus: [whole] }), snapshot, { vm: '101' });
    expect(state(made)).toEqual({
      node: 'pve1',
      vmid: 101,
      request: 'PUT',
      options: { hostpci2: config.hostpci2 },
      delete: ['hostpci5'],
    });
    expect(made.steps.at(-1)).toMatchObject({
      before: { options: { hostpci2: config.hostpci2, hostpci5: config.hostpci5 } },
      risk: 'vm-restart',
    });
  });

  it('adds beside a device that is no GPU', () => {
    const gpus = [
      whole,
      { name: 'v', mode: 'vgpu', profile: 'A10-4Q' },
      { name: 'm', mode: 'passthrough', device: { address: 'c1:00.0' } },
    ] as const;
    const { options } = state(plan(vm({ gpus }), snapshot, { vm: 'db' }));
    expect(options).toEqual({
      hostpci2: config.hostpci2,
      hostpci5: 'mapping=vgpu-10de-2236,mdev=nvidia-592,pcie=1',
      hostpci1: 'mapping=gpu-0000-c1-00-0,pcie=1',
    });
  });

  it('loses its GPUs, and only them, for gpus: []', () => {
    expect(state(plan(vm({ gpus: [] }), snapshot, { vm: '101' }))).toMatchObject({
      options: {},
      delete: ['hostpci2', 'hostpci5'],
    });
  });

  it('is found again by a second run, which has nothing to change', () => {
    const intent = vm({ memory: '8GiB', gpus: [whole], disks: [{ name: 'root', size: '32GiB' }] }, 'again');
    const first = plan(intent, snapshot);
    const stored = { ...state(first).options, scsi0: 'local-lvm:vm-102-disk-0,size=32G' };
    const second = plan(
      intent,
      cluster({ ...snapshot, vms: [{ vmid: 102, node: 'pve1', name: 'again', config: stored }] }),
    );
    const step = second.steps.at(-1);
    expect(state(second)).toMatchObject({ vmid: 102, request: 'PUT', delete: [] });
    expect(step?.before).toEqual({ options: state(second).options });
    expect(step?.risk).toBe('none');
  });

  it('is reported when it does not exist', () => {
    expect(() => plan(vm({ gpus: [] }), snapshot, { vm: '999' })).toThrow('there is no VM 999');
  });
});

describe('scopes and files', () => {
  it('plans each scope alone, without dangling needs', () => {
    const intent = vm({ gpus: [whole] });
    expect(plan(intent, cluster(), { scope: 'platform' }).steps.map(({ kind }) => kind)).toEqual([
      'proxmox.mapping',
    ]);
    expect(plan(intent, cluster(), { scope: 'vm' }).steps).toMatchObject([{ kind: 'proxmox.vm' }]);
    expect(plan(intent, cluster(), { scope: 'vm' }).steps[0]?.needs).toBeUndefined();
  });

  it('quotes everything in the script', () => {
    const providerOptions = { proxmox: { vmid: 105, options: { description: "it's; rm -rf $HOME" } } };
    const script = render(plan(vm({ gpus: [whole], providerOptions }), cluster())).find(
      ({ path }) => path === 'proxmox/vm.sh',
    );
    const text = script?.content.format === 'text' ? script.content.text : '';
    expect(text).toContain('qm create 105 ');
    expect(text).toContain("--description 'it'\\''s; rm -rf $HOME'");
  });
});
