import {
  apiVersion,
  type GpuDevice,
  type PciAddress,
  type PciFunction,
  type PciId,
  unknown,
} from '@vmgpu/core';
import type { HostFacts, KernelCommandLine, NvidiaSmiGpu } from '../src/facts/host-facts.ts';

/** Sections are replaced field by field (`{ boot: { secureBoot: true } }` keeps the rest of `boot`), lists and records whole. */
export type FactsOverrides = {
  readonly [Section in keyof HostFacts]?: HostFacts[Section] extends readonly unknown[]
    ? HostFacts[Section]
    : Partial<HostFacts[Section]> | HostFacts[Section];
};

export const gpuAddress = '0000:65:00.0' as PciAddress;
export const audioAddress = '0000:65:00.1' as PciAddress;
export const unread = unknown('not in the capture');

export function pciFunction(overrides: Partial<PciFunction> = {}): PciFunction {
  return {
    address: audioAddress,
    id: '10de:1aef' as PciId,
    class: '0403',
    driver: 'vfio-pci',
    iommuGroup: 27,
    numaNode: 0,
    ...overrides,
  };
}

/** An RTX A6000 with its audio function, on vfio-pci, alone in its group. */
export function gpu(overrides: Partial<GpuDevice> = {}): GpuDevice {
  return {
    ...pciFunction(),
    address: gpuAddress,
    id: '10de:2230:10de:1459' as PciId,
    class: '0300',
    deviceName: 'GA102GL [RTX A6000]',
    modules: ['nvidiafb', 'nouveau'],
    vendor: 'nvidia',
    role: 'physical',
    virtualFunctions: [],
    sriovTotal: 32,
    companions: [pciFunction()],
    groupNeighbours: [],
    bootVga: false,
    resetMethods: ['flr', 'bus'],
    bars: [
      { index: 0, size: 2 ** 24, start: 0xfb000000 },
      { index: 1, size: 2 ** 36, start: 0x6000000000 },
    ],
    vgpuFramework: 'none',
    vgpuTypes: [],
    ...overrides,
  };
}

/** A display adapter of the management controller: what else a server has. */
export const managementDisplay = gpu({
  address: '0000:03:00.0' as PciAddress,
  id: '1a03:2000' as PciId,
  vendor: 'other',
  driver: 'ast',
  modules: ['ast'],
  companions: [],
  bootVga: true,
  iommuGroup: 12,
  sriovTotal: null,
});

export const bootDisk = pciFunction({
  address: '0000:02:00.0' as PciAddress,
  id: '144d:a808' as PciId,
  class: '0108',
  driver: 'nvme',
  modules: ['nvme'],
  iommuGroup: 5,
});

export function cmdline(raw: string): KernelCommandLine {
  const args = raw.split(' ').map((word) => {
    const [key = '', ...rest] = word.split('=');
    const value = rest.length === 0 ? {} : { value: rest.join('=') };
    return { key: key.replaceAll('-', '_'), ...value, raw: word };
  });
  return { raw, args };
}

export function smi(overrides: Partial<NvidiaSmiGpu> = {}): NvidiaSmiGpu {
  return {
    address: gpuAddress,
    productName: 'NVIDIA RTX A6000',
    bar1TotalMiB: 65536,
    migMode: { current: null, pending: null },
    eccMode: { current: 'Enabled', pending: 'Enabled' },
    persistenceMode: 'Enabled',
    virtualizationMode: 'None',
    hostVgpuMode: null,
    heterogeneousTimeSliceSizes: 'Not Supported',
    vgpuHeterogeneousMode: null,
    ...overrides,
  };
}

const running = '6.1.0-28-amd64';
const bootArgs = 'root=/dev/nvme0n1p2 ro quiet iommu=pt';

