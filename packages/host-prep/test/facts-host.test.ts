import { isVmgpuError, type PciAddress } from '@vmgpu/core';
import { describe, expect, it } from 'vitest';
import { type CaptureSection, parseCapture, printCapture } from '../src/capture/index.ts';
import { hostFactsFromText, hostInventory, readHostFacts } from '../src/facts/index.ts';
import { exampleCapture } from './capture-samples.ts';

const table = (name: string, text: string): CaptureSection => ({ kind: 'table', status: 'ok', name, text });
const command = (name: string, text: string, status: CaptureSection['status'] = 'rc=0'): CaptureSection => ({
  kind: 'command',
  status,
  name,
  text,
});
const file = (name: string, text: string): CaptureSection => ({ kind: 'file', status: 'ok', name, text });

describe('the Proxmox VE host with a GT 1030', () => {
  const facts = hostFactsFromText(exampleCapture('gt1030-proxmox.txt'), { file: 'gt1030-proxmox.txt' });

  it('has one GPU, with its audio function, alone in its group, on the console', () => {
    expect(facts.host).toBe('pve');
    expect(facts.roles).toEqual(['pve']);
    expect(facts.gpus).toMatchObject([
      {
        address: '0000:26:00.0',
        id: '10de:1d01:1462:8c98',
        deviceName: 'GP108 [GeForce GT 1030]',
        vendor: 'nvidia',
        role: 'physical',
        driver: 'nouveau',
        modules: ['nvidiafb', 'nouveau'],
        iommuGroup: 17,
        numaNode: null,
        bootVga: true,
        resetMethods: ['bus'],
        companions: [{ address: '0000:26:00.1', driver: 'snd_hda_intel' }],
        groupNeighbours: [],
        sriovTotal: null,
        vgpuFramework: 'none',
      },
    ]);
    expect(facts.gpus[0]?.bars).toEqual([
      { index: 0, size: 16 * 2 ** 20, start: 0xf6000000 },
      { index: 1, size: 256 * 2 ** 20, start: 0xe0000000 },
      { index: 3, size: 32 * 2 ** 20, start: 0xf0000000 },
    ]);
    expect(facts.pciDetails['0000:26:00.0' as PciAddress]).toMatchObject({
      driverOverride: null,
      linkWidth: { current: 4, max: 4 },
      linkSpeed: { current: '2.5 GT/s PCIe', max: '8.0 GT/s PCIe' },
    });
  });

  it('starts by GRUB, with an IOMMU that nobody asked for', () => {
    expect(facts.boot).toMatchObject({
      firmware: 'efi',
      secureBoot: false,
      lockdown: 'none',
      loader: { kind: 'grub', proxmoxBootTool: false, evidence: { source: 'efibootmgr -v' } },
      grub: { linux: '', linuxDefault: 'quiet', dynamic: [] },
      kernelCmdlineFile: null,
      rebootRequired: false,
      installedKernels: ['6.8.12-4-pve'],
      framebuffers: [],
    });
    expect(facts.boot.entries).toHaveLength(3);
    expect(facts.iommu).toMatchObject({
      units: ['ivhd0'],
      interruptRemapping: true,
      unsafeInterruptsAllowed: false,
    });
    expect(facts.kernelModules).toMatchObject({ vfioPci: 'module', ignoreMsrs: false, dkms: [] });
    expect(facts.system.cpu).toEqual({
      vendor: 'AuthenticAMD',
      model: 'AMD Ryzen 5 3600 6-Core Processor',
      count: 12,
      withVirtualization: 12,
      virtualization: 'svm',
    });
    expect(facts.memory).toMatchObject({
      totalKiB: 32779924,
      memlock: 8192,
      hugepages: [
        { sizeKiB: 2048, total: 0, free: 0 },
        { sizeKiB: 1048576, total: 0, free: 0 },
      ],
    });
    expect(facts.services).toMatchObject({ pveproxy: { loadState: 'loaded', activeState: 'active' } });
  });
});

