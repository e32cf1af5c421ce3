import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGrubby, parseGrubConfig, parseLoaderEntry } from '../src/facts/boot-entries.ts';
import { argumentValues, parseCommandLine } from '../src/facts/command-line.ts';
import { parseCpuinfo, parseLscpu } from '../src/facts/cpu.ts';
import { parseGrubDefaults } from '../src/facts/grub.ts';
import { interruptRemappingIn, parseKernelLog } from '../src/facts/kernel-log.ts';
import {
  parseMdevBus,
  parseMdevctlList,
  parseMdevctlTypes,
  parseMdevDescription,
} from '../src/facts/mdev.ts';
import { parseModprobe } from '../src/facts/modprobe.ts';
import {
  parseDkmsStatus,
  parseKernelConfig,
  parseLsmod,
  parseModinfo,
  parseModuleList,
} from '../src/facts/modules.ts';
import { parseNodedev, parseUdevadm } from '../src/facts/nodedev.ts';
import {
  parseNvidiaSmiList,
  parseNvidiaSmiText,
  parseNvidiaSmiXml,
  parseNvidiaVgpuTypes,
} from '../src/facts/nvidia-smi.ts';
import { parseOsRelease } from '../src/facts/os-release.ts';
import { parseFramebuffers } from '../src/facts/read-boot.ts';
import { parseIommuGroups } from '../src/facts/sysfs-pci.ts';

describe('kernel command line', () => {
  it('keeps quoted blanks, compares keys as the kernel does, and ends at --', () => {
    const line = parseCommandLine(
      ' root=/dev/sda1  vfio-pci.ids=10de:1d01,10de:0fb8 "dyndbg=file a +p" x="a b" -- vfio_pci.ids=no\n',
    );
    expect(line.args.map(({ key, value }) => [key, value])).toEqual([
      ['root', '/dev/sda1'],
      ['vfio_pci.ids', '10de:1d01,10de:0fb8'],
      ['dyndbg', 'file a +p'],
      ['x', 'a b'],
    ]);
    expect(argumentValues(line, 'vfio_pci.ids')).toEqual(['10de:1d01,10de:0fb8']);
  });

  it('gives back plain words as they were', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9_.]{0,8}(=[a-z0-9,:]{0,8})?$/);
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(parseCommandLine(words.join(' ')).args.map(({ raw }) => raw)).toEqual(words);
      }),
    );
  });
});

describe('GRUB defaults', () => {
  const read = (...texts: string[]) =>
    parseGrubDefaults(texts.map((text, index) => ({ path: `f${index}`, text })));

  it.each([
    ['double quotes', 'GRUB_CMDLINE_LINUX_DEFAULT="quiet splash"', 'quiet splash'],
    ['single quotes', "GRUB_CMDLINE_LINUX_DEFAULT='quiet $x'", 'quiet $x'],
    ['none', 'GRUB_CMDLINE_LINUX_DEFAULT=quiet # why', 'quiet'],
    ['export and comment', '  export GRUB_CMDLINE_LINUX_DEFAULT="a" # "b"', 'a'],
    ['+=', 'GRUB_CMDLINE_LINUX_DEFAULT="a"\nGRUB_CMDLINE_LINUX_DEFAULT+=" b"', 'a b'],
    ['a continued line', 'GRUB_CMDLINE_LINUX_DEFAULT="a \\\nb"', 'a b'],
    ['a quote over lines', 'GRUB_CMDLINE_LINUX_DEFAULT="a\nb"', 'a\nb'],
    ['a variable', 'X=1\nGRUB_CMDLINE_LINUX_DEFAULT="a$X $' + '{X} $' + '{Y:-z} $' + '{X:+w}"', 'a1 1 z w'],
    ['escapes', 'GRUB_CMDLINE_LINUX_DEFAULT="a=\\"b c\\" \\$d"', 'a="b c" $d'],
    ['the last of several', 'GRUB_CMDLINE_LINUX_DEFAULT="a"\nGRUB_CMDLINE_LINUX_DEFAULT="b"', 'b'],
    ['a comment', '#GRUB_CMDLINE_LINUX_DEFAULT="a"', ''],
  ])('reads %s', (_, text, value) => {
    expect(read(text)).toMatchObject({ linuxDefault: value, dynamic: [] });
  });

  it('reads the drop-in after the file', () => {
    const main = 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"';
    const dropIn = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT iommu=pt"';
    expect(read(main, dropIn).linuxDefault).toBe('quiet iommu=pt');
  });

  it('names files that would have to be run, but only for the variables that matter', () => {
    expect(read('GRUB_DISTRIBUTOR=`lsb_release -i`\nGRUB_CMDLINE_LINUX="a"').dynamic).toEqual([]);
    expect(read('GRUB_CMDLINE_LINUX="root=$(findmnt -no SOURCE /)"').dynamic).toEqual(['f0']);
    expect(read('A=1', 'if true; then GRUB_CMDLINE_LINUX="x"; fi').dynamic).toEqual(['f1']);
  });
});

