import {
  apiVersion,
  badInput,
  deepFreeze,
  type GpuVm,
  type GpuVmSpec,
  type Reading,
  type ReadOptions,
  sameJson,
} from '@vmgpu/core';
import { check, dictionary, optional, shape, text } from '@vmgpu/core/schema';
import { createReport, type Report } from './diagnostics.ts';
import { readDisk } from './disks.ts';
import {
  at,
  compact,
  dnsLabel,
  isObject,
  type Json,
  listAt,
  type Manifest,
  objectAt,
  textAt,
  withoutNulls,
} from './manifest.ts';
import type { KubeVirtOptions } from './options.ts';
import { diff } from './patch.ts';
import { type PermittedDevice, permittedDevices } from './permitted.ts';
import { readGpus } from './read-gpus.ts';
import { readVmi } from './read-vmi.ts';
import { repairManifest } from './repair.ts';
import { configObject, type KubeVirtSnapshot } from './snapshot.ts';
import { buildVm, cloudInitDisk, guestOsAnnotation } from './vm.ts';

/**
 * A VirtualMachine or VirtualMachineInstance in neutral words. What those cannot say travels in
 * `providerOptions.kubevirt.patch`, so that planning the intent gives the same VM. Wrongly placed keys are put right first
 * (`repaired`). Status and what the API server writes itself are no wishes and are left out. Throws `bad-input` when the
 * document is neither kind.
 */
export function toIntent(native: unknown, snapshot?: KubeVirtSnapshot, options: ReadOptions = {}): Reading {
  const { diagnostics, report } = createReport();
  const repaired = repairManifest(native);
  diagnostics.push(...repaired.diagnostics);
  const manifest = wishes(repaired.manifest);
  const { kind } = manifest;
  if (kind !== 'VirtualMachine' && kind !== 'VirtualMachineInstance') {
    throw badInput('not a KubeVirt VM', {
      found: String(kind ?? 'no kind'),
      expected: 'VirtualMachine or VirtualMachineInstance',
      where: { path: 'kind' },
    });
  }
  const isVm = kind === 'VirtualMachine';
  const vmi = isVm ? objectAt(manifest, 'spec', 'template', 'spec') : objectAt(manifest, 'spec');
  const path = isVm ? 'spec.template.spec' : 'spec';
  const permitted: readonly PermittedDevice[] =
    snapshot === undefined ? [] : permittedDevices(configObject(snapshot).existing);
  const gpus = readGpus(
    vmi,
    `${path}.domain.devices`,
    { permitted, snapshot, catalog: options.catalog },
    report,
  );
  const namespace = manifest.metadata?.namespace ?? snapshot?.namespace ?? 'default';
  const neutral = readVmi(vmi, listAt(manifest, 'spec', 'dataVolumeTemplates'), namespace);
  const name = intentName(manifest, report);
  const annotation = textAt(
    isVm ? objectAt(manifest, 'spec', 'template') : manifest,
    'metadata',
    'annotations',
    guestOsAnnotation,
  );
  const labels = objectAt(manifest, 'metadata', 'labels') as Readonly<Record<string, string>>;
  const base: GpuVm = {
    apiVersion,
    kind: 'GpuVm',
    metadata: compact({ name, labels: Object.keys(labels).length > 0 ? labels : undefined }),
    spec: compact({
      guestOs: annotation === undefined ? undefined : /^win/i.test(annotation) ? 'windows' : 'linux',
      ...neutral.spec,
      gpus: gpus.requests.length > 0 ? gpus.requests : undefined,
    }) as GpuVmSpec,
  };
  const own: KubeVirtOptions = compact({
    kind: isVm ? undefined : kind,
    namespace: manifest.metadata?.namespace,
    ...gpus.options,
    dataVolumes: dataVolumeNames(neutral.dataVolumes, name),
    memoryField: neutral.memoryField,
  }) as KubeVirtOptions;
  const placed = gpus.requests.map((request) => ({ request, path: '', ...gpus.places[request.name] }));
  const again = buildVm(base, own, placed, { namespace, resourceClaims: [] }, () => {}).manifest;
  const wanted = manifest.metadata?.namespace === undefined ? withNamespace(manifest, namespace) : manifest;
  const patch = diff(again, wanted);
  reportLeftovers(vmi, path, report);
  const provider = patch === undefined ? own : { ...own, patch };
  const intent: GpuVm =
    Object.keys(provider).length > 0
      ? { ...base, spec: { ...base.spec, providerOptions: { kubevirt: provider as Json } } }
      : base;
  return deepFreeze({ intent: structuredClone(intent), diagnostics });
}