describe('the QEMU host', () => {
  const before = hostFactsFromText(exampleCapture('qemu-intel-before.txt'));
  const after = hostFactsFromText(exampleCapture('qemu-intel-after.txt'));

  it('has no groups before, and its GPUs on vfio-pci after', () => {
    expect(before.iommu).toMatchObject({ units: [], groups: [] });
    expect(before.gpus.map(({ iommuGroup }) => iommuGroup)).toEqual([null, null, null, null, null]);
    expect(after.iommu.units).toEqual(['dmar0']);
    expect(after.gpus.map(({ driver }) => driver)).toEqual([
      'bochs-drm',
      'vfio-pci',
      'vfio-pci',
      'vfio-pci',
      'bochs-drm',
    ]);
    expect(after.iommu.groups).toContainEqual({
      id: 13,
      type: 'identity',
      members: ['0000:03:00.0', '0000:03:00.1'],
    });
  });

  it('resolves the GRUB defaults that quote one another', () => {
    expect(after.boot.grub).toMatchObject({
      linux: 'intel_iommu=off console=tty0 console=ttyS0,115200n8',
      linuxDefault: 'quiet intel_iommu=on iommu=pt',
    });
    expect(after.kernelModules.modprobe).toMatchObject({
      options: [
        { module: 'nouveau' },
        { module: 'vfio_pci', parameters: 'ids=10de:2236,10de:2230,10de:1aef', line: 1 },
      ],
      softdep: [
        { module: 'nouveau', pre: ['vfio_pci'], post: [] },
        { module: 'snd_hda_intel', pre: ['vfio_pci'] },
      ],
    });
    expect(after.kernelModules.loadAtBoot).toMatchObject([
      { module: 'vfio', file: '/etc/modules-load.d/vfio.conf', line: 1 },
      { module: 'vfio_iommu_type1' },
      { module: 'vfio_pci' },
    ]);
  });

  it('offers mediated devices on physical functions, and says what is in use', () => {
    const facts = hostFactsFromText(exampleCapture('qemu-mdev.txt'));
    const [a10, t4, rtx] = facts.gpus;
    expect([a10?.vgpuFramework, t4?.vgpuFramework, rtx?.vgpuFramework]).toEqual(['mdev', 'mdev', 'none']);
    expect(a10?.vgpuTypes.at(-1)).toEqual({
      typeId: 'nvidia-597',
      name: 'NVIDIA A10-24Q',
      available: 1,
      framebufferMiB: 24576,
      maxInstances: 1,
    });
    expect(facts.mdevs).toEqual([
      {
        uuid: '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
        parent: '0000:02:00.0',
        typeId: 'nvidia-232',
        typeName: 'GRID T4-4Q',
        iommuGroup: 18,
      },
    ]);
    expect(rtx?.companions.map((each) => each.class)).toEqual(['0403', '0c03', '0c80']);
  });
});

/** PF at 26:00.0 and three virtual functions, as sysfs shows them. */
function sriovCard(extra: string): CaptureSection {
  const ids = (address: string, subsystem: string) =>
    `${address}/vendor:0x10de\n${address}/device:0x26b9\n${address}/class:0x030200\n${address}/subsystem_vendor:0x10de\n${address}/subsystem_device:0x${subsystem}\n${address}/driver:nvidia\n`;
  const virtual = [4, 5, 6].map(
    (fn, index) =>
      `${ids(`0000:26:00.${fn}`, '0000')}0000:26:00.${fn}/physfn:0000:26:00.0\n0000:26:00.0/virtfn${index}:0000:26:00.${fn}\n`,
  );
  return table(
    '/sys/bus/pci/devices',
    `${ids('0000:26:00.0', '1851')}0000:26:00.0/sriov_totalvfs:32\n${virtual.join('')}${extra}`,
  );
}

