import { type PciAddress, parsePciAddress } from '@vmgpu/core';
import type { HostGoal } from '@vmgpu/host-prep/plan';

/** One host, what is wanted of it, and what it then must be like. */
export interface Scenario {
  readonly name: string;
  /** Options of `host-up`. */
  readonly options: readonly string[];
  /** Shell lines that make the host what it is before vmgpu comes. */
  readonly setup?: string;
  readonly goal: HostGoal;
  /** Functions whose driver is vfio-pci at the end, and functions that keep theirs. */
  readonly given: readonly PciAddress[];
  readonly kept: readonly PciAddress[];
  /** Shell lines and what they print once the host is ready, after each boot. */
  readonly shows?: { readonly command: string; readonly text: string };
  /** A goal without the consent, and the code it is refused with. */
  readonly refusedWithout?: { readonly goal: HostGoal; readonly code: string };
  /** Text of a capture as this host shall be seen. */
  readonly disguise?: (capture: string) => string;
  /** False where the stand-in lacks what a verdict also looks at. Default true. */
  readonly ready?: false;
}

const at = (...addresses: readonly string[]) => addresses.map((text) => parsePciAddress(text));
const slots = (...cards: readonly string[]) => cards.flatMap((card) => ['--slot', card]);

// QEMU emulates no VT-x: the device file alone stands in for KVM.
const kvmStandIn =
  'echo "c! /dev/kvm 0660 root root - 10:232" >/etc/tmpfiles.d/kvm.conf; systemd-tmpfiles --create --boot kvm.conf';

// The stand-in driver has no manager: units that do nothing, and in captures the version and the module of one.
const vgpuServices = `for unit in nvidia-vgpud nvidia-vgpu-mgr; do
  printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/$unit.service
  systemctl enable -q --now $unit
done`;
function asVgpuManager(capture: string): string {
  return capture
    .replace(
      '#file absent /proc/driver/nvidia/version',
      '#file ok /proc/driver/nvidia/version\n|NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.90.05  Mon Jun 24 2024',
    )
    .replace(/^\|\/sys\/module\//m, '|/sys/module/nvidia_vgpu_vfio\n$&');
}

const intel = ['--iommu', 'intel', '--cpus', '1'];
const amd = ['--iommu', 'amd', '--cpus', '1'];
const twin: HostGoal = { mode: 'vm-passthrough', devices: at('0000:01:00.0') };

export const scenarios: readonly Scenario[] = [
  {
    name: 'Intel IOMMU, off at first; two A10s, an A6000 with audio in its slot',
    options: [...intel, '--image', 'iommu-off', ...slots('a10', 'a10', 'a6000')],
    setup: kvmStandIn,
    goal: { mode: 'vm-passthrough' },
    given: at('0000:01:00.0', '0000:02:00.0', '0000:03:00.0', '0000:03:00.1'),
    kept: [],
    shows: { command: 'grep -o intel_iommu=on /proc/cmdline', text: 'intel_iommu=on' },
  },
  {
    name: 'AMD IOMMU; all cards in one group, one of two equal A10s is given away',
    options: [...amd, '--no-acs', ...slots('a10', 'a10', 'a6000')],
    goal: { ...twin, consent: ['group-neighbours'] },
    refusedWithout: { goal: twin, code: 'host.group' },
    // The audio function has a driver of the host; the other cards have none and can stay.
    given: at('0000:01:00.0', '0000:03:00.1'),
    kept: at('0000:02:00.0', '0000:03:00.0'),
  },
  {
    // QEMU 7.2 loses the interrupts of devices behind a root port when the IOMMU is AMD's, and the NVMe driver gives up.
    name: 'Intel IOMMU; four virtual functions (an NVMe controller stands in for a GPU)',
    options: [...intel, ...slots('nvme-sriov')],
    setup: kvmStandIn,
    disguise: (capture) => capture.replaceAll('/class:0x010802', '/class:0x030200'),
    goal: {
      mode: 'vm-vgpu',
      devices: at('0000:01:00.0'),
      virtualFunctions: { [parsePciAddress('0000:01:00.0')]: 4 },
    },
    given: at('0000:01:00.1', '0000:01:00.2', '0000:01:00.3', '0000:01:00.4'),
    kept: at('0000:01:00.0'),
    ready: false,
  },
  {
    name: 'AMD IOMMU; two A10-4Q of an A10 (mediated devices of a stand-in driver)',
    options: [...amd, ...slots('a10', 't4')],
    setup: `echo hostvm_vgpu >/etc/modules-load.d/hostvm.conf; modprobe hostvm_vgpu; ${vgpuServices}`,
    disguise: asVgpuManager,
    goal: {
      mode: 'vm-vgpu',
      devices: at('0000:01:00.0'),
      vgpus: [{ device: parsePciAddress('0000:01:00.0'), profile: 'A10-4Q', count: 2 }],
    },
    given: [],
    kept: at('0000:01:00.0', '0000:02:00.0'),
    shows: { command: 'cat /sys/bus/mdev/devices/*/mdev_type/name', text: 'NVIDIA A10-4Q\nNVIDIA A10-4Q' },
    ready: false,
  },
];
