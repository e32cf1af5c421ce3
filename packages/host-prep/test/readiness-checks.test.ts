import {
  type Catalog,
  type GpuBoard,
  type HostMode,
  type PciAddress,
  type PciId,
  unknown,
} from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import type { HostFacts, ModprobeConfig } from '../src/facts/host-facts.ts';
import { assessHost, checks } from '../src/modules/index.ts';
import {
  bootDisk,
  cmdline,
  containerHost,
  gpu,
  gpuAddress,
  hostFacts,
  managementDisplay,
  noModprobe,
  pciFunction,
  smi,
  unread,
  vgpuHost,
  virtualFunction,
} from './facts-builder.ts';

type Status = 'pass' | 'warn' | 'fail' | 'unknown' | 'not-applicable';
type Row = readonly [
  id: string,
  status: Status,
  facts: HostFacts,
  says?: string | RegExp,
  options?: {
    mode?: HostMode;
    platform?: string;
    profile?: string;
    catalog?: Catalog;
    devices?: PciAddress[];
  },
];

const host = hostFacts;
const only = (overrides: Parameters<typeof gpu>[0], rest: Parameters<typeof host>[0] = {}) =>
  host({ gpus: [managementDisplay, gpu(overrides)], ...rest });
const onlyVgpu = (overrides: Parameters<typeof gpu>[0], rest: Parameters<typeof host>[0] = {}) =>
  vgpuHost({ gpus: [gpu({ driver: 'nvidia', ...overrides })], ...rest });
const withSmi = (overrides: Parameters<typeof smi>[0]) =>
  vgpuHost({
    nvidia: { gpus: [smi({ virtualizationMode: 'Host VGPU', hostVgpuMode: 'SR-IOV', ...overrides })] },
  });
const modprobe = (overrides: Partial<ModprobeConfig>, rest: object = {}) =>
  host({ kernelModules: { modprobe: { ...noModprobe, ...overrides }, vfioPciIds: '', ...rest } });
const at = { file: '/etc/modprobe.d/vfio.conf', line: 1 };
const ids = (...lists: string[]) =>
  lists.map((parameters, index) => ({ module: 'vfio-pci', parameters, ...at, line: index + 1 }));
const barredVfio = (loaded: string[]) => ({
  kernelModules: {
    loaded,
    modprobe: { ...noModprobe, blacklist: [{ module: 'vfio-pci', ...at }] },
  },
});
const nic = pciFunction({
  address: '0000:66:00.0' as PciAddress,
  id: '8086:1521' as PciId,
  class: '0200',
  driver: 'igb',
});
const twin = gpu({ address: '0000:b3:00.0' as PciAddress, iommuGroup: 40, companions: [] });
const board = (facts: Partial<GpuBoard>) =>
  ({
    boardsById: () => [
      {
        name: 'Some board',
        aliases: [],
        ids: [],
        gpusPerBoard: 1,
        sriovForVgpu: true,
        mig: false,
        sources: [],
        ...facts,
      },
    ],
    boardsByName: () => [],
    profilesByName: () => [],
    profilesById: () => [{ name: 'X-1Q' }],
    boards: [],
  }) as unknown as Catalog;
const c = { mode: 'container' } as const;
const v = { mode: 'vm-vgpu' } as const;
const amdVf = gpu({ ...virtualFunction, vendor: 'amd', driver: 'vfio-pci' });
const amd = (overrides: Parameters<typeof gpu>[0], ...more: ReturnType<typeof gpu>[]) =>
  vgpuHost({
    gpus: [gpu({ vendor: 'amd', id: '1002:74a1' as PciId, driver: 'gim', ...overrides }), ...more],
  });
const intel = (overrides: Parameters<typeof gpu>[0]) =>
  vgpuHost({ gpus: [gpu({ vendor: 'intel', id: '8086:56c0' as PciId, driver: 'i915', ...overrides })] });
const nvSwitch = pciFunction({
  address: '0000:c0:00.0' as PciAddress,
  id: '10de:22a3' as PciId,
  class: '0680',
  driver: null,
});
const service = (activeState: string, result = 'success') => ({ loadState: 'loaded', activeState, result });