describe('boot entries', () => {
  it('come from grub.cfg, loader entries and grubby', () => {
    expect(
      parseGrubConfig("menuentry 'x' {\n\tlinux\t/vmlinuz root=/dev/a ro quiet\n\tinitrd /i\n}\n", 'g'),
    ).toEqual([{ file: 'g', args: 'root=/dev/a ro quiet' }]);
    expect(parseLoaderEntry('title Proxmox\nlinux /v\noptions root=ZFS=rpool\noptions quiet\n', 'e')).toEqual(
      [{ file: 'e', args: 'root=ZFS=rpool quiet' }],
    );
    expect(
      parseGrubby(
        'grep: noise\nindex=0\nkernel="/boot/vmlinuz-5"\nargs="ro quiet"\nindex=1\nkernel=/boot/vmlinuz-3\nargs=ro\n',
      ),
    ).toMatchObject([{ args: 'ro quiet' }, { args: 'ro' }]);
    // grubby puts its own quotes around the text as it is.
    expect(parseGrubby('index=0\nargs="ro dyndbg="file x.c +p" quiet"\n')).toMatchObject([
      { args: 'ro dyndbg="file x.c +p" quiet' },
    ]);
  });
});

describe('modules', () => {
  it('modprobe.d joins lines and keeps their places', () => {
    const config = parseModprobe(
      '# no\noptions vfio-pci \\\n  ids=10de:1d01 disable_vga=1\nsoftdep nouveau pre: vfio-pci post: a-b\ninstall nvidia /bin/false\nalias pci:v* vfio-pci\nblacklist snd-hda-intel\n',
      'f',
    );
    expect(config).toEqual({
      options: [{ module: 'vfio_pci', parameters: 'ids=10de:1d01 disable_vga=1', file: 'f', line: 2 }],
      softdep: [{ module: 'nouveau', pre: ['vfio_pci'], post: ['a_b'], file: 'f', line: 4 }],
      install: [{ module: 'nvidia', command: '/bin/false', file: 'f', line: 5 }],
      alias: [{ alias: 'pci:v*', module: 'vfio_pci', file: 'f', line: 6 }],
      blacklist: [{ module: 'snd_hda_intel', file: 'f', line: 7 }],
    });
  });

  it('lists keep whole lines for the checks of what people wrongly put there', () => {
    expect(parseModuleList('# x\n\nvfio_pci ids=10de:1d01\nvfio-pci\n', '/etc/modules')).toEqual([
      { file: '/etc/modules', line: 3, module: 'vfio_pci', text: 'vfio_pci ids=10de:1d01' },
      { file: '/etc/modules', line: 4, module: 'vfio_pci', text: 'vfio-pci' },
    ]);
  });

  it('lsmod, modinfo, dkms and the kernel configuration', () => {
    expect(parseLsmod('Module  Size  Used by\nvfio_pci 16384 0\nkvm 1 2 kvm_amd,irqbypass\n')).toEqual([
      'vfio_pci',
      'kvm',
    ]);
    expect(parseModinfo('filename: (builtin)\nname: vfio_pci\nparm: ids:Initial PCI IDs (string)\n')).toEqual(
      {
        fields: { filename: '(builtin)', name: 'vfio_pci' },
        parameters: ['ids'],
      },
    );
    expect(
      parseDkmsStatus(
        'nvidia/550.54.14, 6.8.0-45-generic, x86_64: installed\nnvidia, 535.104.05, 5.15.0-84-generic, x86_64: built\nx/1: added\n',
      ),
    ).toEqual([
      { module: 'nvidia', version: '550.54.14', kernel: '6.8.0-45-generic', state: 'installed' },
      { module: 'nvidia', version: '535.104.05', kernel: '5.15.0-84-generic', state: 'built' },
      { module: 'x', version: '1', state: 'added' },
    ]);
    expect(parseKernelConfig('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x"\n')).toEqual({
      CONFIG_A: 'y',
      CONFIG_B: 'n',
      CONFIG_C: 'x',
    });
  });
});

