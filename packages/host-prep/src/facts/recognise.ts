import { type PciFunction, VmgpuError } from '@vmgpu/core';
import type { HostCapture } from '../capture/format.ts';
import { functionsOf, parseLspci } from './lspci.ts';
import { parseNodedev, parseUdevadm } from './nodedev.ts';
import { parseSysfsPci, sysfsFunction } from './sysfs-pci.ts';

/** What a text is, told from its content. */
export type TextKind = (typeof signs)[number][0] | 'unknown';

export interface Recognised {
  readonly kind: TextKind;
  /** PCI functions with ids, when the text lists some. */
  readonly functions?: readonly PciFunction[];
}

/** First match wins: the more specific come first. */
const signs = [
  ['capture', /^#vmgpu-capture /m],
  ['sysfs-pci', /^(?:\/sys\/bus\/pci\/devices\/)?[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\/\w+:/im],
  ['nvidia-smi-xml', /<nvidia_smi_log/],
  ['nodedev-xml', /<capability type=['"]/],
  ['udevadm', /^P: \/devices\//m],
  ['nvidia-smi-vgpu', /^[ \t]{0,40}vGPU Type ID[ \t]{1,40}: /m],
  ['nvidia-smi-text', /={5}NVSMI LOG=|^GPU \d{1,3}: .{1,100} \(UUID: |^\| NVIDIA-SMI /m],
  ['mdevctl-types', /^ {4}Available instances: |"available_instances"/m],
  ['mdevctl-list', /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12} \S+ \S+|"mdev_type"/im],
  ['iommu-groups', /^[ \t|*#>-]{0,40}IOMMU\s?group\s?:?\s?\d{1,6}|^\/sys\/kernel\/iommu_groups\/\d/im],
  ['lspci', /^Slot:[ \t]|^[ \t|*>-]{0,40}(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7] ["A-Za-z0-9]/m],
  ['acpi-tables', /^# ACPI tables present:|Signature : "(?:DMAR|IVRS|IORT)"/m],
  ['kernel-log', /^\[[ \d]{1,12}\.\d{6}\] |kernel: \[/m],
  ['lscpu', /^CPU op-mode\(s\):|^CPU\(s\):/m],
  ['cpuinfo', /^(?:processor|vendor_id)[ \t]{0,8}: /m],
  ['os-release', /^PRETTY_NAME=/m],
  ['lsmod', /^Module +Size +Used by/m],
  ['kernel-config', /^(?:# )?CONFIG_\w+(?:=| is not set)/m],
  ['modinfo', /^filename:[ \t]+\S/m],
  ['grubby', /^index=\d/m],
  ['grub-defaults', /^[ \t]{0,40}(?:export )?GRUB_\w+\+?=/m],
  ['loader-entry', /^title[ \t]+\S/m],
  ['modprobe', /^[ \t]{0,40}(?:options|blacklist|install|softdep|alias|remove)[ \t]+\S/m],
  ['kernel-command-line', /^BOOT_IMAGE=|^\S*root=\S+ /],
  ['lshw', /^ {1,40}\*-(?:core|display|cpu)|"class" ?: ?"(?:system|display)"/m],
  ['json', /^\s*[[{]/],
] as const satisfies readonly (readonly [string, RegExp])[];

/** Says what a text is, and reads the PCI functions in it. Never throws. */
export function recognise(text: string): Recognised {
  const kind = signs.find(([, sign]) => sign.test(text))?.[0] ?? 'unknown';
  const functions = kind === 'capture' ? undefined : functionsIn(text, kind);
  return functions && functions.length > 0 ? { kind, functions } : { kind };
}

/** The PCI functions a text lists; undefined when it is of no kind that lists any. */
export function functionsIn(
  text: string,
  kind: TextKind = recognise(text).kind,
): readonly PciFunction[] | undefined {
  switch (kind) {
    case 'lspci':
    case 'iommu-groups':
      return functionsOf(parseLspci(text));
    case 'nodedev-xml':
      return parseNodedev(text);
    case 'udevadm':
      return parseUdevadm(text);
    case 'sysfs-pci':
      return [...parseSysfsPci(text)].flatMap(
        ([address, attributes]) => sysfsFunction(address, attributes) ?? [],
      );
    default:
      return undefined;
  }
}

/** A bare text as a capture of one section. Throws `bad-capture` when it lists no PCI function with an id. */
export function captureOf(text: string, options: { readonly file?: string } = {}): HostCapture {
  const { kind, functions } = recognise(text);
  if (!functions) {
    const namesOnly = kind === 'lspci' || kind === 'iommu-groups';
    throw new VmgpuError(
      'bad-capture',
      namesOnly ? 'this listing has names but no ids' : 'no PCI functions in this text',
      {
        where: { ...options, line: 1 },
        found: kind === 'unknown' ? (text.trim().split('\n', 1)[0] ?? '') : kind,
        expected: 'a vmgpu capture, or the output of lspci with ids',
        hint: 'run `vmgpu collect -o FILE`, or at least `lspci -Dvmmnnk`',
      },
    );
  }
  const name = kind === 'sysfs-pci' ? '/sys/bus/pci/devices' : kind === 'iommu-groups' ? 'lspci' : kind;
  return { ...options, sections: [{ kind: 'command', status: 'rc=0', name, text }] };
}