// Each row: check, status, facts that lead to it, words its reason or evidence must have.
const rows: readonly Row[] = [
  ['H00', 'pass', host()],
  ['H00', 'fail', host({ gpus: [] })],
  ['H01', 'pass', host()],
  [
    'H01',
    'warn',
    host({
      system: { root: false, passwordlessSudo: false },
      gaps: [{ source: '/proc/iomem', why: 'needs root' }],
    }),
    '/proc/iomem',
  ],
  ['H01', 'unknown', host({ system: { root: unread, passwordlessSudo: unread } })],
  ['H02', 'pass', host()],
  ['H02', 'fail', host({ system: { container: 'docker' } }), 'docker'],
  ['H02', 'warn', host({ system: { os: { id: 'talos', idLike: [], ostree: false } } })],
  ['H02', 'warn', host({ system: { os: { id: 'fedora', idLike: [], ostree: true } } })],
  ['H02', 'unknown', host({ system: { os: unread } })],
  ['H03', 'pass', host()],
  ['H03', 'warn', host({ system: { virtualization: 'kvm' } }), 'kvm'],
  ['H03', 'unknown', host({ system: { virtualization: unread } })],
  ['H04', 'pass', host()],
  ['H04', 'unknown', host({ system: { kernelRelease: unread } })],
  ['H05', 'pass', host()],
  ['H05', 'warn', host({ boot: { rebootRequired: true } })],
  [
    'H05',
    'warn',
    host({ boot: { entries: [{ file: '/boot/grub/grub.cfg', args: 'ro quiet intel_iommu=on' }] } }),
    'intel_iommu=on',
  ],
  ['H05', 'warn', host({ boot: { installedKernels: ['6.1.0-29-amd64'] } })],
  ['H05', 'unknown', host({ boot: { rebootRequired: unread } })],
  ['H06', 'pass', host()],
  ['H06', 'pass', host({ system: { architecture: 'aarch64', cpu: unread } })],
  [
    'H06',
    'fail',
    host({
      system: { cpu: { vendor: 'GenuineIntel', count: 8, withVirtualization: 0, virtualization: null } },
    }),
  ],
  ['H06', 'fail', host({ kernelLog: ['kvm: disabled by bios'] }), 'disabled by bios'],
  [
    'H06',
    'warn',
    host({ system: { cpu: { vendor: 'x', count: 8, withVirtualization: 4, virtualization: 'svm' } } }),
    '4 of 8',
  ],
  ['H06', 'unknown', host({ system: { cpu: unread } })],
  ['H07', 'pass', host()],
  ['H07', 'fail', host({ system: { kvmDevice: false } }), 'no /dev/kvm'],
  ['H07', 'unknown', host({ system: { kvmDevice: unread } })],
  ['H08', 'pass', host()],
  ['H08', 'pass', host({ boot: { acpiTables: [] } }), 'at work'],
  ['H08', 'fail', host({ boot: { acpiTables: ['APIC'] }, iommu: { units: [], groups: [] } })],
  ['H08', 'unknown', host({ boot: { acpiTables: unread }, iommu: { units: [], groups: [] } })],
  ['H09', 'pass', host({ boot: { cmdline: cmdline('ro quiet splash') } }), 'dmar0'],
  ['H09', 'fail', host({ iommu: { units: [], groups: [] } }), /No IOMMU is active/],
  [
    'H09',
    'fail',
    host({ iommu: { units: [], groups: [] }, boot: { cmdline: cmdline('ro intel_iommu=off') } }),
    'switches the IOMMU off',
  ],
  ['H09', 'unknown', host({ iommu: { units: unread, groups: unread } })],
  ['H10', 'pass', host()],
  ['H10', 'pass', host({ boot: { cmdline: cmdline('ro amd_iommu=on iommu=1') } }), 'harmless'],
  ['H10', 'pass', host({ boot: { cmdline: cmdline('ro intel_iommu=off intel_iommu=on') } })],
  ['H10', 'warn', host({ boot: { cmdline: cmdline('ro intremap=off nox2apic') } }), 'intremap=off'],
  ['H10', 'warn', host({ boot: { cmdline: cmdline('ro pcie_acs_override=downstream') } }), 'patch'],
  [
    'H10',
    'warn',
    host({
      boot: {
        loader: {
          kind: 'systemd-boot',
          proxmoxBootTool: true,
          evidence: { source: 'proxmox-boot-tool status', text: 'uefi' },
        },
        grub: { files: ['/etc/default/grub'], linux: '', linuxDefault: 'quiet intel_iommu=on', dynamic: [] },
        kernelCmdlineFile: 'root=ZFS=rpool/ROOT/pve-1 boot=zfs',
      },
    }),
    'does not read',
  ],
  ['H10', 'warn', host({ boot: { kernelCmdlineFile: 'root=x intel_iommu=on' } }), '/etc/kernel/cmdline'],
  ['H10', 'unknown', host({ boot: { cmdline: unread } })],
  ['H11', 'pass', host(), 'group 27 (DMA-FQ)'],
  ['H11', 'fail', only({ iommuGroup: null })],
  [
    'H11',
    'fail',
    host({ gpus: [gpu({ iommuGroup: null, vendor: 'intel', id: '8086:3e98' as PciId })] }),
    'leaves it out',
  ],
  ['H11', 'unknown', only({ iommuGroup: unread })],
  ['H12', 'pass', host()],
  [
    'H12',
    'pass',
    only({
      groupNeighbours: [
        pciFunction({ address: '0000:64:00.0' as PciAddress, class: '0604', driver: 'pcieport' }),
      ],
    }),
  ],
  ['H12', 'pass', only({ groupNeighbours: [{ ...nic, driver: 'pci-stub' }] })],
  ['H12', 'fail', only({ companions: [pciFunction({ driver: 'snd_hda_intel' })] }), 'not viable'],
  [
    'H12',
    'warn',
    only({ companions: [pciFunction({ driver: 'snd_hda_intel' })] }),
    'not viable',
    { platform: 'proxmox' },
  ],
  [
    'H12',
    'fail',
    only({ groupNeighbours: [pciFunction({ class: '0600', driver: 'skl_uncore' })] }),
    'skl_uncore',
  ],
  ['H12', 'unknown', only({ companions: [pciFunction({ driver: unread })] })],
  ['H12', 'not-applicable', only({ iommuGroup: null })],
  ['H13', 'pass', host()],
  ['H13', 'fail', only({ groupNeighbours: [nic] }), 'igb'],
  ['H13', 'warn', only({ groupNeighbours: [{ ...twin, driver: 'vfio-pci' }] })],
  ['H13', 'unknown', only({ iommuGroup: unread })],
  ['H14', 'pass', host()],
  ['H14', 'fail', host({ iommu: { interruptRemapping: false } }), 'VFIO refuses'],
  [
    'H14',
    'fail',
    host({ iommu: { interruptRemapping: false }, boot: { cmdline: cmdline('ro nointremap') } }),
    'nointremap',
  ],
  ['H14', 'warn', host({ iommu: { interruptRemapping: false, unsafeInterruptsAllowed: true } }), 'guest'],
  [
    'H14',
    'unknown',
    host({ iommu: { interruptRemapping: unknown('dmesg is restricted') } }),
    'dmesg is restricted',
  ],
  ['H15', 'pass', host()],
  ['H15', 'pass', only({ driver: null }, { kernelModules: { vfioPci: 'builtin', loaded: [] } })],
  ['H15', 'pass', only({ driver: 'nvgrace_gpu_vfio_pci' }, { kernelModules: { loaded: [] } })],
  ['H15', 'fail', only({ driver: null }, { kernelModules: { vfioPci: 'absent' } })],
  ['H15', 'fail', only({ driver: null }, { kernelModules: { loaded: [] } }), 'not loaded'],
  [
    'H15',
    'warn',
    only({ driver: null }, { kernelModules: { loaded: [] } }),
    'not loaded',
    { platform: 'openstack' },
  ],
  ['H15', 'fail', only({ driver: null }, barredVfio([])), 'a blacklist keeps what is needed'],
  ['H15', 'warn', only({ driver: null }, barredVfio(['vfio_pci', 'vfio_iommu_type1'])), 'at boot'],
  ['H15', 'warn', only({ driver: 'vfio-pci' }, barredVfio([])), 'at work, but a blacklist'],
  ['H15', 'unknown', only({ driver: null }, { kernelModules: { loaded: unread } })],
  ['H16', 'pass', host()],
  [
    'H16',
    'pass',
    host({ kernelModules: { loadAtBoot: [{ ...at, module: 'vfio_virqfd', text: 'vfio_virqfd' }] } }),
    'still has',
  ],
  [
    'H16',
    'warn',
    host({
      system: { kernelRelease: '6.8.12-4-pve' },
      kernelModules: { loadAtBoot: [{ ...at, module: 'vfio_virqfd', text: 'vfio_virqfd' }] },
    }),
    '6.2',
  ],
  ['H16', 'unknown', host({ kernelModules: { loadAtBoot: unread } })],
  ['H17', 'not-applicable', host()],
  ['H17', 'pass', modprobe({}, { vfioPci: 'builtin' })],
  ['H17', 'warn', modprobe({ options: ids('ids=10de:2230') }, { vfioPci: 'builtin' }), 'do nothing'],
  ['H17', 'unknown', host({ kernelModules: { vfioPci: unread } })],
  ['H18', 'pass', host()],
  ['H18', 'not-applicable', modprobe({})],
  ['H18', 'warn', modprobe({ options: ids('ids=10de:2230,10de:1aef', 'ids=1b21:1242') }), 'do not add up'],
  [
    'H18',
    'fail',
    host({
      gpus: [gpu({ driver: 'nouveau' })],
      kernelModules: {
        vfioPciIds: '',
        modprobe: { ...noModprobe, options: ids('ids=10de:2230', 'ids=1b21:1242') },
      },
    }),
    /10de:2230 is lost/,
  ],
  [
    'H18',
    'fail',
    host({
      gpus: [gpu({ companions: [pciFunction({ driver: 'snd_hda_intel' })] })],
      kernelModules: {
        vfioPciIds: '',
        modprobe: { ...noModprobe, options: ids('ids=10de:2230, 10de:1aef') },
      },
    }),
    'A blank ends',
  ],
  ['H18', 'warn', host({ gpus: [gpu(), twin] }), 'cannot tell equal cards apart', { devices: [gpuAddress] }],
  [
    'H18',
    'warn',
    host({
      gpus: [gpu({ companions: [pciFunction({ driver: 'snd_hda_intel' })] })],
      kernelModules: { vfioPciIds: '10de:2230', modprobe: { ...noModprobe, options: ids('ids=10de:2230') } },
    }),
    '10de:1aef',
  ],
  [
    'H18',
    'unknown',
    host({ kernelModules: { modprobe: unread, vfioPciIds: unread }, boot: { cmdline: unread } }),
  ],
  ['H18', 'warn', host({ kernelModules: { vfioPciIds: '10de:2230' } }), 'changed after'],
  ['H19', 'pass', host()],
  ['H19', 'pass', only({ driver: null, companions: [] }), 'ready for passthrough'],
  ['H19', 'pass', only({ driver: 'nvgrace-gpu-vfio-pci' })],
  ['H19', 'warn', only({ driver: null, companions: [] }), 'vfio-pci', { platform: 'kubevirt' }],
  ['H19', 'fail', only({ driver: 'nouveau' }), 'initramfs was most likely built before'],
  [
    'H19',
    'fail',
    only({ driver: 'amdgpu', vendor: 'amd', id: '1002:744c' as PciId }),
    'Nothing tells vfio-pci',
  ],
  ['H19', 'fail', only({ driver: 'nvidia' }), 'softdep nvidia pre: vfio-pci'],
  ['H19', 'fail', only({ driver: 'nouveau' }, { kernelModules: { vfioPci: 'builtin' } }), 'built in'],
  ['H19', 'fail', only({ companions: [pciFunction({ driver: 'snd_hda_intel' })] }), '0000:65:00.1'],
  ['H19', 'unknown', only({ driver: unread })],
  ['H20', 'pass', vgpuHost(), '', v],
  ['H20', 'fail', onlyVgpu({ driver: 'vfio-pci' }), 'vfio-pci', v],
  ['H20', 'fail', onlyVgpu({ driver: null }), 'no driver', v],
  [
    'H20',
    'fail',
    vgpuHost({
      gpus: [
        gpu({ driver: 'nvidia', virtualFunctions: [virtualFunction.address] }),
        { ...virtualFunction, driver: 'vfio-pci' },
      ],
    }),
    'another driver',
    v,
  ],
  ['H20', 'unknown', onlyVgpu({ driver: unread }), '', v],
  ['H20', 'not-applicable', amd({}), '', v],
  ['H21', 'pass', containerHost(), '', c],
  ['H21', 'fail', containerHost({ gpus: [gpu()] }), 'vfio-pci', c],
  ['H21', 'fail', containerHost({ gpus: [gpu({ driver: null })] }), 'no driver', c],
  ['H21', 'unknown', containerHost({ gpus: [gpu({ driver: unread })] }), '', c],
  ['H22', 'pass', host(), 'normal'],
  ['H22', 'fail', only({ driver: 'nouveau' })],
  ['H22', 'unknown', only({ driver: unread })],
  ['H22', 'not-applicable', only({ vendor: 'amd' })],
  ['H23', 'pass', modprobe({ blacklist: [{ module: 'nouveau', ...at }] })],
  [
    'H23',
    'warn',
    modprobe({ blacklist: [{ module: 'nouveau', ...at }] }, { loaded: ['nouveau'] }),
    'although',
  ],
  ['H23', 'not-applicable', host()],
  ['H23', 'unknown', host({ kernelModules: { modprobe: unread } })],
  ['H24', 'pass', host()],
  [
    'H24',
    'warn',
    only(
      { driver: 'nouveau' },
      { boot: { initramfs: { file: '/boot/initrd.img', modified: 1, contents: ['usr/bin/sh'] } } },
    ),
    'vfio-pci, /etc/modprobe.d/vfio.conf',
  ],
  [
    'H24',
    'pass',
    host({ boot: { initramfs: { file: '/boot/initrd.img', modified: 1, contents: [] } } }),
    'all the same',
  ],
  ['H24', 'not-applicable', modprobe({})],
  [
    'H24',
    'unknown',
    host({ boot: { initramfs: { file: '/boot/initrd.img', modified: 1, contents: unread } } }),
  ],
  ['H25', 'pass', host()],
  ['H25', 'warn', modprobe({ options: ids('ids=10de:2230 diable_vga=1') }), 'diable_vga'],
  [
    'H25',
    'warn',
    modprobe({ softdep: [{ module: 'xhci_hdc', pre: ['vfio-pci'], post: [], ...at }] }),
    'xhci_hcd',
  ],
  [
    'H25',
    'warn',
    host({
      kernelModules: {
        loadAtBoot: [{ ...at, module: 'vfio', text: 'vfio vfio_iommu_type1 vfio_pci ids=10de:1c03' }],
      },
    }),
    'one name a line',
  ],
  ['H25', 'unknown', host({ kernelModules: { modprobe: unread } })],
  ['H26', 'pass', host()],
  ['H26', 'pass', modprobe({ blacklist: [{ module: 'nouveau', ...at }] })],
  ['H26', 'fail', modprobe({ blacklist: [{ module: 'nvme', ...at }] }), 'nvme of 0000:02:00.0'],
  [
    'H26',
    'fail',
    host({
      gpus: [gpu(), gpu({ ...managementDisplay, vendor: 'amd', driver: 'amdgpu' })],
      kernelModules: { modprobe: { ...noModprobe, blacklist: [{ module: 'amdgpu', ...at }] } },
    }),
    'amdgpu',
    { devices: [gpuAddress] },
  ],
  [
    'H26',
    'warn',
    host({
      pci: [pciFunction({ address: '0000:00:1f.3' as PciAddress, driver: 'snd_hda_intel' })],
      kernelModules: { modprobe: { ...noModprobe, blacklist: [{ module: 'snd_hda_intel', ...at }] } },
    }),
    'audio',
  ],
  ['H26', 'fail', host({ boot: { cmdline: cmdline('ro module_blacklist=nvme') } }), 'nvme'],
  ['H26', 'unknown', host({ pci: unread })],
  ['H27', 'pass', host()],
  ['H27', 'warn', host({ gpus: [gpu({ bootVga: true })] }), 'only display'],
  ['H27', 'warn', host({ gpus: [gpu({ bootVga: true }), managementDisplay] }), 'local console'],
  ['H27', 'unknown', only({ bootVga: unread })],
  ['H28', 'pass', host()],
  ['H28', 'pass', only({ bootVga: true })],
  [
    'H28',
    'fail',
    only(
      { bootVga: true },
      { boot: { framebuffers: [{ name: 'BOOTFB', start: 0x6000000000, end: 0x60007fffff }] } },
    ),
    'BOOTFB',
  ],
  [
    'H28',
    'fail',
    host({
      kernelLog: [`vfio-pci ${gpuAddress}: BAR 1: can't reserve [mem 0x6000000000-0x6fffffffff 64bit pref]`],
    }),
    "can't reserve",
  ],
  ['H28', 'unknown', only({ bootVga: true }, { boot: { framebuffers: unknown('needs root') } })],
  ['H29', 'pass', host()],
  ['H29', 'fail', only({ bars: [{ index: 1, size: 2 ** 36, start: 0 }] }), 'BAR 1 is not assigned'],
  [
    'H29',
    'fail',
    only(
      { bars: unread },
      { kernelLog: [`pci ${gpuAddress}: BAR 1: no space for [mem size 0x1000000000 64bit pref]`] },
    ),
  ],
  ['H29', 'unknown', only({ bars: unread })],
  ['H30', 'pass', host(), '64 GiB'],
  ['H30', 'unknown', only({ bars: unread })],
  ['H31', 'pass', host()],
  ['H31', 'pass', only({ id: '1002:67df' as PciId, vendor: 'amd', resetMethods: ['device_specific'] })],
  ['H31', 'warn', only({ resetMethods: null })],
  ['H31', 'warn', only({ resetMethods: ['pm'] })],
  ['H31', 'warn', only({ id: '1002:67df' as PciId, vendor: 'amd', resetMethods: ['bus'] }), 'AMD'],
  ['H31', 'unknown', only({ resetMethods: unread })],
  ['H32', 'pass', host()],
  ['H32', 'fail', host({ pciDetails: { [gpuAddress]: { dead: '!!! Unknown header type 7f' } } }), '7f'],
  ['H32', 'fail', only({ revision: 'ff' })],
  [
    'H32',
    'fail',
    host({ kernelLog: ['NVRM: Xid (PCI:0000:65:00): 79, pid=1, GPU has fallen off the bus.'] }),
    'Xid',
  ],
  ['H32', 'fail', containerHost({ nvidia: { gpus: [smi({ fault: 'GPU is lost' })] } }), 'GPU is lost', c],
  ['H32', 'warn', host({ pciDetails: { [gpuAddress]: { powerState: 'D3cold' } } })],
  ['H33', 'pass', containerHost(), '', c],
  [
    'H33',
    'pass',
    containerHost({ nvidia: { driverVersion: null, moduleSigner: 'me' }, boot: { secureBoot: true } }),
    'signed by me',
    c,
  ],
  [
    'H33',
    'fail',
    containerHost({ nvidia: { driverVersion: null, moduleSigner: null }, boot: { secureBoot: true } }),
    'not signed',
    c,
  ],
  [
    'H33',
    'fail',
    containerHost({
      nvidia: { driverVersion: null },
      kernelLog: [
        'Loading of module with unavailable key is rejected',
        'nvidia: Key was rejected by service',
      ],
    }),
    'refused',
    c,
  ],
  ['H33', 'unknown', containerHost({ nvidia: { driverVersion: null }, boot: { secureBoot: unread } }), '', c],
  ['H34', 'pass', containerHost(), '', c],
  ['H34', 'pass', vgpuHost(), '', v],
  ['H34', 'fail', containerHost({ nvidia: { flavour: 'vgpu-host' } }), 'vGPU manager', c],
  ['H34', 'fail', vgpuHost({ nvidia: { flavour: 'open' } }), 'vGPU manager', v],
  ['H34', 'fail', containerHost({ nvidia: { flavour: null } }), 'not loaded', c],
  ['H34', 'unknown', containerHost({ nvidia: { flavour: unread } }), '', c],
  ['H35', 'not-applicable', containerHost(), '', c],
  [
    'H35',
    'pass',
    containerHost({
      kernelModules: {
        dkms: [{ module: 'nvidia', version: '580', kernel: '6.1.0-28-amd64', state: 'installed' }],
      },
    }),
    '',
    c,
  ],
  [
    'H35',
    'warn',
    containerHost({
      kernelModules: { kernelHeaders: false, dkms: [{ module: 'nvidia', version: '580', state: 'added' }] },
    }),
    'headers are missing',
    c,
  ],
  ['H35', 'unknown', containerHost({ kernelModules: { dkms: unread } }), '', c],
  ['H36', 'pass', host(), 'node 0'],
  ['H36', 'unknown', only({ numaNode: unread })],
  [
    'H37',
    'pass',
    host({ memory: { hugepages: [{ sizeKiB: 1048576, total: 8, free: 8 }] } }),
    '8 of 1024 MiB',
  ],
  ['H37', 'unknown', host({ memory: { hugepages: unread } })],
  ['H38', 'pass', host()],
  ['H38', 'warn', host({ memory: { memlock: 8192 } }), '8192'],
  ['H38', 'unknown', host({ memory: { memlock: unread } })],
  ['H38', 'not-applicable', host({ memory: { memlock: 8192 } }), '', { platform: 'proxmox' }],
  ['H39', 'pass', host()],
  ['H39', 'warn', host({ kernelModules: { ignoreMsrs: true } })],
  ['H39', 'unknown', host({ kernelModules: { ignoreMsrs: unread } })],
  ['H40', 'pass', host(), 'idles'],
  [
    'H40',
    'warn',
    host({ pciDetails: { [gpuAddress]: { linkWidth: { current: 4, max: 16 } } } }),
    '4 of its 16',
  ],
  ['H40', 'unknown', host({ pciDetails: {} })],
  ['H41', 'pass', host()],
  [
    'H41',
    'warn',
    only(
      { groupNeighbours: [nic] },
      { pci: [pciFunction({ address: '0000:64:00.0' as PciAddress, class: '0604', driver: 'pcieport' })] },
    ),
    '0000:64:00.0',
  ],
  ['H41', 'unknown', only({ iommuGroup: unread })],
  ['H42', 'not-applicable', host()],
  ['H42', 'fail', host({ pci: [nvSwitch] }), 'NVLink'],
  ['H42', 'pass', host({ pci: [{ ...nvSwitch, driver: 'vfio-pci' }] })],
  [
    'H42',
    'pass',
    containerHost({ pci: [nvSwitch], services: { 'nvidia-fabricmanager': service('active') } }),
    '',
    c,
  ],
  ['H42', 'fail', containerHost({ pci: [nvSwitch] }), '802', c],
  ['H42', 'unknown', host({ pci: [nvSwitch], services: unread })],
  ['H43', 'pass', containerHost(), '', c],
  [
    'H43',
    'warn',
    containerHost({ nvidia: { gpus: [smi({ migMode: { current: 'Disabled', pending: 'Enabled' } })] } }),
    'MIG',
    c,
  ],
  [
    'H43',
    'warn',
    containerHost({ nvidia: { gpus: [smi({ persistenceMode: 'Disabled' })] } }),
    'persistence',
    c,
  ],
  ['H43', 'unknown', containerHost({ nvidia: { gpus: unread } }), '', c],
  ['H44', 'pass', containerHost(), '', c],
  ['H44', 'fail', containerHost({ containers: { toolkitVersion: null } }), 'not installed', c],
  [
    'H44',
    'warn',
    containerHost({ containers: { toolkitVersion: null } }),
    'GPU Operator',
    { mode: 'container', platform: 'kubevirt' },
  ],
  ['H44', 'fail', containerHost({ containers: { configuredRuntimes: [] } }), 'no runtime', c],
  ['H44', 'unknown', containerHost({ containers: { toolkitVersion: unread } }), '', c],
  ['H45', 'pass', containerHost(), '', c],
  ['H45', 'fail', containerHost({ deviceNodes: ['/dev/nvidiactl'] }), '', c],
  ['H45', 'unknown', containerHost({ deviceNodes: unread }), '', c],
  ['V01', 'pass', vgpuHost(), '', v],
  ['V01', 'fail', vgpuHost({ nvidia: { gpus: [smi()] } }), 'None', v],
  ['V01', 'fail', withSmi({ virtualizationMode: 'Pass-Through' }), 'guest', v],
  ['V01', 'unknown', vgpuHost({ nvidia: { gpus: unread, flavour: unread } }), '', v],
  ['V02', 'pass', vgpuHost(), 'inactive', v],
  ['V02', 'fail', vgpuHost({ services: {} }), 'nvidia-vgpu-mgr does not run', v],
  [
    'V02',
    'fail',
    vgpuHost({
      services: { 'nvidia-vgpu-mgr': service('active'), 'nvidia-vgpud': service('failed', 'exit-code') },
    }),
    'vgpud failed',
    v,
  ],
  ['V02', 'unknown', vgpuHost({ services: unread }), '', v],
  ['V03', 'pass', vgpuHost(), "NVIDIA's own", v],
  ['V03', 'warn', vgpuHost(), '1.9', { mode: 'vm-vgpu', platform: 'kubevirt' }],
  ['V03', 'unknown', onlyVgpu({ vgpuFramework: unread }), '', v],
  ['V04', 'pass', vgpuHost(), '', v],
  ['V04', 'fail', onlyVgpu({}), 'there are none', v],
  ['V04', 'fail', onlyVgpu({ sriovTotal: null }), 'firmware', v],
  [
    'V04',
    'not-applicable',
    onlyVgpu(
      { id: '10de:1eb8' as PciId, sriovTotal: 16 },
      { nvidia: { gpus: [smi({ virtualizationMode: 'Host VGPU', hostVgpuMode: 'Non SR-IOV' })] } },
    ),
    'on the GPU itself',
    v,
  ],
  ['V04', 'fail', onlyVgpu({}, { nvidia: { gpus: unread } }), '', { mode: 'vm-vgpu', catalog: board({}) }],
  ['V04', 'unknown', onlyVgpu({}, { nvidia: { gpus: unread } }), '', v],
  ['V05', 'pass', vgpuHost(), 'RTXA6000-12Q', v],
  ['V05', 'pass', vgpuHost(), 'can be made', { mode: 'vm-vgpu', profile: 'NVIDIA RTXA6000-12Q' }],
  ['V05', 'fail', vgpuHost(), 'does not offer', { mode: 'vm-vgpu', profile: 'RTXA6000-48Q' }],
  ['V05', 'fail', onlyVgpu({}), 'no vGPU types', v],
  [
    'V05',
    'warn',
    onlyVgpu({
      vgpuFramework: 'mdev',
      vgpuTypes: [{ typeId: 'nvidia-63', name: 'GRID P4-1Q', available: 0 }],
    }),
    'already made',
    v,
  ],
  [
    'V05',
    'warn',
    vgpuHost({
      gpus: [
        gpu({ driver: 'nvidia', virtualFunctions: [virtualFunction.address] }),
        { ...virtualFunction, vgpuTypes: [] },
      ],
      pciDetails: { [virtualFunction.address]: { currentVgpuType: 531 } },
    }),
    'full',
    v,
  ],
  ['V05', 'unknown', onlyVgpu({ vgpuFramework: unread }), '', v],
  ['V06', 'not-applicable', withSmi({ heterogeneousTimeSliceSizes: 'Not Supported' }), 'cannot mix', v],
  ['V06', 'pass', withSmi({ heterogeneousTimeSliceSizes: 'Supported' }), 'could mix', v],
  ['V06', 'unknown', vgpuHost({ nvidia: { gpus: unread } }), '', v],
  [
    'V07',
    'pass',
    withSmi({ migMode: { current: 'Enabled', pending: 'Enabled' } }),
    '',
    { mode: 'vm-vgpu', profile: 'A100-1-5C' },
  ],
  [
    'V07',
    'fail',
    withSmi({ migMode: { current: 'Disabled', pending: 'Disabled' } }),
    'off',
    { mode: 'vm-vgpu', profile: 'A100-1-5C' },
  ],
  ['V07', 'fail', withSmi({ migMode: { current: 'Disabled', pending: 'Enabled' } }), 'reset', v],
  ['V07', 'not-applicable', vgpuHost(), '', v],
  ['V07', 'unknown', vgpuHost({ nvidia: { gpus: unread } }), '', v],
  ['V08', 'pass', vgpuHost(), '', v],
  ['V08', 'warn', withSmi({ eccMode: { current: 'Enabled', pending: 'Disabled' } }), '', v],
  ['V08', 'unknown', vgpuHost({ nvidia: { gpus: unread } }), '', v],
  ['V09', 'pass', vgpuHost(), '65536', v],
  [
    'V09',
    'fail',
    withSmi({ bar1TotalMiB: 256 }),
    'displaymodeselector',
    { mode: 'vm-vgpu', catalog: board({ displayModeToggle: 'displaymodeselector' }) },
  ],
  [
    'V09',
    'not-applicable',
    withSmi({ bar1TotalMiB: 256 }),
    'Some board',
    { mode: 'vm-vgpu', catalog: board({}) },
  ],
  ['V09', 'unknown', withSmi({ bar1TotalMiB: 256 }), '', v],
  ['V10', 'pass', vgpuHost(), '580.95.02', v],
  ['V10', 'fail', vgpuHost({ nvidia: { gpus: [] } }), 'does not show', v],
  [
    'V10',
    'fail',
    vgpuHost({
      nvidia: { gpus: unread },
      kernelLog: [
        'NVRM: The NVIDIA GPU 0000:65:00.0 (PCI ID: 10de:2230) installed in this system is not supported by the NVIDIA 580.95.02 driver release.',
      ],
    }),
    'not support',
    v,
  ],
  ['V10', 'unknown', vgpuHost({ nvidia: { gpus: unread } }), '', v],
  ['V11', 'not-applicable', vgpuHost(), '', v],
  ['V11', 'warn', vgpuHost({ mdevs: [{ uuid: 'u1', parent: gpuAddress, typeId: 'nvidia-63' }] }), 'u1', v],
  [
    'V11',
    'pass',
    vgpuHost({
      mdevs: [{ uuid: 'u1', parent: gpuAddress, typeId: 'nvidia-63' }],
      mdevDefinitions: [{ uuid: 'u1', parent: gpuAddress, typeId: 'nvidia-63', autoStart: true }],
    }),
    '',
    v,
  ],
  ['V11', 'warn', vgpuHost({ pciDetails: { [virtualFunction.address]: { currentVgpuType: 531 } } }), '', v],
  ['V11', 'unknown', vgpuHost({ mdevs: unread }), '', v],
  ['V12', 'not-applicable', vgpuHost(), '', v],
  ['V13', 'pass', vgpuHost(), '', v],
  [
    'V13',
    'fail',
    vgpuHost({ kernelModules: { modprobe: { ...noModprobe, options: ids('ids=10de:2230') } } }),
    'have the id of their GPU',
    v,
  ],
  [
    'V13',
    'unknown',
    vgpuHost({ kernelModules: { modprobe: unread, vfioPciIds: unread }, boot: { cmdline: unread } }),
    '',
    v,
  ],
  ['K01', 'not-applicable', host()],
  ['K01', 'pass', host({ roles: ['kubelet'] })],
  [
    'K01',
    'fail',
    host({ roles: ['kubelet'], gpus: [gpu(), { ...twin, driver: 'nvidia' }] }),
    'one purpose',
    { devices: [gpuAddress] },
  ],
  ['K01', 'unknown', host({ roles: ['kubelet'], gpus: [gpu({ driver: unread })] })],
  ['K02', 'pass', host(), '', { platform: 'kubevirt' }],
  [
    'K02',
    'fail',
    only({ driver: null }, { nvidia: { smiPresent: true } }),
    'nvidia-smi',
    { platform: 'kubevirt' },
  ],
  ['K02', 'warn', host({ nvidia: { smiPresent: true } }), 'nvidia-smi', { platform: 'kubevirt' }],
  ['K02', 'unknown', host({ nvidia: { smiPresent: unread } }), '', { platform: 'kubevirt' }],
  ['K03', 'unknown', vgpuHost(), 'DisableMDEVConfiguration', { mode: 'vm-vgpu', platform: 'kubevirt' }],
  ['K03', 'not-applicable', vgpuHost(), '', { mode: 'vm-vgpu', platform: 'openstack' }],
  ['A01', 'not-applicable', vgpuHost(), '', v],
  ['A01', 'pass', amd({ virtualFunctions: [amdVf.address] }, amdVf), '', v],
  ['A01', 'fail', amd({ driver: 'amdgpu' }), 'gim', v],
  ['A01', 'fail', amd({}), 'no virtual functions', v],
  ['A01', 'fail', amd({ virtualFunctions: [amdVf.address] }, { ...amdVf, driver: 'amdgpu' }), 'held by', v],
  ['A01', 'unknown', amd({ driver: unread }), '', v],
  ['I01', 'not-applicable', vgpuHost(), '', v],
  ['I01', 'pass', intel({ virtualFunctions: ['0000:65:00.2' as PciAddress] }), '', v],
  ['I01', 'warn', intel({ sriovTotal: 31 }), 'none exist', v],
  ['I01', 'unknown', intel({ sriovTotal: unread }), '', v],
  ['I01', 'warn', intel({ sriovTotal: 31, driver: null }), 'no driver of the host', v],
];

