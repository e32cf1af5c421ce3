import { type PciAddress, unknown } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { assessHost } from '../src/modules/index.ts';
import { type HostGoal, planHost, planHostRemoval } from '../src/plan/index.ts';
import { hardware, type Loader, ModelHost, type ModelOptions } from './plan-model-host.ts';

const first = '0000:65:00.0' as PciAddress;
const passthrough: HostGoal = { mode: 'vm-passthrough' };
const one: HostGoal = { mode: 'vm-passthrough', devices: [first] };
const loaders: readonly Loader[] = [
  'grub',
  'proxmox-systemd-boot',
  'grubby',
  'grub-defaults',
  'loader-entries',
];

/** Plans, applies, and plans again. */
function prepare(host: ModelHost, goal: HostGoal) {
  const plan = planHost(host.facts(), goal);
  host.apply(plan);
  return { plan, again: planHost(host.facts(), goal) };
}

describe.each(loaders)('a host that starts by %s', (loader) => {
  it('is made ready by one reboot, and then needs nothing', () => {
    const host = new ModelHost({ loader });
    expect(assessHost(host.facts(), passthrough).verdict).toBe('not-ready');
    const { plan, again } = prepare(host, passthrough);
    expect(plan.diagnostics).toEqual([]);
    expect(plan.reboot).toBe(true);
    expect(host.boots).toBe(2);
    expect(assessHost(host.facts(), passthrough).verdict).toBe('ready');
    expect(host.drivers.get(first)).toBe('vfio-pci');
    expect(again.steps).toEqual([]);
    expect(again.reboot).toBe(false);
  });

  it('comes back to the same bytes and drivers', () => {
    const host = new ModelHost({ loader });
    const before = host.foreign();
    const drivers = new Map(host.drivers);
    prepare(host, passthrough);
    host.apply(planHostRemoval(host.facts()));
    expect(host.foreign()).toEqual(before);
    expect(host.drivers).toEqual(drivers);
    expect(planHostRemoval(host.facts()).steps).toEqual([]);
  });
});

it('gives only one of two equal GPUs away', () => {
  const host = new ModelHost();
  const { again } = prepare(host, one);
  expect(host.drivers.get(first)).toBe('vfio-pci');
  expect(host.drivers.get('0000:b3:00.0')).toBe('nouveau');
  expect(again.steps).toEqual([]);
});

const consent: HostGoal['consent'] = [
  'console-gpu',
  'single-gpu-console',
  'group-neighbours',
  'host-devices-in-group',
  'unsafe-interrupts',
  'release-twins',
];
const grub = (words: string) => ({ '/etc/default/grub': `GRUB_CMDLINE_LINUX_DEFAULT="quiet ${words}"\n` });
const modprobe = (text: string) => ({ '/etc/modprobe.d/vfio.conf': text });
const nvidia = hardware.map((card) => (card.driver === 'nouveau' ? { ...card, driver: 'nvidia' } : card));
const integrated = [
  ...hardware.filter(({ address }) => !address.startsWith('0000:65') && !address.startsWith('0000:b3')),
  {
    address: '0000:00:02.0',
    id: '8086:4680:1043:8694',
    class: '0300',
    driver: 'i915',
    group: 0,
    bootVga: false,
    integrated: true,
  },
];

