import type { GpuVmDisk, GpuVmSpec } from '@vmgpu/core';
import { fromQuantity } from './amounts.ts';
import { diskVolumes, readDisk } from './disks.ts';
import { at, compact, isObject, type Json, listAt, objectAt, textAt } from './manifest.ts';

/** The neutral part of a VMI's `spec`, but for its GPUs. */
export interface NeutralVmi {
  readonly spec: Partial<GpuVmSpec>;
  readonly dataVolumes: Readonly<Record<string, string>>;
  readonly memoryField?: 'requests';
}

/** What the `spec` of a VMI says in neutral words. */
export function readVmi(vmi: Json, templates: readonly Json[], namespace: string): NeutralVmi {
  const domain = objectAt(vmi, 'domain');
  const guest = fromQuantity(at(domain, 'memory', 'guest'));
  const requested = fromQuantity(at(domain, 'resources', 'requests', 'memory'));
  const disks: GpuVmDisk[] = [];
  const dataVolumes: Record<string, string> = {};
  for (const volume of diskVolumes(vmi)) {
    const read = readDisk(volume, templates, namespace);
    if (read === undefined) continue;
    disks.push(read.disk);
    if (read.dataVolume !== undefined) dataVolumes[read.disk.name] = read.dataVolume;
  }
  const networks = listAt(vmi, 'networks').flatMap((network) => {
    const name = textAt(network, 'name') ?? '';
    const same =
      name === 'default'
        ? at(network, 'pod') !== undefined
        : textAt(network, 'multus', 'networkName') === name;
    return same && /^[A-Za-z0-9_-]{1,63}$/.test(name) ? [{ name }] : [];
  });
  const noNetwork =
    listAt(vmi, 'networks').length === 0 && at(domain, 'devices', 'autoattachPodInterface') === false;
  const mapping = at(domain, 'cpu', 'numa', 'guestMappingPassthrough') !== undefined;
  const hidden = at(domain, 'features', 'kvm', 'hidden');
  return {
    spec: compact({
      cpu: readCpu(objectAt(domain, 'cpu')),
      memory: guest ?? requested,
      hugepages: fromQuantity(at(domain, 'memory', 'hugepages', 'pageSize')),
      machine: textAt(domain, 'machine', 'type') || undefined,
      firmware: readFirmware(domain),
      numa: mapping ? { gpuAffinity: 'preferred' } : undefined,
      hideHypervisor: typeof hidden === 'boolean' ? hidden : undefined,
      disks: disks.length > 0 ? disks : undefined,
      networks: networks.length > 0 || noNetwork ? networks : undefined,
      userData: readUserData(vmi),
    }) as Partial<GpuVmSpec>,
    dataVolumes,
    ...(guest === undefined && requested !== undefined ? { memoryField: 'requests' } : {}),
  };
}

function readCpu(cpu: Json): GpuVmSpec['cpu'] {
  const count = (key: string) => {
    const value = cpu[key];
    return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const [cores, sockets, threads] = [count('cores'), count('sockets'), count('threads')];
  const model = textAt(cpu, 'model') || undefined;
  const { dedicatedCpuPlacement: dedicated } = cpu;
  const read = compact({
    cores: cores === undefined ? undefined : cores * (sockets ?? 1) * (threads ?? 1),
    sockets,
    threads,
    model: model === 'host-passthrough' ? 'host' : model,
    dedicated: typeof dedicated === 'boolean' ? dedicated : undefined,
  });
  return Object.keys(read).length > 0 ? (read as NonNullable<GpuVmSpec['cpu']>) : undefined;
}

function readFirmware(domain: Json): GpuVmSpec['firmware'] {
  const efi = at(domain, 'firmware', 'bootloader', 'efi');
  const tpm = at(domain, 'devices', 'tpm');
  const read = compact({
    type: isObject(efi) ? 'uefi' : at(domain, 'firmware', 'bootloader', 'bios') ? 'bios' : undefined,
    // KubeVirt's default for UEFI.
    secureBoot: isObject(efi) ? efi.secureBoot !== false : undefined,
    tpm: isObject(tpm) && tpm.enabled !== false ? true : undefined,
  });
  return Object.keys(read).length > 0 ? (read as NonNullable<GpuVmSpec['firmware']>) : undefined;
}

function readUserData(vmi: Json): string | undefined {
  for (const volume of listAt(vmi, 'volumes')) {
    for (const source of ['cloudInitNoCloud', 'cloudInitConfigDrive']) {
      const plain = textAt(volume, source, 'userData');
      if (plain !== undefined) return plain;
      const coded = textAt(volume, source, 'userDataBase64');
      const decoded = coded === undefined ? undefined : decodeBase64(coded);
      if (decoded !== undefined) return decoded;
    }
  }
  return undefined;
}

function decodeBase64(text: string): string | undefined {
  try {
    return new TextDecoder().decode(
      Uint8Array.from(atob(text.replace(/\s/g, '')), (byte) => byte.charCodeAt(0)),
    );
  } catch {
    return undefined;
  }
}
