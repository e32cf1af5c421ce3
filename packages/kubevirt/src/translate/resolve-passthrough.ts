import {
  baseId,
  matchesPciId,
  type PassthroughRequest,
  type PciId,
  parsePciAddress,
  parsePciId,
  pciIdParts,
  printPciId,
} from '@vmgpu/core';
import { harvesterDeviceName, nameLimits, pluginDeviceName, resourceNameProblem } from './names.ts';
import { selectorIdentity } from './permitted.ts';
import {
  givenResource,
  publishedResources,
  type ResolveContext,
  type ResolvedGpu,
} from './resolve-context.ts';
import type { KubeVirtSnapshot } from './snapshot.ts';

const vendorDomains: Readonly<Record<string, string>> = {
  '10de': 'nvidia.com',
  '1002': 'amd.com',
  '8086': 'intel.com',
};

/** The resource of whole GPUs, by the ids that answer the request. */
export function resolvePassthrough(
  request: PassthroughRequest,
  path: string,
  context: ResolveContext,
): ResolvedGpu {
  const { snapshot, permitted, report } = context;
  const given = givenResource(request, path, context);
  let ids = passthroughIds(request, path, context);
  if (ids.length === 0 && given !== undefined) {
    ids = permitted.flatMap(({ list, resourceName, selector }) =>
      list === 'pciHostDevices' && resourceName === given ? [parsePciId(selector)] : [],
    );
  }
  if (snapshot.provider === 'dra') return { request, path, permit: [], ids };
  const named = ids.map((id) => ({ id, resource: given ?? passthroughResource(id, path, context) }));
  const names = [...new Set(named.flatMap(({ resource }) => resource ?? []))];
  const resource = given ?? chooseResource(names, path, context);
  if (resource !== undefined && named.length > 1) {
    const list = ids.map((id) => printPciId(id, 'kubevirt')).join(' and ');
    report(
      'approximated',
      'shared-name',
      `${path}.device`,
      `${list} share the resource ${resource}; on a node that has both, only one of them becomes allocatable`,
    );
  }
  const external = snapshot.provider !== 'kubevirt-builtin';
  return {
    request,
    path,
    ids,
    ...(resource === undefined ? {} : { resource }),
    permit: named
      .filter((entry) => resource !== undefined && entry.resource === resource)
      .map(({ id }) => ({
        list: 'pciHostDevices',
        selector: printPciId(id, 'kubevirt'),
        resourceName: resource ?? '',
        external,
      })),
  };
}

/** Device ids of a passthrough request, from its id, its board or its address. */
function passthroughIds(
  request: PassthroughRequest,
  path: string,
  context: ResolveContext,
): readonly PciId[] {
  const { device } = request;
  const { catalog, snapshot, report } = context;
  if (request.companions === 'include') {
    report(
      'lossy',
      'companions',
      `${path}.companions`,
      'a resource stands for one function: the audio and USB functions of the card stay on the host',
      'they must be held by vfio-pci as well when they share the IOMMU group',
    );
  }
  if (device.address !== undefined && snapshot.provider !== 'dra') {
    report(
      'lossy',
      'address',
      `${path}.device.address`,
      'KubeVirt asks for a kind of card, not for one card: any free one with the same id may be given',
      'only Dynamic Resource Allocation can choose one card',
    );
  }
  if (device.id !== undefined) {
    const id = parsePciId(device.id);
    if (pciIdParts(id).subdevice !== undefined) {
      const message = `KubeVirt selects by vendor and device only: every ${baseId(id)} card answers, whatever its subsystem`;
      report('lossy', 'subsystem', `${path}.device.id`, message);
    }
    return [baseId(id)];
  }
  if (device.board !== undefined) {
    const ids = [
      ...new Set((catalog?.boardsByName(device.board) ?? []).flatMap((board) => board.ids.map(baseId))),
    ];
    if (ids.length > 0) return presentIds(ids, snapshot);
    const why =
      catalog === undefined ? 'no catalogue was given to look it up in' : 'the catalogue does not have it';
    report(
      'blocked',
      'board-unknown',
      `${path}.device.board`,
      `board ${device.board}: ${why}`,
      'say device.id',
    );
  }
  if (device.address !== undefined) {
    const address = parsePciAddress(device.address);
    const found = snapshot.hosts.flatMap(({ gpus }) => gpus.filter((gpu) => gpu.address === address));
    if (found.length > 0) return [...new Set(found.map(({ id }) => baseId(id)))];
    const message = `no host of the snapshot has a GPU at ${device.address}`;
    report(
      'blocked',
      'address-unknown',
      `${path}.device.address`,
      message,
      'say device.id, or add the capture of the host',
    );
  }
  return [];
}