describe('vGPU frameworks', () => {
  it('sees the vendor VFIO interface', () => {
    const list = '0000:26:00.0/virtfn1/nvidia/creatable_vgpu_types';
    const facts = readHostFacts({
      sections: [
        sriovCard(
          `0000:26:00.4/nvidia/current_vgpu_type:1155\n0000:26:00.5/nvidia/current_vgpu_type:0\n0000:26:00.6/nvidia/current_vgpu_type:0\n${list}:ID    : vGPU Name\n${list}:1155  : NVIDIA L40S-24Q\n`,
        ),
        command(
          'nvidia-smi vgpu -s -v',
          'GPU 00000000:26:00.0\n    vGPU Type ID                 : 0x483\n        Name                     : NVIDIA L40S-24Q\n        GPU Instance Profile ID  : N/A\n        Max Instances            : 2\n        Max Instances Per VM     : 1\n        FB Memory                : 24576 MiB\n',
        ),
      ],
    });
    const [card, taken, free] = facts.gpus;
    expect(card).toMatchObject({
      role: 'physical',
      vgpuFramework: 'vendor-vfio',
      virtualFunctions: ['0000:26:00.4', '0000:26:00.5', '0000:26:00.6'],
      companions: [],
      sriovTotal: 32,
      vgpuTypes: [{ typeId: 'nvidia-1155', name: 'NVIDIA L40S-24Q', framebufferMiB: 24576, maxInstances: 2 }],
    });
    expect(taken).toMatchObject({ role: 'virtual', physicalFunction: '0000:26:00.0', vgpuTypes: [] });
    expect(free?.vgpuTypes).toHaveLength(1);
    expect(facts.pciDetails['0000:26:00.4' as PciAddress]?.currentVgpuType).toBe(1155);
  });

  it('sees mediated devices on virtual functions, and adds them up for the card', () => {
    const types = [4, 5, 6].map((fn) => {
      const type = `0000:26:00.${fn}/mdev_supported_types/nvidia-592`;
      return `${type}/name:NVIDIA A10-4Q\n${type}/available_instances:${fn === 4 ? 0 : 1}\n${type}/description:num_heads=4, framebuffer=4096M, max_instance=6\n`;
    });
    const [card, used] = readHostFacts({
      sections: [sriovCard(''), table('/sys/class/mdev_bus', types.join(''))],
    }).gpus;
    expect(card).toMatchObject({
      vgpuFramework: 'mdev-on-vf',
      vgpuTypes: [{ available: 2, maxInstances: 6 }],
    });
    expect(used).toMatchObject({ vgpuFramework: 'mdev-on-vf', vgpuTypes: [{ available: 0 }] });
  });

  it('does not call a GPU without virtual functions "none" when its driver is a vGPU manager', () => {
    const text =
      '0000:26:00.0/vendor:0x10de\n0000:26:00.0/device:0x26b9\n0000:26:00.0/class:0x030200\n0000:26:00.0/driver:nvidia\n0000:26:00.0/sriov_totalvfs:32\n';
    const xml =
      '<nvidia_smi_log><gpu id="00000000:26:00.0"><gpu_virtualization_mode><virtualization_mode>Host VGPU</virtualization_mode><host_vgpu_mode>SR-IOV</host_vgpu_mode></gpu_virtualization_mode></gpu></nvidia_smi_log>';
    const [gpu] = readHostFacts({
      sections: [table('/sys/bus/pci/devices', text), command('nvidia-smi -q -x', xml)],
    }).gpus;
    expect(gpu?.vgpuFramework).toEqual({ unknown: expect.stringContaining('sriov-manage') });
  });
});