/** Hosts with one thing wrong each, and the checks that must see it. */
const broken: readonly (readonly [what: string, checks: string, options: ModelOptions, goal?: HostGoal])[] = [
  ['IOMMU off by default', 'H07 H09 H15 H19 H22', {}],
  ['intel_iommu=off', 'H09', { files: grub('intel_iommu=off') }],
  ['iommu=off', 'H09', { files: grub('iommu=off splash') }],
  ['amd_iommu=off', 'H09', { files: grub('amd_iommu=off'), cpu: 'AuthenticAMD' }],
  [
    'amd_iommu=off, systemd-boot',
    'H09',
    {
      files: { '/etc/kernel/cmdline': 'root=ZFS=x amd_iommu=off boot=zfs\n' },
      cpu: 'AuthenticAMD',
      loader: 'proxmox-systemd-boot',
    },
  ],
  ['interrupt remapping off', 'H10 H14', { files: grub('nox2apic intremap=off'), iommuByDefault: true }],
  [
    'words in a file that is not read',
    'H10',
    { files: grub('intel_iommu=on iommu=pt'), loader: 'proxmox-systemd-boot' },
  ],
  ['integrated GPU without group', 'H11', { cards: integrated, iommuByDefault: true }],
  ['vfio_virqfd', 'H16', { files: { '/etc/modules': '# mine\nvfio\nvfio_pci\nvfio_virqfd\n' } }],
  [
    'options of a built-in vfio-pci',
    'H17',
    {
      files: modprobe('options vfio-pci ids=10de:2236,10de:1aef\nsoftdep nouveau pre: vfio-pci\n'),
      vfioPci: 'builtin',
    },
  ],
  [
    'several lists of ids',
    'H18',
    { files: modprobe('options vfio-pci ids=10de:2236 disable_vga=1\noptions vfio-pci ids=10de:1aef\n') },
  ],
  ['a blank in the list of ids', 'H18', { files: modprobe('options vfio-pci ids=10de:2236, 10de:1aef\n') }],
  [
    'a list that takes the twin too',
    'H18',
    {
      files: modprobe(
        'options vfio-pci ids=10de:2236,10de:1aef\nsoftdep nouveau pre: vfio-pci\nsoftdep snd_hda_intel pre: vfio-pci\n',
      ),
      iommuByDefault: true,
    },
    { ...one, consent },
  ],
  [
    'a blacklist that does not work',
    'H23',
    { files: { ...modprobe('blacklist nouveau\n'), '/etc/initramfs-tools/modules': 'nouveau\n' } },
  ],
  [
    'a blacklist of vfio-pci',
    'H15',
    { files: { '/etc/modprobe.d/local.conf': 'blacklist vfio-pci\n' }, iommuByDefault: true },
  ],
  [
    'a blacklist and a false install of the VFIO modules',
    'H15',
    {
      files: {
        '/etc/modprobe.d/local.conf': '# why?\ninstall vfio_iommu_type1 /bin/false\nblacklist vfio_pci\n',
      },
      iommuByDefault: true,
    },
  ],
  ['a blacklist of KVM', 'H07', { files: { '/etc/modprobe.d/virtual.conf': 'blacklist kvm_intel\n' } }],
  [
    'a blacklist of vfio-pci on the command line',
    'H15',
    { files: grub('module_blacklist=pcspkr,vfio_pci'), iommuByDefault: true },
  ],
  [
    "a blacklist of the disk's driver",
    'H26',
    { files: modprobe('blacklist nvme\nblacklist snd_hda_intel\n') },
  ],
  [
    "a blacklist of the network's driver on the command line",
    'H26',
    { files: grub('modprobe.blacklist=nouveau,igb') },
  ],
  [
    'a vGPU host whose GPU is on a list of ids',
    'H20 V13',
    {
      files: modprobe('options vfio-pci ids=10de:2236,8086:1521\nsoftdep nvidia pre: vfio-pci\n'),
      cards: nvidia,
      iommuByDefault: true,
    },
    { mode: 'vm-vgpu' },
  ],
  [
    'a container host whose GPU is on a list of ids',
    'H21',
    { files: modprobe('options vfio-pci ids=10de:2236\nsoftdep nvidia pre: vfio-pci\n'), cards: nvidia },
    { mode: 'container' },
  ],
  ['nouveau where containers want nvidia', 'H22', {}, { mode: 'container' }],
  ['an id list, strategy ids', 'H19', { iommuByDefault: true }, { mode: 'vm-passthrough', strategy: 'ids' }],
  [
    'strategy kernel-argument',
    'H19',
    { iommuByDefault: true, vfioPci: 'builtin' },
    { mode: 'vm-passthrough', strategy: 'kernel-argument' },
  ],
  ['strategy runtime', 'H19', { iommuByDefault: true }, { mode: 'vm-passthrough', strategy: 'runtime' }],
];

describe('a host with something wrong', () => {
  const open = (host: ModelHost, goal: HostGoal) =>
    assessHost(host.facts(), goal).findings.filter(
      ({ automatic, status }) => automatic === true && (status === 'fail' || status === 'warn'),
    );

  it.each(broken.map(([what, checks, options, asked]) => ({ what, checks, options, asked })))(
    '$what: what can be done by itself is done',
    ({ checks, options, asked }) => {
      const goal = asked ?? { ...passthrough, consent };
      const host = new ModelHost(options);
      const before = host.foreign();
      const drivers = new Map(host.drivers);
      const seen = open(host, goal).map(({ id }) => id);
      for (const id of checks.split(' ')) expect(seen).toContain(id);
      const { plan, again } = prepare(host, goal);
      expect(plan.steps.flatMap(({ turnsGreen }) => turnsGreen)).toEqual(
        expect.arrayContaining(checks.split(' ')),
      );
      expect(open(host, goal).map(({ id, device, why }) => `${id} ${device}: ${why}`)).toEqual([]);
      expect(again.steps.map(({ summary }) => summary)).toEqual([]);
      host.apply(planHostRemoval(host.facts()));
      if (goal.strategy !== 'runtime') {
        expect(host.foreign()).toEqual(before);
        expect(host.drivers).toEqual(drivers);
      }
    },
  );

  it('rebuilds an initramfs that is older than its configuration', () => {
    const host = new ModelHost({ iommuByDefault: true });
    host.files.set(
      '/etc/modprobe.d/vfio.conf',
      'options vfio-pci ids=10de:2236,10de:1aef\nsoftdep nouveau pre: vfio-pci\n',
    );
    expect(open(host, passthrough).map(({ id }) => id)).toContain('H24');
    const { plan, again } = prepare(host, passthrough);
    expect(plan.steps.map(({ kind }) => kind)).toContain('initramfs');
    expect(open(host, passthrough)).toEqual([]);
    expect(again.steps).toEqual([]);
  });
});