describe('kernel log', () => {
  it('loses its stamps', () => {
    const text =
      '[    0.151204] AMD-Vi: Interrupt remapping enabled\n[Fri Nov 21 03:34:12 2026] a b\n<6>[   1.000000][    T1] c\nNov 21 03:34:12 pve kernel: d\n';
    expect(parseKernelLog(text)).toEqual(['AMD-Vi: Interrupt remapping enabled', 'a b', 'c', 'd']);
  });

  it('tells interrupt remapping only when it says so', () => {
    expect(interruptRemappingIn(['DMAR-IR: Enabled IRQ remapping in x2apic mode'])).toBe(true);
    expect(interruptRemappingIn(['DMAR-IR: Queued invalidation not supported'])).toBe(false);
    expect(interruptRemappingIn(['DMAR: IOMMU enabled'])).toBeUndefined();
  });
});

describe('mediated devices', () => {
  it.each([
    [
      'NVIDIA',
      'num_heads=4, frl_config=60, framebuffer=24576M, max_resolution=7680x4320, max_instance=2',
      { framebufferMiB: 24576, maxInstances: 2 },
    ],
    ['Maxwell', 'num_heads=2, frl_config=45, framebuffer=1024M', { framebufferMiB: 1024 }],
    ['Intel', 'low_gm_size: 128MB\nhigh_gm_size: 512MB\nfence: 4\nresolution: 1920x1200\nweight: 4', {}],
  ])('description of %s', (_, text, expected) => {
    expect(parseMdevDescription(text)).toEqual(expected);
  });

  const i915 = { typeId: 'i915-GVTg_V5_4', available: 1 };

  it('types of sysfs, with a description of several lines and a parent that is no PCI device', () => {
    const types = parseMdevBus(
      '0000:00:02.0/mdev_supported_types/i915-GVTg_V5_4/available_instances:1\n0000:00:02.0/mdev_supported_types/i915-GVTg_V5_4/description:low_gm_size: 128MB\n0000:00:02.0/mdev_supported_types/i915-GVTg_V5_4/description:fence: 4\nmtty/mdev_supported_types/mtty-1/name:Single port serial\nmtty/mdev_supported_types/mtty-1/available_instances:24\n',
    );
    expect(types.get('0000:00:02.0')).toEqual([i915]);
    expect(types.get('mtty')).toEqual([{ typeId: 'mtty-1', name: 'Single port serial', available: 24 }]);
  });

  it('types of mdevctl, as text and as JSON', () => {
    const text =
      '0000:00:02.0\n  i915-GVTg_V5_4\n    Available instances: 1\n    Device API: vfio-pci\n    Description: low_gm_size: 128MB\n      fence: 4\n0000:41:00.0\n  nvidia-592\n    Available instances: 0\n    Device API: vfio-pci\n    Name: NVIDIA A10-4Q\n';
    expect(parseMdevctlTypes(text).get('0000:00:02.0')).toEqual([i915]);
    expect(parseMdevctlTypes(text).get('0000:41:00.0')).toEqual([
      { typeId: 'nvidia-592', name: 'NVIDIA A10-4Q', available: 0 },
    ]);
    const json = '[{"0000:00:02.0":[{"i915-GVTg_V5_4":{"available_instances":1,"device_api":"vfio-pci"}}]}]';
    expect(parseMdevctlTypes(json).get('0000:00:02.0')).toEqual([i915]);
  });

  it('lists of mdevctl, as text and as JSON', () => {
    const uuid = '976d8cc2-4bfc-43b9-b9f9-f4af2de91ab9';
    const expected = [{ uuid, parent: '0000:41:00.0', typeId: 'nvidia-592', autoStart: true }];
    expect(parseMdevctlList(`${uuid} 0000:41:00.0 nvidia-592 auto (defined)\n`)).toEqual(expected);
    expect(
      parseMdevctlList(
        `[{"0000:41:00.0":[{"${uuid}":{"mdev_type":"nvidia-592","start":"auto","attrs":[]}}]}]`,
      ),
    ).toEqual(expected);
  });
});