/** A Debian 12 server, prepared for passthrough of one RTX A6000. */
const prepared: HostFacts = {
  apiVersion,
  kind: 'HostFacts',
  host: 'gpu01',
  gaps: [],
  system: {
    root: true,
    passwordlessSudo: true,
    os: { id: 'debian', idLike: [], versionId: '12', prettyName: 'Debian GNU/Linux 12', ostree: false },
    virtualization: 'none',
    container: 'none',
    kernelRelease: running,
    kernelConfig: { CONFIG_VFIO_PCI: 'm', CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF: 'y' },
    cpu: { vendor: 'GenuineIntel', count: 32, withVirtualization: 32, virtualization: 'vmx' },
    kvmDevice: true,
    architecture: 'x86_64',
  },
  boot: {
    bootId: '11111111-2222-3333-4444-555555555555',
    cmdline: cmdline(bootArgs),
    firmware: 'efi',
    secureBoot: false,
    lockdown: 'none',
    loader: {
      kind: 'grub',
      proxmoxBootTool: false,
      evidence: { source: 'efibootmgr -v', text: '\\EFI\\debian\\shimx64.efi' },
    },
    grub: { files: ['/etc/default/grub'], linux: '', linuxDefault: 'quiet iommu=pt', dynamic: [] },
    kernelCmdlineFile: null,
    entries: [{ file: '/boot/grub/grub.cfg', args: bootArgs }],
    rebootRequired: false,
    installedKernels: [running],
    initramfs: {
      file: `/boot/initrd.img-${running}`,
      modified: 1_760_000_000,
      contents: ['etc/modprobe.d/vfio.conf', 'usr/lib/modules/x/kernel/drivers/vfio/pci/vfio-pci.ko'],
    },
    acpiTables: ['APIC', 'DMAR', 'FACP'],
    framebuffers: [],
  },
  iommu: {
    units: ['dmar0', 'dmar1'],
    groups: [{ id: 27, type: 'DMA-FQ', members: [gpuAddress, audioAddress] }],
    interruptRemapping: true,
    unsafeInterruptsAllowed: false,
  },
  kernelModules: {
    loaded: ['vfio_pci', 'vfio', 'vfio_iommu_type1', 'kvm_intel', 'kvm'],
    vfioPci: 'module',
    vfioPciIds: '10de:2230,10de:1aef',
    modprobe: {
      options: [
        {
          module: 'vfio-pci',
          parameters: 'ids=10de:2230,10de:1aef',
          file: '/etc/modprobe.d/vfio.conf',
          line: 1,
        },
      ],
      blacklist: [],
      install: [],
      softdep: [
        { module: 'nouveau', pre: ['vfio-pci'], post: [], file: '/etc/modprobe.d/vfio.conf', line: 2 },
      ],
      alias: [],
    },
    loadAtBoot: [{ file: '/etc/modules', line: 5, module: 'vfio_pci', text: 'vfio_pci' }],
    vfioPciParameters: [
      'ids',
      'nointxmask',
      'disable_vga',
      'disable_idle_d3',
      'enable_sriov',
      'disable_denylist',
    ],
    ignoreMsrs: false,
    dkms: [],
    kernelHeaders: true,
  },
  pci: [],
  pciSource: '/sys/bus/pci/devices',
  gpus: [managementDisplay, gpu()],
  pciDetails: {
    [gpuAddress]: {
      powerState: 'D0',
      linkWidth: { current: 16, max: 16 },
      linkSpeed: { current: '2.5 GT/s PCIe', max: '16.0 GT/s PCIe' },
    },
  },
  mdevs: [],
  mdevDefinitions: [],
  nvidia: {
    driverVersion: null,
    flavour: null,
    moduleLicense: null,
    moduleSigner: null,
    smiPresent: false,
    gpus: [],
  },
  amd: { gimLoaded: false },
  memory: {
    totalKiB: 263_000_000,
    availableKiB: 250_000_000,
    hugepages: [{ sizeKiB: 2048, total: 0, free: 0 }],
    memlock: 'unlimited',
  },
  containers: { toolkitVersion: null, cdiFiles: [], configuredRuntimes: [] },
  deviceNodes: [],
  services: {},
  kernelLog: ['DMAR-IR: Enabled IRQ remapping in x2apic mode'],
  roles: [],
};

export function hostFacts(overrides: FactsOverrides = {}): HostFacts {
  return withPci(merge(prepared, overrides));
}

/** The same server, made ready for containers. */
export function containerHost(overrides: FactsOverrides = {}): HostFacts {
  const base = merge(prepared, {
    gpus: [
      managementDisplay,
      gpu({ driver: 'nvidia', companions: [pciFunction({ driver: 'snd_hda_intel' })] }),
    ],
    kernelModules: { loaded: ['nvidia'], vfioPciIds: '', modprobe: noModprobe },
    nvidia: {
      driverVersion: '580.95.05',
      flavour: 'data-centre',
      moduleLicense: 'NVIDIA',
      moduleSigner: 'DKMS',
      smiPresent: true,
      gpus: [smi()],
    },
    containers: { toolkitVersion: '1.18.0', cdiFiles: [], configuredRuntimes: ['containerd'] },
    deviceNodes: ['/dev/nvidia0', '/dev/nvidiactl'],
  });
  return withPci(merge(base, overrides));
}

export const virtualFunction = gpu({
  address: '0000:65:00.4' as PciAddress,
  id: '10de:2230:10de:0000' as PciId,
  class: '0302',
  role: 'virtual',
  physicalFunction: gpuAddress,
  driver: 'nvidia',
  companions: [],
  iommuGroup: 60,
  sriovTotal: null,
  vgpuFramework: 'vendor-vfio',
  vgpuTypes: [{ typeId: '531', name: 'NVIDIA RTXA6000-12Q', available: unread }],
});

/** The same server, with the vGPU manager and one virtual function. */
export function vgpuHost(overrides: FactsOverrides = {}): HostFacts {
  const physical = gpu({
    driver: 'nvidia',
    virtualFunctions: [virtualFunction.address],
    vgpuFramework: 'vendor-vfio',
  });
  const base = merge(prepared, {
    gpus: [managementDisplay, physical, virtualFunction],
    kernelModules: { loaded: ['nvidia', 'kvm_intel'], vfioPciIds: '', modprobe: noModprobe },
    nvidia: {
      driverVersion: '580.95.02',
      flavour: 'vgpu-host',
      moduleLicense: 'NVIDIA',
      moduleSigner: 'DKMS',
      smiPresent: true,
      gpus: [smi({ virtualizationMode: 'Host VGPU', hostVgpuMode: 'SR-IOV' })],
    },
    services: {
      'nvidia-vgpu-mgr': { loadState: 'loaded', activeState: 'active', result: 'success' },
      'nvidia-vgpud': { loadState: 'loaded', activeState: 'inactive', result: 'success' },
    },
  });
  return withPci(merge(base, overrides));
}

export const noModprobe = { options: [], blacklist: [], install: [], softdep: [], alias: [] };

function merge(base: HostFacts, overrides: FactsOverrides): HostFacts {
  const isSection = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !('unknown' in value);
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(overrides)) {
    const old = merged[key];
    const isRecord = key === 'services' || key === 'pciDetails';
    merged[key] = !isRecord && isSection(value) && isSection(old) ? { ...old, ...value } : value;
  }
  return merged as unknown as HostFacts;
}

/** `pci` follows from the GPUs unless a test gives it. */
function withPci(facts: HostFacts): HostFacts {
  if (!Array.isArray(facts.pci) || facts.pci.length > 0) return facts;
  return { ...facts, pci: [bootDisk, ...facts.gpus.flatMap((item) => [item, ...item.companions])] };
}