describe('what is refused until it is named', () => {
  const codes = (host: ModelHost, goal: HostGoal) =>
    planHost(host.facts(), goal).diagnostics.map(
      ({ kind, code, consent: option }) => `${kind} ${code} ${option ?? '-'}`,
    );
  const console65 = hardware.map((card) => ({
    ...card,
    ...(card.bootVga === undefined ? {} : { bootVga: card.address === first }),
  }));

  it.each([
    ['the console', console65, one, 'host.console console-gpu', 'console-gpu'],
    [
      'the only display',
      console65.filter(({ address }) => !/:(03|b3):/.test(address)),
      one,
      'host.only-display single-gpu-console',
      'single-gpu-console',
    ],
    [
      'the disk in the group',
      hardware.map((card) => (card.driver === 'nvme' ? { ...card, group: 20 } : card)),
      one,
      'host.group host-devices-in-group',
      'host-devices-in-group',
    ],
    [
      'another card in the group',
      hardware.map((card) => (card.driver === 'ast' ? { ...card, group: 20, bootVga: false } : card)),
      one,
      'host.group group-neighbours',
      'group-neighbours',
    ],
  ] as const)('%s', (_what, cards, goal, code, option) => {
    const host = new ModelHost({ cards, iommuByDefault: true });
    expect(codes(host, goal)).toEqual([`blocked ${code}`]);
    expect(codes(host, { ...goal, consent: [option] })).toEqual([`lossy ${code}`]);
  });

  it('interrupts that are not remapped', () => {
    const facts = new ModelHost({ iommuByDefault: true }).facts();
    const without = { ...facts, iommu: { ...facts.iommu, interruptRemapping: false } };
    expect(planHost(without, one).diagnostics).toMatchObject([
      { kind: 'blocked', consent: 'unsafe-interrupts' },
    ]);
    const plan = planHost(without, { ...one, consent: ['unsafe-interrupts'] });
    expect(plan.diagnostics).toMatchObject([{ kind: 'insecure' }]);
    expect(plan.steps.find(({ id }) => id === 'write/etc/modprobe.d/zz-vmgpu.conf')).toMatchObject({
      after: expect.stringContaining('allow_unsafe_interrupts=1'),
    });
  });

  it('equal cards by id', () => {
    const host = new ModelHost({ iommuByDefault: true });
    expect(codes(host, { ...one, strategy: 'ids' })).toEqual(['blocked host.equal-cards -']);
  });

  it('systems that own their boot configuration, and containers', () => {
    const facts = new ModelHost({ iommuByDefault: true }).facts();
    const os = { id: 'nixos', idLike: [], ostree: false };
    const immutable = planHost({ ...facts, system: { ...facts.system, os } }, one);
    expect(immutable.diagnostics).toMatchObject([{ kind: 'blocked', code: 'host.not-writable' }]);
    expect(immutable.family).toMatchObject({ name: 'nixos', writable: false });
    const inside = planHost({ ...facts, system: { ...facts.system, container: 'docker' } }, one);
    expect(inside.diagnostics).toMatchObject([{ kind: 'blocked', code: 'host.in-container' }]);
  });

  it('a driver that Secure Boot would refuse, and one that only the user has', () => {
    const facts = new ModelHost({ iommuByDefault: true, cards: nvidia }).facts();
    const secure = {
      ...facts,
      boot: { ...facts.boot, secureBoot: true },
      nvidia: { ...facts.nvidia, flavour: null, driverVersion: null },
    };
    expect(planHost(secure, { mode: 'vm-vgpu' }).diagnostics).toMatchObject([{ code: 'host.driver' }]);
    const goal: HostGoal = { mode: 'vm-vgpu', driver: { runFile: '/root/manager.run' } };
    expect(planHost(secure, goal).diagnostics).toMatchObject([
      { kind: 'blocked', consent: 'unsigned-modules' },
    ]);
    const plan = planHost(secure, { ...goal, consent: ['unsigned-modules'] });
    expect(plan.steps.find(({ id }) => id === 'nvidia-driver')).toMatchObject({
      argv: ['sh', '/root/manager.run', '--silent', '--dkms'],
    });
  });
});

it('says nothing of files whose text is not known', () => {
  const { files: _, ...facts } = new ModelHost().facts();
  const plan = planHost(facts, passthrough);
  expect(plan.steps.filter((step) => step.kind === 'write-file' && step.before !== undefined)).toEqual([]);
  expect(
    planHost({ ...facts, boot: { ...facts.boot, cmdline: unknown('not read') } }, passthrough).steps,
  ).not.toEqual([]);
});

it('is the same bytes for the same input, and frozen', () => {
  const plans = [0, 1].map(() => planHost(new ModelHost().facts(), passthrough));
  expect(JSON.stringify(plans[0])).toBe(JSON.stringify(plans[1]));
  expect(Object.isFrozen(plans[0]?.steps[0])).toBe(true);
});
