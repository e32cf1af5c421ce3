import { type GpuRequest, sameJson } from '@vmgpu/core';
import type { Report } from './diagnostics.ts';
import type { PlacedGpu } from './gpus.ts';
import { at, compact, type Json, listAt, textAt } from './manifest.ts';
import { deviceOfResource, isGpuResource, type ReverseSources } from './reverse-names.ts';

export interface ReadGpus {
  readonly requests: readonly GpuRequest[];
  /** What `providerOptions.kubevirt` must say so that the same entries come out again. */
  readonly options: {
    readonly resources?: Readonly<Record<string, string>>;
    readonly hostDevices?: readonly string[];
    readonly claims?: Readonly<Record<string, { readonly claimName: string; readonly requestName: string }>>;
  };
  readonly places: Readonly<Record<string, Pick<PlacedGpu, 'resource' | 'claims'>>>;
}

interface Entry {
  readonly name: string;
  readonly resource?: string;
  readonly claim?: { readonly claimName: string; readonly requestName: string };
  readonly display?: boolean;
  readonly inHostDevices: boolean;
  readonly path: string;
}

/** The GPUs of a VM as requests; equal ones named `x-0`, `x-1` … become one request with a count. */
export function readGpus(vmi: Json, path: string, sources: ReverseSources, report: Report): ReadGpus {
  const entries = [...readList(vmi, 'gpus', path), ...readList(vmi, 'hostDevices', path)];
  const requests: GpuRequest[] = [];
  const resources: Record<string, string> = {};
  const claims: Record<string, { claimName: string; requestName: string }> = {};
  const places: Record<string, Pick<PlacedGpu, 'resource' | 'claims'>> = {};
  const hostDevices: string[] = [];
  for (const group of groupEntries(entries)) {
    const [first] = group.entries;
    const name = uniqueName(group.name, places);
    if (name !== group.name) {
      const message = `${group.name || '(none)'} is no name for a GPU, or used twice; it becomes ${name}`;
      report(
        'approximated',
        'gpu-name',
        first.path,
        message,
        'KubeVirt makes a libvirt alias of it: letters, digits, "-" and "_"',
      );
    }
    if (first.inHostDevices) hostDevices.push(name);
    const count = group.entries.length > 1 ? { count: group.entries.length } : {};
    if (first.claim !== undefined) {
      const { claimName, requestName } = first.claim;
      claims[name] = first.claim;
      places[name] = { claims: [first.claim] };
      report(
        'lossy',
        'claim',
        first.path,
        `which GPU the claim ${claimName}/${requestName} asks for stands in the claim, not in the VM`,
      );
      requests.push({ name, mode: 'passthrough', device: { name: `${claimName}/${requestName}` } });
      continue;
    }
    const resource = first.resource ?? '';
    const device = deviceOfResource(resource, sources);
    places[name] = { resource };
    resources[name] = resource;
    explain(resource, device, first.path, report);
    if (device.mode === 'vgpu') {
      const display = first.display === undefined ? {} : { display: first.display };
      requests.push({ name, mode: 'vgpu', profile: device.profile ?? resource, ...count, ...display });
      continue;
    }
    const [id] = device.ids;
    if (id === undefined) delete resources[name];
    requests.push({
      name,
      mode: 'passthrough',
      device: id === undefined ? { name: resource } : { id },
      ...count,
    });
  }
  return {
    requests,
    options: compact({
      resources: filled(resources),
      claims: filled(claims),
      hostDevices: hostDevices.length > 0 ? hostDevices : undefined,
    }) as ReadGpus['options'],
    places,
  };
}

function readList(vmi: Json, list: 'gpus' | 'hostDevices', path: string): readonly Entry[] {
  return listAt(vmi, 'domain', 'devices', list).flatMap((item, index): Entry[] => {
    const resource = textAt(item, 'deviceName');
    const claimName = textAt(item, 'claimName');
    const requestName = textAt(item, 'requestName');
    const claim = claimName && requestName ? { claimName, requestName } : undefined;
    const inHostDevices = list === 'hostDevices';
    if (!resource && claim === undefined) return [];
    // A host device may be any PCI function; only GPUs become GPU requests.
    if (inHostDevices && !isGpuResource(resource ?? '')) return [];
    const enabled = at(item, 'virtualGPUOptions', 'display', 'enabled');
    return [
      {
        name: textAt(item, 'name') ?? '',
        ...(resource ? { resource } : {}),
        ...(claim === undefined ? {} : { claim }),
        ...(typeof enabled === 'boolean' ? { display: enabled } : {}),
        inHostDevices,
        path: `${path}.${list}[${index}]`,
      },
    ];
  });
}

interface Group {
  readonly name: string;
  readonly entries: readonly [Entry, ...Entry[]];
}

function groupEntries(entries: readonly Entry[]): readonly Group[] {
  const groups: Group[] = [];
  for (let index = 0; index < entries.length; ) {
    const first = entries[index] as Entry;
    const stem = /^(.+)-0$/.exec(first.name)?.[1];
    let size = 1;
    while (stem !== undefined && first.claim === undefined) {
      const next = entries[index + size];
      if (next === undefined || next.name !== `${stem}-${size}` || !alike(first, next)) break;
      size += 1;
    }
    const members = entries.slice(index, index + size) as [Entry, ...Entry[]];
    groups.push({ name: size > 1 && stem !== undefined ? stem : first.name, entries: members });
    index += size;
  }
  return groups;
}

const alike = (left: Entry, right: Entry) =>
  sameJson({ ...left, name: '', path: '' }, { ...right, name: '', path: '' });

/** A name that a request may have and that no other has. */
function uniqueName(wanted: string, taken: Readonly<Record<string, unknown>>): string {
  const clean = wanted.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 60) || 'gpu';
  const base = /^[A-Za-z0-9_-]{1,63}$/.test(wanted) ? wanted : clean;
  let name = base;
  for (let number = 2; name in taken; number += 1) name = `${base.slice(0, 59)}_${number}`;
  return name;
}

function explain(
  resource: string,
  device: ReturnType<typeof deviceOfResource>,
  path: string,
  report: Report,
): void {
  const found = device.profile ?? device.ids.join(', ');
  if (device.certainty === 'unknown') {
    const remedy = 'give the snapshot, a host capture or a catalogue, or say device.id';
    report(
      'lossy',
      'resource-unknown',
      path,
      `which card ${resource} stands for is not known here; other platforms will not know it`,
      remedy,
    );
  } else if (device.certainty === 'matched old spelling') {
    report(
      'approximated',
      'resource-old-spelling',
      path,
      `${resource} is the old spelling of plugins before v1.1.1; it is taken for ${found}`,
    );
  } else if (device.ids.length > 1) {
    report(
      'approximated',
      'resource-shared',
      path,
      `${resource} stands for ${found}; the first is taken`,
      'say device.id',
    );
  }
}

function filled<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