describe.each(rows.map((row, index) => ({ index, name: `${row[0]} ${row[1]}`, row })))(
  '$index: $name',
  ({ row }) => {
    const [id, status, facts, says = '', options = {}] = row;
    it(String(says), () => {
      const { findings } = assessHost(facts, { mode: 'vm-passthrough', ...options });
      const finding = findings.find(
        (candidate) => candidate.id === id && candidate.device !== managementDisplay.address,
      );
      expect(finding, JSON.stringify(finding)).toMatchObject({ id, status });
      expect(JSON.stringify([finding?.why, finding?.evidence, finding?.remedy])).toMatch(
        typeof says === 'string' ? new RegExp(says.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : says,
      );
    });
  },
);

describe('coverage of the table', () => {
  const seen = (id: string) => new Set(rows.filter((row) => row[0] === id).map((row) => row[1]));
  // Facts that cannot be unreadable, or checks that can never find fault.
  const neverUnknown = ['H00', 'H32', 'V12', 'A01'];
  const neverFaulty = ['H04', 'H30', 'H36', 'H37', 'V06', 'V12', 'K03'];
  const neverGood = ['V12', 'K03'];

  it.each(checks.map(({ id }) => id))('%s is tested good, faulty and unknown', (id) => {
    const statuses = seen(id);
    expect(statuses.size).toBeGreaterThan(0);
    if (!neverGood.includes(id)) expect([...statuses]).toContain('pass');
    if (!neverFaulty.includes(id)) expect(statuses.has('fail') || statuses.has('warn')).toBe(true);
    if (!neverUnknown.includes(id)) expect([...statuses]).toContain('unknown');
  });

  it('uses facts of a host that has a disk of its own', () => {
    expect(host().pci).toContainEqual(bootDisk);
  });
});
