import {
  apiVersion,
  type Diagnostic,
  deepFreeze,
  type GpuVm,
  type GpuVmSpec,
  parseGpuVm,
  printBytes,
  type Reading,
} from '@vmgpu/core';
import { decodeBase64 } from './base64.ts';
import { note } from './context.ts';
import { readGpus } from './read-gpus.ts';
import { residual, vmName } from './residual.ts';
import { claimKey } from './server.ts';
import {
  type GlanceImage,
  type NovaFlavor,
  type OpenStackNative,
  type OpenStackSnapshot,
  offlineSnapshot,
  parseNative,
} from './snapshot.ts';

/**
 * What a server says in neutral words. All the rest goes to `providerOptions.openstack`, so that planning it again on the
 * same cloud gives the same flavor, image properties and request.
 */
export function readOpenStack(document: OpenStackNative, snapshot?: OpenStackSnapshot): Reading {
  const native = parseNative(document);
  const diagnostics: Diagnostic[] = [];
  const { server } = native;
  const flavor = embedded(native);
  const image = native.image ?? imageOfServer(server.image);
  const target: OpenStackSnapshot = {
    ...(snapshot ?? offlineSnapshot()),
    ...(native.config === undefined ? {} : { config: native.config }),
  };

  const gpus = readGpus(native, flavor.extra_specs ?? {}, diagnostics);
  const neutral = clean({
    ...readFlavor(flavor, image),
    ...readServer(native, diagnostics),
    gpus: gpus.length > 0 ? gpus : undefined,
  }) as GpuVmSpec;
  const metadata = { name: vmName(server.name), ...labels(server.metadata) };
  const intent: GpuVm = { apiVersion, kind: 'GpuVm', metadata, spec: neutral };
  const rest = residual(intent, target, native, flavor, image);
  const spec =
    Object.keys(rest).length === 0 ? neutral : { ...neutral, providerOptions: { openstack: rest } };
  if (native.flavor !== undefined && native.flavor.extra_specs === undefined && !server.flavor.extra_specs) {
    note(
      { diagnostics },
      'lossy',
      'extra-specs-hidden',
      'flavor.extra_specs',
      'the extra specs are not shown to this login (os_compute_api:os-flavor-extra-specs:index): GPUs may be missing here',
    );
  }
  if (flavor.extra_specs?.['accel:device_profile'] !== undefined) {
    note(
      { diagnostics },
      'lossy',
      'cyborg',
      'flavor.extra_specs',
      'a device profile of Cyborg is kept, but not translated',
    );
  }
  return deepFreeze({ intent: parseGpuVm(JSON.parse(JSON.stringify({ ...intent, spec }))), diagnostics });
}

function embedded({ server, flavor }: OpenStackNative): NovaFlavor {
  const own = server.flavor;
  return { ...flavor, ...own, extra_specs: own.extra_specs ?? flavor?.extra_specs ?? {} };
}

function imageOfServer(image: unknown): GlanceImage | undefined {
  const { id, properties } = (typeof image === 'object' && image !== null ? image : {}) as {
    id?: string;
    properties?: object;
  };
  return id === undefined ? undefined : { ...properties, id };
}

function readFlavor(flavor: NovaFlavor, image: GlanceImage | undefined): Record<string, unknown> {
  const specs = flavor.extra_specs ?? {};
  const text = (key: string) => (typeof image?.[key] === 'string' ? (image[key] as string) : undefined);
  const bool = (value: string | undefined) =>
    /^(1|t|true|on|y|yes)$/i.test(value ?? '')
      ? true
      : /^(0|f|false|off|n|no)$/i.test(value ?? '')
        ? false
        : undefined;
  const number = (value: string | undefined) =>
    value !== undefined && /^[1-9]\d*$/.test(value) ? Number(value) : undefined;
  const policy = specs['hw:cpu_policy'];
  const secure = { required: true, disabled: false }[specs['os:secure_boot'] ?? ''];
  const firmwareType = text('hw_firmware_type');
  const guestOs = text('os_type');
  const affinity = specs['hw:pci_numa_affinity_policy'];
  return {
    guestOs: guestOs === 'linux' || guestOs === 'windows' ? guestOs : undefined,
    cpu: clean({
      cores: flavor.vcpus,
      sockets: number(specs['hw:cpu_sockets']),
      threads: number(specs['hw:cpu_threads']),
      dedicated: { dedicated: true, shared: false }[policy ?? ''],
    }),
    memory: printBytes(flavor.ram * 2 ** 20),
    hugepages: pageSize(specs['hw:mem_page_size']),
    machine: text('hw_machine_type'),
    firmware: clean({
      type: firmwareType === 'uefi' || firmwareType === 'bios' ? firmwareType : undefined,
      secureBoot: secure,
      tpm: specs['hw:tpm_version'] === '2.0' ? true : undefined,
    }),
    numa: affinity === 'preferred' || affinity === 'required' ? { gpuAffinity: affinity } : undefined,
    hideHypervisor:
      bool(specs['hw:hide_hypervisor_id']) ??
      bool(specs.hide_hypervisor_id) ??
      bool(text('img_hide_hypervisor_id')),
  };
}

/** `1GB` and `1048576` (KiB) are huge pages; `small`, `large`, `any` have no neutral word and stay as they are. */
function pageSize(text: string | undefined): string | undefined {
  const match = /^(\d+)(GB|MB|KB)?$/.exec(text ?? '');
  if (!match || Number(match[1]) === 0) return undefined;
  const unit = { GB: 2 ** 30, MB: 2 ** 20, KB: 1024 }[match[2] ?? 'KB'] ?? 1024;
  const bytes = Number(match[1]) * unit;
  // Below the smallest page of any architecture; whoever wrote it keeps it as it is.
  return bytes < 2 ** 16 ? undefined : printBytes(bytes);
}

function readServer({ server, image }: OpenStackNative, diagnostics: Diagnostic[]): Record<string, unknown> {
  const { flavor } = server;
  const volumes = server['os-extended-volumes:volumes_attached'];
  if (Array.isArray(volumes) && volumes.length > 0) {
    note(
      { diagnostics },
      'lossy',
      'volumes',
      'server',
      `${volumes.length} attached volumes are kept by id; their size is not in the server’s record`,
    );
  }
  const imageName = image?.name ?? imageOfServer(server.image)?.id ?? image?.id;
  const root = clean({
    name: 'root',
    size: flavor.disk > 0 ? printBytes(flavor.disk * 2 ** 30) : undefined,
    image: imageName,
  });
  const addresses = server.addresses;
  const networks =
    typeof addresses === 'object' && addresses !== null
      ? Object.keys(addresses).map((name) => ({ name }))
      : undefined;
  const encoded = server['OS-EXT-SRV-ATTR:user_data'];
  return {
    disks: imageName === undefined && flavor.disk === 0 ? undefined : [root],
    networks: networks?.every(({ name }) => /^[A-Za-z0-9_-]{1,63}$/.test(name)) ? networks : undefined,
    userData: typeof encoded === 'string' ? decodeBase64(encoded) : undefined,
  };
}

function labels(metadata: unknown): { labels?: Record<string, string> } {
  const { [claimKey]: _claim, ...rest } = (metadata ?? {}) as Record<string, string>;
  return Object.keys(rest).length > 0 ? { labels: rest } : {};
}

/** Without keys that say nothing. */
function clean(object: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