/** Of a board's ids those that the hosts have, when the hosts are known. */
function presentIds(ids: readonly PciId[], { hosts }: KubeVirtSnapshot): readonly PciId[] {
  const present = ids.filter((id) => hosts.some(({ gpus }) => gpus.some((gpu) => matchesPciId(id, gpu.id))));
  return present.length > 0 ? present : ids;
}

/** What the provider calls devices of this id; undefined when nothing tells its name. */
function passthroughResource(id: PciId, path: string, context: ResolveContext): string | undefined {
  const { snapshot, catalog, permitted } = context;
  const identity = selectorIdentity({ list: 'pciHostDevices', selector: id });
  const existing = permitted.find((entry) => selectorIdentity(entry) === identity);
  if (existing !== undefined) return existing.resourceName;
  if (snapshot.provider === 'amd') return 'amd.com/gpu';
  const { vendor, device } = pciIdParts(id);
  const domain = vendorDomains[vendor] ?? 'devices.kubevirt.io';
  const text =
    catalog?.boardsById(id).find((board) => board.pciIdsName !== undefined)?.pciIdsName ??
    snapshot.hosts.flatMap(({ gpus }) => gpus).find((gpu) => matchesPciId(id, gpu.id))?.deviceName;
  const byRule = snapshot.provider === 'harvester' ? harvesterDeviceName : pluginDeviceName;
  const predicted = text === undefined ? undefined : `${domain}/${byRule(text)}`;
  const real = publishedName([predicted, `${domain}/${device}`], context);
  if (real !== undefined) return real;
  if (predicted === undefined) return undefined;
  const { provider } = snapshot;
  const limit = provider === 'kubevirt-builtin' ? nameLimits.kubevirtPlugin : nameLimits.nvidiaPlugin;
  const length = predicted.length - domain.length - 1;
  const fits = length <= limit && resourceNameProblem(predicted) === undefined;
  if (fits || provider === 'harvester') return predicted;
  if (provider === 'kubevirt-builtin') {
    const message = `${predicted} is no name that KubeVirt's plugin can publish; ${domain}/${device} is used`;
    context.report('approximated', 'resource-name-long', `${path}.device`, message);
    return `${domain}/${device}`;
  }
  if (length > limit) {
    context.report(
      'blocked',
      'resource-name-long',
      `${path}.device`,
      `${predicted} is ${length} characters long; the plugin's socket path has room for ${limit}`,
      "publish it with KubeVirt's own plugin under a shorter name",
    );
  }
  return predicted;
}

/** Of the names a device may have, the one that a node publishes: exact, then in another case (plugins before v1.1.1). */
function publishedName(
  names: readonly (string | undefined)[],
  { snapshot }: ResolveContext,
): string | undefined {
  const published = publishedResources(snapshot);
  for (const name of names) {
    if (name === undefined) continue;
    if (published.includes(name)) return name;
    const spelt = published.find((candidate) => candidate.toLowerCase() === name.toLowerCase());
    if (spelt !== undefined) return spelt;
  }
  return undefined;
}

function chooseResource(
  names: readonly string[],
  path: string,
  { snapshot, report }: ResolveContext,
): string | undefined {
  if (names.length === 1) return names[0];
  const published = publishedResources(snapshot);
  const present = names.filter((name) => published.includes(name));
  if (present.length === 1) return present[0];
  const [message, remedy] =
    names.length === 0
      ? [
          'the name under which nodes publish this GPU is not known',
          'name the resource in device.name, or give a catalogue, a host capture or the nodes',
        ]
      : [
          `the board has several resource names: ${names.join(', ')}`,
          'say device.id, or name the resource in device.name',
        ];
  report('blocked', 'resource-unknown', `${path}.device`, message, remedy);
  return undefined;
}
