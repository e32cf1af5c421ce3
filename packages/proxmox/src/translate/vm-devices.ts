/** Firmware, disks and networks of a VM as options. */
import { type GpuVmSpec, parseBytes, toGiB } from '@vmgpu/core';
import { efidiskFormat, tpmstateFormat } from './formats.ts';
import { printProperties } from './property-string.ts';
import type { ProxmoxOptions } from './provider-options.ts';
import type { ComposeContext } from './vm-options.ts';

export function firmwareOptions(spec: GpuVmSpec, native: ProxmoxOptions, context: ComposeContext) {
  const { type, secureBoot, tpm } = spec.firmware ?? {};
  const said = (option: string) => native.options?.[option] !== undefined;
  const uefi = type === 'uefi';
  if (secureBoot && type !== 'uefi') {
    context.report.add(
      'unsupported',
      'secure-boot-needs-uefi',
      'spec.firmware.secureBoot',
      'Secure Boot exists with UEFI firmware only',
      'say firmware.type: uefi',
    );
  }
  const storage =
    (uefi && !said('efidisk0')) || (tpm && !said('tpmstate0'))
      ? storageOf(context, 'spec.firmware')
      : undefined;
  return {
    bios: type && (uefi ? 'ovmf' : 'seabios'),
    efidisk0:
      uefi && storage !== undefined
        ? printProperties(efidiskFormat, {
            file: `${storage}:1`,
            efitype: '4m',
            ...(secureBoot === undefined ? {} : { 'pre-enrolled-keys': secureBoot ? '1' : '0' }),
          })
        : undefined,
    tpmstate0:
      tpm && storage !== undefined
        ? printProperties(tpmstateFormat, { file: `${storage}:1`, version: 'v2.0' })
        : undefined,
  };
}

export function diskOptions(spec: GpuVmSpec, native: ProxmoxOptions, context: ComposeContext) {
  const disks = spec.disks ?? [];
  const named = new Set(disks.map((disk) => disk.name).filter(isSlot));
  const free = Array.from({ length: 31 }, (_, n) => `scsi${n}`).filter((slot) => !named.has(slot));
  const options: Record<string, string> = {};
  disks.forEach((disk, index) => {
    const slot = isSlot(disk.name) ? disk.name : (free.shift() ?? disk.name);
    if (native.options?.[slot] !== undefined) return;
    const path = `spec.disks[${index}]`;
    const storage = storageOf(context, path);
    const volume = disk.image !== undefined && /^[^:/]+:[^/].*\//.test(disk.image) ? disk.image : undefined;
    if (disk.image !== undefined && volume === undefined) {
      context.report.add(
        'unsupported',
        'disk-image',
        `${path}.image`,
        `"${disk.image}" is not a volume of a Proxmox VE storage; the disk is made empty`,
        'download the image to a storage of content type import and name it, e.g. local:import/debian-13.qcow2',
      );
    }
    if (disk.size === undefined && volume === undefined) {
      context.report.add(
        'unsupported',
        'disk-size',
        path,
        `disk ${disk.name} has no size; it is left out`,
        'give it a size',
      );
      return;
    }
    if (disk.size !== undefined && volume !== undefined) {
      context.report.add(
        'lossy',
        'disk-imported-size',
        `${path}.size`,
        'an imported disk has the size of its image; it must be grown afterwards',
        `qm resize VMID ${slot} ${toGiB(parseBytes(disk.size))}G`,
      );
    }
    if (storage === undefined) return;
    const bytes = parseBytes(disk.size ?? '0');
    if (volume === undefined && bytes % 2 ** 30 !== 0) {
      context.report.add(
        'approximated',
        'disk-size-rounded',
        `${path}.size`,
        `Proxmox VE makes disks of whole GiB: ${disk.size} becomes ${toGiB(bytes)} GiB`,
      );
    }
    options[slot] =
      volume === undefined ? `${storage}:${toGiB(bytes)}` : `${storage}:0,import-from=${volume}`;
  });
  const scsi = disks.some((disk) => !isSlot(disk.name) || disk.name.startsWith('scsi'));
  return { ...options, ...(context.create && scsi ? { scsihw: 'virtio-scsi-single' } : {}) };
}

function isSlot(name: string): boolean {
  return /^(ide|sata|scsi|virtio)\d+$/.test(name);
}

export function networkOptions(spec: GpuVmSpec, native: ProxmoxOptions, { create, report }: ComposeContext) {
  const options: Record<string, string> = {};
  const hasNative = Object.keys(native.options ?? {}).some((key) => /^net\d+$/.test(key));
  if (create && spec.networks === undefined && !hasNative)
    report.add(
      'approximated',
      'network-none',
      'spec.networks',
      'no network is named, and Proxmox VE attaches none by itself',
      'name a bridge, e.g. vmbr0, or say that there shall be none: networks: []',
    );
  spec.networks?.forEach((network, index) => {
    const isBridge = /^vmbr\d+$/.test(network.name);
    const bridge = isBridge ? network.name : (native.bridge ?? 'vmbr0');
    options[`net${index}`] = `virtio,bridge=${bridge}`;
    if (!isBridge && native.bridge === undefined && native.options?.[`net${index}`] === undefined) {
      report.add(
        'approximated',
        'network-bridge',
        `spec.networks[${index}].name`,
        `network ${network.name} is attached to vmbr0, the bridge of a default installation`,
        'name the network after its bridge, or set providerOptions.proxmox.bridge',
      );
    }
  });
  return options;
}

export function storageOf({ storage, report }: ComposeContext, path: string): string | undefined {
  if (storage !== undefined) return storage;
  report.add(
    'blocked',
    'storage-unknown',
    path,
    'no storage for disks is known',
    'set providerOptions.proxmox.storage, e.g. local-lvm',
  );
  return undefined;
}