describe('a boot loader is told from what started the host', () => {
  const efi: CaptureSection = { kind: 'list', status: 'ok', name: 'paths', text: '/sys/firmware/efi\n' };
  const grub: CaptureSection = { kind: 'lines', status: 'ok', name: '/boot/grub/grub.cfg', text: '' };
  const entry = (path: string) =>
    command(
      'efibootmgr -v',
      `BootCurrent: 0001\nBoot0000* other\tFile(\\EFI\\x)\nBoot0001* Linux\tFile(${path})\n`,
    );
  const loaderInfo = (text: string) =>
    command(
      'od -An -tu1 /sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f',
      [6, 0, 0, 0, ...Buffer.from(`${text}\0`, 'utf16le')].join(' ').replace(/((?:\S+ ){16})/g, '$1\n'),
    );
  const loader = (...sections: CaptureSection[]) => readHostFacts({ sections }).boot.loader;

  it.each([
    ['BIOS', [{ ...efi, text: '' }, grub], 'grub'],
    ['systemd-boot of Proxmox VE', [efi, grub, entry('\\EFI\\systemd\\systemd-bootx64.efi')], 'systemd-boot'],
    ['GRUB by shim', [efi, grub, entry('\\EFI\\proxmox\\shimx64.efi')], 'grub'],
    [
      'proxmox-boot-tool',
      [
        efi,
        grub,
        command('proxmox-boot-tool status', 'A1B2-C3D4 is configured with: uefi (versions: 6.8)\n'),
      ],
      'systemd-boot',
    ],
    ['what systemd-boot says of itself', [efi, grub, loaderInfo('systemd-boot 252.39')], 'systemd-boot'],
    [
      'what GRUB says of itself, whatever else is installed',
      [efi, grub, command('bootctl is-installed', 'yes\n'), loaderInfo('GRUB 2.12-1')],
      'grub',
    ],
    ['bootctl alone', [efi, command('bootctl is-installed', 'yes\n')], 'systemd-boot'],
  ])('%s', (_, sections, kind) => {
    expect(loader(...sections)).toMatchObject({ kind });
  });

  it('stays unknown when both are installed and nothing says which', () => {
    expect(loader(efi, grub, command('bootctl is-installed', 'yes\n'))).toHaveProperty('unknown');
  });
});

describe('what could not be read', () => {
  it('is unknown with the reason, and named as a gap', () => {
    const facts = readHostFacts({
      sections: [
        { kind: 'lines', status: 'denied', name: 'dmesg', text: 'dmesg: read kernel buffer failed\n' },
        command('nvidia-smi -q -x', '', 'rc=124'),
        { kind: 'lines', status: 'denied', name: '/boot/grub/grub.cfg', text: '' },
      ],
    });
    expect(facts.kernelLog).toEqual({ unknown: 'needs root: dmesg: read kernel buffer failed' });
    expect(facts.nvidia.gpus).toEqual({ unknown: 'took too long' });
    expect(facts.boot.entries).toEqual({ unknown: '/boot/grub/grub.cfg needs root' });
    expect(facts.gaps.map(({ source }) => source)).toEqual([
      'dmesg',
      'nvidia-smi -q -x',
      '/boot/grub/grub.cfg',
    ]);
    expect(facts.pci).toHaveProperty('unknown');
    expect(facts.boot.secureBoot).toHaveProperty('unknown');
  });

  it('an empty capture gives facts that are all unknown', () => {
    const { boot, iommu, kernelModules, memory } = readHostFacts({ sections: [] });
    const values = [
      ...Object.values(boot),
      ...Object.values(iommu),
      ...Object.values(kernelModules),
      ...Object.values(memory),
    ];
    for (const value of values) expect(value).toHaveProperty('unknown');
  });
});

