import {
  apiVersion,
  badInput,
  deepFreeze,
  type GpuRequest,
  type GpuVm,
  type GpuVmSpec,
  type Reading,
  type ReadOptions,
  sameJson,
} from '@vmgpu/core';
import { createReport, type Report } from './diagnostics.ts';
import { readDisk } from './disks.ts';
import { expandVm } from './expand.ts';
import { givenOf, reportExpansion, valuesOf } from './given.ts';
import type { Template } from './instancetype.ts';
import { at, compact, dnsLabel, type Json, listAt, type Manifest, objectAt, textAt } from './manifest.ts';
import { isVmKind, openList, wishes } from './native.ts';
import type { KubeVirtOptions } from './options.ts';
import { diff } from './patch.ts';
import { type PermittedDevice, permittedDevices } from './permitted.ts';
import { type ReadGpus, readGpus } from './read-gpus.ts';
import { readVmi } from './read-vmi.ts';
import { repairManifest } from './repair.ts';
import { configObject, type KubeVirtSnapshot } from './snapshot.ts';
import { buildVm, cloudInitDisk, guestOsAnnotation } from './vm.ts';

/**
 * A VirtualMachine or VirtualMachineInstance in neutral words. What those cannot say travels in
 * `providerOptions.kubevirt.patch`, so that planning the intent gives the same VM. Wrongly placed keys are put right first
 * (`repaired`). Status and what the API server writes itself are no wishes and are left out. What an instance type and a
 * preference give is read from the objects beside the VM, in a `List` with it or in the snapshot. Throws `bad-input` when
 * the document is neither kind.
 */
export function toIntent(native: unknown, snapshot?: KubeVirtSnapshot, options: ReadOptions = {}): Reading {
  const { diagnostics, report } = createReport();
  const { vm, beside } = openList(native);
  const repaired = repairManifest(vm);
  diagnostics.push(...repaired.diagnostics);
  const manifest = wishes(repaired.manifest);
  const { kind } = manifest;
  if (!isVmKind(kind)) {
    throw badInput('not a KubeVirt VM', {
      found: String(kind ?? 'no kind'),
      expected: 'VirtualMachine or VirtualMachineInstance',
      where: { path: 'kind' },
    });
  }
  const isVm = kind === 'VirtualMachine';
  const template = isVm ? objectAt(manifest, 'spec', 'template') : (manifest as Template);
  const stored = { ...manifest, status: at(repaired.manifest, 'status') };
  const expansion = expandVm(stored, [...beside, ...(snapshot?.instancetypes ?? [])]);
  const whole = expansion?.template ?? template;
  const vmi = objectAt(whole, 'spec');
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
  const neutral = readVmi(
    objectAt(template, 'spec'),
    listAt(manifest, 'spec', 'dataVolumeTemplates'),
    namespace,
  );
  const name = intentName(manifest, report);
  const labels = objectAt(manifest, 'metadata', 'labels') as Readonly<Record<string, string>>;
  const ownSpec = compact({
    guestOs: guestOs(template),
    ...neutral.spec,
    gpus: filled(ownGpus(gpus, template, vmi)),
  }) as GpuVmSpec;
  const wholeSpec = compact({
    guestOs: guestOs(whole),
    ...readVmi(vmi, [], namespace).spec,
    gpus: filled(gpus.requests),
  }) as GpuVmSpec;
  const given = givenOf(wholeSpec, ownSpec);
  const own: KubeVirtOptions = compact({
    kind: isVm ? undefined : kind,
    namespace: manifest.metadata?.namespace,
    ...gpus.options,
    dataVolumes: dataVolumeNames(neutral.dataVolumes, name),
    memoryField: neutral.memoryField,
    given,
  }) as KubeVirtOptions;
  const base: GpuVm = {
    apiVersion,
    kind: 'GpuVm',
    metadata: compact({ name, labels: Object.keys(labels).length > 0 ? labels : undefined }),
    spec: ownSpec,
  };
  const placed = (ownSpec.gpus ?? []).map((request) => ({ request, path: '', ...gpus.places[request.name] }));
  const again = buildVm(base, own, placed, { namespace, resourceClaims: [] }, () => {}).manifest;
  const wanted = manifest.metadata?.namespace === undefined ? withNamespace(manifest, namespace) : manifest;
  const patch = diff(again, wanted);
  reportExpansion(expansion, given, report);
  reportLeftovers(vmi, path, report);
  const provider = patch === undefined ? own : { ...own, patch };
  const neutralSpec = { ...ownSpec, ...valuesOf(given) };
  const intent: GpuVm = {
    ...base,
    spec:
      Object.keys(provider).length > 0
        ? { ...neutralSpec, providerOptions: { kubevirt: provider as Json } }
        : neutralSpec,
  };
  return deepFreeze({ intent: structuredClone(intent), diagnostics });
}

function guestOs(template: Template): GpuVmSpec['guestOs'] {
  const annotation = textAt(template, 'metadata', 'annotations', guestOsAnnotation);
  if (annotation === undefined) return undefined;
  return /^win/i.test(annotation) ? 'windows' : 'linux';
}

/** GPUs that the VM lists itself. KubeVirt takes each of the two lists from the VM or from the instance type, never both. */
function ownGpus({ requests, options }: ReadGpus, template: Template, whole: Json): readonly GpuRequest[] {
  const isGiven = (list: string) =>
    listAt(whole, 'domain', 'devices', list).length > 0 &&
    listAt(template, 'spec', 'domain', 'devices', list).length === 0;
  const given = { gpus: isGiven('gpus'), hostDevices: isGiven('hostDevices') };
  return requests.filter(({ name }) => !given[options.hostDevices?.includes(name) ? 'hostDevices' : 'gpus']);
}

const filled = <T>(list: readonly T[]) => (list.length > 0 ? list : undefined);

function withNamespace(manifest: Manifest, namespace: string): Manifest {
  return { ...manifest, metadata: { ...manifest.metadata, namespace } };
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
