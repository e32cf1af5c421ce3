import type { GpuVmDisk } from '@vmgpu/core';
import { fromQuantity, toQuantity } from './amounts.ts';
import type { Report } from './diagnostics.ts';
import { at, dnsLabel, type Json, listAt, textAt } from './manifest.ts';

/** Disk, volume and, where the disk is to be filled, DataVolume template of one neutral disk. */
export interface NativeDisk {
  readonly disk: Json;
  readonly volume: Json;
  readonly template?: Json;
}

/** The VM whose disks are made. */
export interface DiskOwner {
  readonly name: string;
  readonly namespace: string;
  /** DataVolume names by disk, where they are not `<vm>-<disk>`. */
  readonly dataVolumes: Readonly<Record<string, string>>;
}

/**
 * - image is a registry reference or URL, with size: a DataVolume that CDI fills
 * - registry reference without size: a container disk, which forgets what was written
 * - image is a name: the PVC of that name; with size, a copy of it
 * - no image: an empty DataVolume of that size
 */
export function buildDisk(disk: GpuVmDisk, path: string, owner: DiskOwner, report: Report): NativeDisk {
  const name = dnsLabel(disk.name) || 'disk';
  if (name !== disk.name) {
    report(
      'approximated',
      'disk-name',
      `${path}.name`,
      `volumes are named by DNS labels: ${disk.name} becomes ${name}`,
    );
  }
  const device = { name, disk: { bus: 'virtio' } };
  const { image, size } = disk;
  if (size === undefined) {
    if (image === undefined) {
      report(
        'blocked',
        'disk-empty',
        path,
        `disk ${disk.name} has neither a size nor an image`,
        'say one of them',
      );
      return { disk: device, volume: { name, emptyDisk: { capacity: '1Gi' } } };
    }
    if (isRegistryImage(image)) {
      report(
        'approximated',
        'container-disk',
        path,
        `disk ${disk.name} has no size, so it becomes a container disk: what the guest writes is lost when it stops`,
        'give a size to keep it on a volume',
      );
      return { disk: device, volume: { name, containerDisk: { image: image.replace(/^docker:\/\//, '') } } };
    }
    if (!isUrl(image)) return { disk: device, volume: { name, persistentVolumeClaim: { claimName: image } } };
    report(
      'blocked',
      'disk-size',
      path,
      `disk ${disk.name} is filled from a URL and needs a size`,
      'say its size',
    );
  }
  const dataVolume = owner.dataVolumes[disk.name] ?? `${owner.name}-${name}`;
  return {
    disk: device,
    volume: { name, dataVolume: { name: dataVolume } },
    template: {
      metadata: { name: dataVolume },
      spec: {
        storage: { resources: { requests: { storage: toQuantity(size ?? '10GiB') } } },
        source: imageSource(image, owner.namespace),
      },
    },
  };
}

function imageSource(image: string | undefined, own: string): Json {
  if (image === undefined) return { blank: {} };
  if (isUrl(image)) return { http: { url: image } };
  if (isRegistryImage(image))
    return { registry: { url: /^\w[\w-]*:\/\//.test(image) ? image : `docker://${image}` } };
  const [name, namespace = own] = image.replace(/^pvc:/, '').split('/').reverse();
  return { pvc: { name, namespace } };
}

const isUrl = (image: string) => /^https?:\/\//.test(image);
const isRegistryImage = (image: string) => image.includes('/') && !image.startsWith('pvc:') && !isUrl(image);

/** The neutral disk that makes this disk and volume; undefined when there is none. */
export function readDisk(
  volume: Json,
  templates: readonly Json[],
  own: string,
): { readonly disk: GpuVmDisk; readonly dataVolume?: string } | undefined {
  const name = textAt(volume, 'name');
  if (name === undefined || !/^[A-Za-z0-9_-]{1,63}$/.test(name)) return undefined;
  const container = textAt(volume, 'containerDisk', 'image');
  if (container?.includes('/')) return { disk: { name, image: container } };
  const claim = textAt(volume, 'persistentVolumeClaim', 'claimName');
  if (claim) return { disk: { name, image: claim } };
  const dataVolume = textAt(volume, 'dataVolume', 'name');
  if (dataVolume === undefined) return undefined;
  const template = templates.find((item) => textAt(item, 'metadata', 'name') === dataVolume);
  // A DataVolume of its own fills a PVC of its name.
  if (template === undefined) return { disk: { name, image: dataVolume } };
  const size =
    fromQuantity(at(template, 'spec', 'storage', 'resources', 'requests', 'storage')) ??
    fromQuantity(at(template, 'spec', 'pvc', 'resources', 'requests', 'storage'));
  if (size === undefined) return undefined;
  const image = readSource(at(template, 'spec', 'source'), own);
  return image === null
    ? undefined
    : { disk: { name, size, ...(image === undefined ? {} : { image }) }, dataVolume };
}

/** undefined: an empty disk; null: a source that the neutral words cannot say. */
function readSource(source: unknown, own: string): string | undefined | null {
  if (at(source, 'blank') !== undefined) return undefined;
  const registry = textAt(source, 'registry', 'url');
  if (registry) return registry.replace(/^docker:\/\//, '');
  const url = textAt(source, 'http', 'url');
  if (url && isUrl(url)) return url;
  const pvc = textAt(source, 'pvc', 'name');
  const namespace = textAt(source, 'pvc', 'namespace');
  if (pvc) return namespace === own && !pvc.includes('/') ? pvc : `pvc:${namespace}/${pvc}`;
  return null;
}

/** Names of the disks and of the volumes, to see which disks have one. */
export function diskVolumes(vmiSpec: Json): readonly Json[] {
  const disks = listAt(vmiSpec, 'domain', 'devices', 'disks').map((disk) => textAt(disk, 'name'));
  const volumes = listAt(vmiSpec, 'volumes');
  return disks.flatMap((name) => volumes.filter((volume) => volume.name === name).slice(0, 1));
}