function withNamespace(manifest: Manifest, namespace: string): Manifest {
  return { ...manifest, metadata: { ...manifest.metadata, namespace } };
}

/** Fields of metadata that the API server or a tool writes about the object, not wishes of its owner. */
const serverMetadata = [
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'selfLink',
];
const serverAnnotations = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubevirt.io/latest-observed-api-version',
  'kubevirt.io/storage-observed-api-version',
];

const metadataShape = shape({
  metadata: optional(
    shape({
      name: optional(text()),
      namespace: optional(text()),
      labels: optional(dictionary(text())),
      annotations: optional(dictionary(text())),
    }),
  ),
});

function wishes(native: unknown): Manifest {
  if (!isObject(native)) throw badInput('not a KubeVirt VM', { expected: 'one Kubernetes object' });
  const { status: _, ...manifest } = withoutNulls(native) as Manifest;
  check(metadataShape, manifest, 'not a KubeVirt VM');
  const metadata: Record<string, unknown> = { ...manifest.metadata };
  for (const key of serverMetadata) delete metadata[key];
  if (isObject(metadata.annotations)) {
    const kept = Object.entries(metadata.annotations).filter(([key]) => !serverAnnotations.includes(key));
    if (kept.length > 0) metadata.annotations = Object.fromEntries(kept);
    else delete metadata.annotations;
  }
  return { ...manifest, metadata };
}

function intentName(manifest: Manifest, report: Report): string {
  const native = manifest.metadata?.name ?? '';
  const name = dnsLabel(native) || 'vm';
  if (name !== native) {
    report(
      'approximated',
      'name',
      'metadata.name',
      `the neutral name of a VM is a DNS label: ${native || '(none)'} becomes ${name}`,
    );
  }
  return name;
}

/** Only names that differ from the ones that would be made. */
function dataVolumeNames(names: Readonly<Record<string, string>>, vm: string) {
  const kept = Object.entries(names).filter(([disk, name]) => name !== `${vm}-${dnsLabel(disk)}`);
  return kept.length > 0 ? Object.fromEntries(kept) : undefined;
}

/** Things a person should know did not become neutral, because another platform will not have them. */
function reportLeftovers(vmi: Json, path: string, report: Report): void {
  for (const volume of listAt(vmi, 'volumes')) {
    const secret =
      at(volume, 'cloudInitNoCloud', 'secretRef') ?? at(volume, 'cloudInitConfigDrive', 'secretRef');
    if (secret !== undefined) {
      const message = `the user data lies in Secret ${textAt(secret, 'name')}, which is not read; only KubeVirt will find it`;
      report(
        'lossy',
        'user-data-secret',
        `${path}.volumes`,
        message,
        'put it into spec.userData before moving the VM',
      );
    } else if (
      volume.name !== cloudInitDisk &&
      readDisk(volume, [], '') === undefined &&
      !isKnownVolume(volume)
    ) {
      const kinds = Object.keys(volume).filter((key) => key !== 'name');
      report(
        'lossy',
        'volume',
        `${path}.volumes`,
        `volume ${String(volume.name)} (${kinds.join(', ')}) stays in KubeVirt's own words`,
      );
    }
  }
  for (const key of ['nodeSelector', 'affinity', 'tolerations', 'accessCredentials']) {
    if (vmi[key] === undefined || sameJson(vmi[key], {})) continue;
    report('lossy', 'scheduling', `${path}.${key}`, `${key} stays in KubeVirt's own words`);
  }
}

function isKnownVolume(volume: Json): boolean {
  return ['dataVolume', 'cloudInitNoCloud', 'cloudInitConfigDrive'].some((key) => key in volume);
}
