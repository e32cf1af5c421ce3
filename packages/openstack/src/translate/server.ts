import { parseBytes, toGiB } from '@vmgpu/core';
import { encodeBase64 } from './base64.ts';
import { note, type PlanContext } from './context.ts';
import { hasRootVolume, rootDisk, rounded } from './flavor.ts';
import { imageOf } from './image.ts';
import { idOf } from './names.ts';
import { compareMicroversions } from './releases.ts';

/** The body of `POST /servers`. `${image:NAME}`, `${network:NAME}` stand for ids that were not known when it was planned. */
export interface ServerState {
  readonly server: Readonly<Record<string, unknown>> & { readonly name: string; readonly flavorRef: string };
  readonly 'os:scheduler_hints'?: Readonly<Record<string, unknown>>;
}

/** Metadata of a server that says which order made it, so that an answer that was lost leads to no second server. */
export const claimKey = 'vmgpu:claim';

/** Lowest compute microversion that knows a field of `POST /servers`. */
const fieldVersions: Readonly<Record<string, string>> = {
  description: '2.19',
  tags: '2.52',
  trusted_image_certificates: '2.63',
  host: '2.74',
  hypervisor_hostname: '2.74',
  hostname: '2.90',
};

/** Microversion for creating this server. */
export function serverMicroversion(server: Readonly<Record<string, unknown>>): string {
  return Object.keys(server).reduce(
    (highest, key) => {
      const version = fieldVersions[key] ?? '2.1';
      return compareMicroversions(version, highest) > 0 ? version : highest;
    },
    // From 2.37 on `networks` may be `auto` or `none`, and must be given.
    '2.37',
  );
}

export function serverState(context: PlanContext, flavorRef: string): ServerState {
  const { intent, options } = context;
  const { metadata, spec } = intent;
  const own = options.server ?? {};
  const image = imageOf(context);
  const volumes = dataDisks(context);
  if (image === undefined && own.imageRef === undefined && !hasRootVolume(context)) {
    note(
      context,
      'blocked',
      'image-missing',
      'spec.disks',
      'a server starts from an image, and none is named',
      'Name it: disks: [{ name: root, size: 100GiB, image: ubuntu-24.04 }].',
    );
  }
  const mapping = [
    ...(Array.isArray(own.block_device_mapping_v2) ? (own.block_device_mapping_v2 as unknown[]) : []),
    // Next to other block devices Nova wants the root disk said as one of them (python-novaclient does the same).
    ...(volumes.length > 0 && image !== undefined && !hasRootVolume(context) ? [rootDevice(image.ref)] : []),
    ...volumes,
  ];
  const labels = labelMetadata(context);
  const server = {
    name: metadata.name,
    flavorRef,
    ...(image === undefined || hasRootVolume(context) ? {} : { imageRef: image.ref }),
    networks: networks(context),
    ...(spec.userData === undefined ? {} : { user_data: encodeBase64(spec.userData) }),
    ...own,
    ...(labels === undefined ? {} : { metadata: { ...(own.metadata as object | undefined), ...labels } }),
    ...(mapping.length > 0 ? { block_device_mapping_v2: mapping } : {}),
  };
  const hints = options.schedulerHints;
  return { server, ...(hints === undefined ? {} : { 'os:scheduler_hints': hints }) };
}

function networks({ intent, snapshot }: PlanContext): unknown {
  const wanted = intent.spec.networks;
  if (wanted === undefined) return 'auto';
  if (wanted.length === 0) return 'none';
  return wanted.map(({ name }) => ({ uuid: snapshot.networks?.[name] ?? idOf('network', name) }));
}

function rootDevice(uuid: string) {
  return {
    boot_index: 0,
    uuid,
    source_type: 'image',
    destination_type: 'local',
    delete_on_termination: true,
  };
}

function dataDisks(context: PlanContext): readonly unknown[] {
  const root = rootDisk(context);
  if (root !== undefined && root.name !== 'root') {
    note(
      context,
      'approximated',
      'disk-name',
      'spec.disks',
      `Nova has no name for the root disk; ${root.name} is lost`,
    );
  }
  return (context.intent.spec.disks ?? []).flatMap((disk, index) => {
    if (disk === root) return [];
    const path = `spec.disks[${index}]`;
    if (disk.size === undefined) {
      note(context, 'blocked', 'disk-without-size', path, 'a volume needs a size', `Say ${path}.size.`);
      return [];
    }
    note(
      context,
      'approximated',
      'disk-name',
      path,
      `a new volume is made for ${disk.name}; it has no name in Nova`,
    );
    const bytes = parseBytes(disk.size);
    if (bytes % 2 ** 30 !== 0) rounded(context, path, 'GiB');
    const source =
      disk.image === undefined
        ? { source_type: 'blank' }
        : { source_type: 'image', uuid: idOf('image', disk.image) };
    const volume = { destination_type: 'volume', volume_size: toGiB(bytes), delete_on_termination: false };
    return [{ boot_index: -1, ...source, ...volume }];
  });
}

function labelMetadata(context: PlanContext): Readonly<Record<string, string>> | undefined {
  const { labels } = context.intent.metadata;
  if (labels === undefined) return undefined;
  const kept = Object.entries(labels).filter(([key, value]) => {
    const fits = /^[a-zA-Z0-9\-_:. ]{1,255}$/.test(key) && value.length <= 255;
    if (!fits) {
      note(
        context,
        'lossy',
        'label',
        `metadata.labels.${key}`,
        'Nova does not take this as metadata of a server',
      );
    }
    return fits;
  });
  return Object.fromEntries(kept);
}