describe('hostFactsFromText', () => {
  it('reads bare lspci text, and takes NVIDIA virtual functions for what they are', () => {
    const line = (fn: number, subsystem: string) =>
      `08:00.${fn} 3D controller [0302]: NVIDIA Corporation GA107GL [A2 / A16] [10de:25b6] (rev a1)\n\tSubsystem: NVIDIA Corporation Device [10de:${subsystem}]\n\tKernel driver in use: nvidia\n`;
    const facts = hostFactsFromText(line(0, '157e') + line(4, '0000') + line(5, '0000'), {
      file: 'a/node-1.txt',
    });
    expect(facts).toMatchObject({ host: 'node-1', pciSource: 'lspci -nn' });
    expect(facts.gpus.map(({ role }) => role)).toEqual(['physical', 'virtual', 'virtual']);
    expect(facts.gpus[0]).toMatchObject({
      companions: [],
      virtualFunctions: ['0000:08:00.4', '0000:08:00.5'],
    });
    expect(facts.gpus[0]?.bootVga).toHaveProperty('unknown');
  });

  it.each([
    [
      'names without ids',
      '01:00.0 VGA compatible controller: NVIDIA Corporation GP108 (rev a1)\n',
      'names but no ids',
    ],
    ['anything else', 'hello\n', 'no PCI functions'],
    ['a damaged capture', '#vmgpu-capture 1\n#file ok /x\n', 'cut off'],
  ])('refuses %s and says what to run', (_, text, message) => {
    try {
      hostFactsFromText(text, { file: 'x.txt' });
      expect.unreachable();
    } catch (error) {
      expect(isVmgpuError(error) && error).toMatchObject({ code: 'bad-capture', where: { file: 'x.txt' } });
      expect(String(error)).toContain(message);
      expect(isVmgpuError(error) && error.hint).toContain('vmgpu collect');
    }
  });

  it('names a function whose line lspci cut off instead of dropping it', () => {
    const text =
      '01:00.0 VGA compatible controller [0300]: AMD [1002:7340]\n02:00.0 Display controller [0380]: AMD A very long name [10...\n';
    const facts = hostFactsFromText(text);
    expect(facts.gpus).toHaveLength(1);
    expect(facts.gaps).toEqual([{ source: 'lspci -nn', why: expect.stringContaining('0000:02:00.0') }]);
  });
});

describe('a host with ten GPUs and 48 virtual functions each', () => {
  const cards = Array.from({ length: 10 }, (_, index) => `0000:${(0x10 + index).toString(16)}`);
  const text = cards
    .map((bus) => {
      const functions = Array.from(
        { length: 49 },
        (_, index) => `${bus}:${(index >> 3).toString(16).padStart(2, '0')}.${index & 7}`,
      );
      const [card = '', ...virtual] = functions;
      const ids = functions.map(
        (each) =>
          `${each}/vendor:0x10de\n${each}/device:0x2bb5\n${each}/class:0x030200\n${each}/driver:nvidia\n`,
      );
      const links = virtual.map(
        (each, index) =>
          `${each}/physfn:${card}\n${card}/virtfn${index}:${each}\n${each}/nvidia/current_vgpu_type:0\n`,
      );
      return [
        ...ids,
        ...links,
        `${card}/virtfn0/nvidia/creatable_vgpu_types:1409  : NVIDIA RTX Pro 6000 Blackwell DC-24Q\n`,
      ].join('');
    })
    .join('');
  const capture = printCapture([
    command('uname -snrm', 'Linux big 6.8.0 x86_64\n'),
    table('/sys/bus/pci/devices', text),
  ]);

  it('is read whole', () => {
    const facts = readHostFacts(parseCapture(capture));
    const physical = facts.gpus.filter(({ role }) => role === 'physical');
    expect(facts.gpus).toHaveLength(490);
    expect(physical).toHaveLength(10);
    expect(physical.every((gpu) => gpu.virtualFunctions.length === 48 && gpu.vgpuTypes.length === 1)).toBe(
      true,
    );
    expect(hostInventory(facts, 'node-a')).toMatchObject({ host: 'node-a', gpus: facts.gpus });
  });
});

describe('files in the capture', () => {
  it('a name in an earlier directory hides the same name in a later one', () => {
    const facts = readHostFacts({
      sections: [
        file('/usr/lib/modprobe.d/vfio.conf', 'options vfio-pci ids=1:1\n'),
        file('/etc/modprobe.d/vfio.conf', 'options vfio-pci ids=10de:1d01\n'),
        command('modprobe -c', 'options vfio_pci ids=10de:1d01\nblacklist nouveau\n'),
      ],
    });
    expect(facts.kernelModules.modprobe).toMatchObject({
      options: [{ module: 'vfio_pci', parameters: 'ids=10de:1d01', file: '/etc/modprobe.d/vfio.conf' }],
      blacklist: [{ module: 'nouveau', file: 'modprobe -c' }],
    });
  });
});