describe('nvidia-smi', () => {
  const expected = {
    address: '0000:65:00.0',
    productName: 'NVIDIA A40',
    fbTotalMiB: 46068,
    bar1TotalMiB: 65536,
    migMode: { current: null, pending: null },
    virtualizationMode: 'Host VGPU',
    hostVgpuMode: 'SR-IOV',
    heterogeneousTimeSliceSizes: 'Not Supported',
  };

  it('reads -q -x after warnings', () => {
    const xml =
      'WARNING: infoROM is corrupted\n<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n<nvidia_smi_log>\n<gpu id="00000000:65:00.0">\n<product_name>NVIDIA A40</product_name><mig_mode><current_mig>N/A</current_mig><pending_mig>[N/A]</pending_mig></mig_mode><display_mode>Requested functionality has been deprecated</display_mode><gpu_virtualization_mode><virtualization_mode>Host VGPU</virtualization_mode><host_vgpu_mode>SR-IOV</host_vgpu_mode></gpu_virtualization_mode><vgpu_device_capability><heterogeneous_timeSlice_sizes>Not Supported</heterogeneous_timeSlice_sizes></vgpu_device_capability><fb_memory_usage><total>46068 MiB</total></fb_memory_usage><bar1_memory_usage><total>65536 MiB</total></bar1_memory_usage></gpu>\n<gpu id="00000000:66:00.0"><product_name>GPU is lost</product_name></gpu></nvidia_smi_log>';
    expect(parseNvidiaSmiXml(xml)).toMatchObject([
      expected,
      { address: '0000:66:00.0', fault: 'GPU is lost' },
    ]);
    expect(parseNvidiaSmiXml('NVIDIA-SMI has failed')).toBeUndefined();
  });

  it('reads -q', () => {
    const text =
      '==============NVSMI LOG==============\n\nAttached GPUs                             : 1\nGPU 00000000:65:00.0\n    Product Name                          : NVIDIA A40\n    vGPU Device Capability\n        Heterogeneous Time-Slice Sizes    : Not Supported\n    MIG Mode\n        Current                           : N/A\n        Pending                           : N/A\n    GPU Virtualization Mode\n        Virtualization Mode               : Host VGPU\n        Host VGPU Mode                    : SR-IOV\n    FB Memory Usage\n        Total                             : 46068 MiB\n    BAR1 Memory Usage\n        Total                             : 65536 MiB\n';
    expect(parseNvidiaSmiText(text)).toMatchObject([expected]);
  });

  it('reads -L and vgpu -s -v; a GPU instance profile of 0 is one, N/A is none', () => {
    expect(parseNvidiaSmiList('GPU 0: NVIDIA A40 (UUID: GPU-1)\nnoise\n')).toEqual([
      { index: 0, name: 'NVIDIA A40', uuid: 'GPU-1' },
    ]);
    const types = parseNvidiaVgpuTypes(
      'GPU 00000000:8C:00.0\n    vGPU Type ID                 : 0x5ee\n        Name                     : NVIDIA H100-1-10C\n        GPU Instance Profile ID  : 0\n        Max Instances            : 7\n        Max Instances Per GI     : 1\n        FB Memory                : 10240 MiB\n    vGPU Type ID                 : 0x3e9\n        Name                     : NVIDIA H100-8C\n        GPU Instance Profile ID  : N/A\n        Max Instances            : 10\n',
    );
    expect(types.get('0000:8c:00.0' as never)).toMatchObject([
      {
        typeId: 'nvidia-1518',
        name: 'NVIDIA H100-1-10C',
        gpuInstanceProfile: 0,
        maxInstances: 7,
        framebufferMiB: 10240,
      },
      { typeId: 'nvidia-1001', maxInstances: 10 },
    ]);
    expect(types.get('0000:8c:00.0' as never)?.[1]).not.toHaveProperty('gpuInstanceProfile');
  });
});

describe('other sources', () => {
  it('libvirt node devices', () => {
    const xml =
      "<device><name>pci_0000_41_00_0</name><driver><name>nvidia</name></driver><capability type='pci'><class>0x030200</class><domain>0</domain><bus>65</bus><slot>0</slot><function>0</function><product id='0x2236'>GA102GL [A10]</product><vendor id='0x10de'>NVIDIA</vendor><iommuGroup number='27'/><numa node='1'/></capability></device>";
    expect(parseNodedev(xml)).toEqual([
      {
        address: '0000:41:00.0',
        id: '10de:2236',
        class: '0302',
        vendorName: 'NVIDIA',
        deviceName: 'GA102GL [A10]',
        driver: 'nvidia',
        iommuGroup: 27,
        numaNode: 1,
      },
    ]);
  });

  it('the udev database', () => {
    const text =
      'P: /devices/pci0000:00/0000:00:02.0\nE: DRIVER=i915\nE: PCI_CLASS=30000\nE: PCI_ID=8086:5917\nE: PCI_SLOT_NAME=0000:00:02.0\nE: PCI_SUBSYS_ID=1028:083A\nE: SUBSYSTEM=pci\n\nP: /devices/x\nE: SUBSYSTEM=usb\n';
    expect(parseUdevadm(text)).toMatchObject([
      { address: '0000:00:02.0', id: '8086:5917:1028:083a', class: '0300', driver: 'i915' },
    ]);
  });

  it('IOMMU groups as find lists them', () => {
    expect(parseIommuGroups('/sys/kernel/iommu_groups/7/devices/0000:00:0a.0\n7/type:DMA-FQ\n')).toEqual([
      { id: 7, type: 'DMA-FQ', members: ['0000:00:0a.0'] },
    ]);
  });

  it('framebuffers in /proc/iomem, whose addresses only root sees', () => {
    expect(parseFramebuffers('    c0000000-c07e8fff : BOOTFB\n')).toEqual([
      { name: 'BOOTFB', start: 0xc0000000, end: 0xc07e8fff },
    ]);
    expect(parseFramebuffers('    00000000-00000000 : BOOTFB\n')).toHaveProperty('unknown');
  });

  it('os-release', () => {
    expect(
      parseOsRelease('ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\nPRETTY_NAME=\'a\'\n'),
    ).toEqual({
      id: 'opensuse-leap',
      idLike: ['suse', 'opensuse'],
      versionId: '15.6',
      prettyName: 'a',
      ostree: false,
    });
  });

  it('processors', () => {
    const raw = 'processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu vmx sse\n\n';
    const expected = {
      vendor: 'GenuineIntel',
      model: 'Xeon',
      count: 2,
      withVirtualization: 2,
      virtualization: 'vmx',
    };
    expect(parseCpuinfo(raw + raw)).toEqual(expected);
    expect(
      parseCpuinfo(
        '      2 flags\t\t: vmx\n      2 model name\t: Xeon \n      2 processor\t:\n      2 vendor_id\t: GenuineIntel \n',
      ),
    ).toEqual(expected);
    expect(
      parseLscpu('CPU(s):  2\nVendor ID: GenuineIntel\nModel name: Xeon\nVirtualization: VT-x\n'),
    ).toEqual(expected);
  });
});
