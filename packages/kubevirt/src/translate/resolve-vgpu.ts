import {
  baseId,
  isHostTypeId,
  knownValue,
  parsePciId,
  printPciId,
  tryParseVgpuProfile,
  type VgpuRequest,
} from '@vmgpu/core';
import { pluginVgpuName, predictVgpuFullName } from './names.ts';
import { type PermittedDevice, selectorIdentity } from './permitted.ts';
import {
  givenResource,
  publishedResources,
  type ResolveContext,
  type ResolvedGpu,
} from './resolve-context.ts';
import { atLeast } from './version.ts';

/** The resource of a vGPU, by the name of its type. */
export function resolveVgpu(request: VgpuRequest, path: string, context: ResolveContext): ResolvedGpu {
  const { snapshot, report } = context;
  const { provider } = snapshot;
  if (provider === 'dra' || provider === 'amd') {
    const message =
      provider === 'dra'
        ? 'the DRA driver hands out whole GPUs only'
        : "AMD's shares are SR-IOV virtual functions, asked for by their id as passthrough";
    report('blocked', 'vgpu-provider', path, message, 'use another provider of devices for vGPUs');
    return { request, path, permit: [], ids: [] };
  }
  if (request.device?.address !== undefined) {
    const message = 'KubeVirt asks for a type of vGPU, not for the card that makes it';
    report('lossy', 'address', `${path}.device.address`, message);
  }
  const offers = snapshot.hosts
    .flatMap(({ gpus }) => gpus)
    .filter((gpu) =>
      gpu.vgpuTypes.some(
        ({ name, typeId }) => sameProfile(name, request.profile) || typeId === request.profile,
      ),
    );
  const vgpuName = vgpuFullName(request, path, context);
  const virtualFunction =
    offers.length > 0 && offers.every((gpu) => knownValue(gpu.vgpuFramework) === 'vendor-vfio');
  const given = givenResource(request, path, context);
  const resource = given ?? (vgpuName === undefined ? undefined : vgpuResource(vgpuName, context));
  if (virtualFunction && provider === 'nvidia-operator') {
    report(
      'blocked',
      'vendor-vfio',
      `${path}.profile`,
      'the hosts offer this vGPU as an SR-IOV virtual function; the GPU Operator and its plugin know only mediated devices (v26.7.0)',
      "use KubeVirt's own plugin (KubeVirt 1.9 and later) or Harvester",
    );
  } else if (virtualFunction && provider === 'kubevirt-builtin' && !atLeast(snapshot.version, '1.9')) {
    const message = `KubeVirt ${snapshot.version} publishes vGPUs only as mediated devices; the hosts offer virtual functions`;
    report('blocked', 'vendor-vfio', `${path}.profile`, message, 'KubeVirt 1.9 and later can');
  }
  const base = { request, path, ...(vgpuName === undefined ? {} : { vgpuName }), virtualFunction };
  if (resource === undefined) {
    const message = `${request.profile} is a number of one host's driver; its name is not known here`;
    report(
      'blocked',
      'resource-unknown',
      `${path}.profile`,
      message,
      'say the name of the vGPU type, such as A10-24Q',
    );
    return { ...base, permit: [], ids: [] };
  }
  const external = provider !== 'kubevirt-builtin';
  const ids = [...new Set(offers.map(({ id }) => baseId(id)))];
  const permit: PermittedDevice[] = virtualFunction
    ? ids.map((id) => ({
        list: 'pciHostDevices',
        selector: printPciId(id, 'kubevirt'),
        resourceName: resource,
        external,
      }))
    : [{ list: 'mediatedDevices', selector: vgpuName ?? request.profile, resourceName: resource, external }];
  return { ...base, resource, permit, ids };
}

/** The type's name as drivers print it, from the surest source there is. */
function vgpuFullName(request: VgpuRequest, path: string, context: ResolveContext): string | undefined {
  const { profile, device } = request;
  const { permitted, snapshot, catalog, report } = context;
  const offered = snapshot.hosts.flatMap(({ gpus }) => gpus.flatMap(({ vgpuTypes }) => vgpuTypes));
  const byNumber = offered.find(({ typeId }) => typeId === profile)?.name;
  if (byNumber !== undefined) return byNumber;
  if (/^nvidia-\d+$/.test(profile)) return undefined;
  if (isHostTypeId(profile)) return profile;
  const wantedId = device?.id === undefined ? undefined : baseId(parsePciId(device.id));
  const known = [
    ...permitted.filter(({ list }) => list === 'mediatedDevices').map(({ selector }) => selector),
    ...offered.flatMap(({ name }) => name ?? []),
    ...(catalog?.profilesByName(profile) ?? [])
      .filter(({ ids }) => wantedId === undefined || ids.includes(wantedId))
      .map(({ fullName }) => fullName),
  ].filter((name) => sameProfile(name, profile));
  if (known[0] !== undefined) return known[0];
  if (tryParseVgpuProfile(profile) === undefined) {
    report(
      'approximated',
      'profile-form',
      `${path}.profile`,
      `${profile} is no vGPU type name that NVIDIA uses; it is taken as it is`,
    );
    return profile;
  }
  const published = publishedResources(snapshot);
  const seen = published.find((name) => sameProfile(name.slice(name.indexOf('/') + 1), profile));
  return seen === undefined
    ? predictVgpuFullName(profile)
    : seen.slice(seen.indexOf('/') + 1).replaceAll('_', ' ');
}

function vgpuResource(fullName: string, { permitted, snapshot }: ResolveContext): string {
  const identity = selectorIdentity({ list: 'mediatedDevices', selector: fullName });
  const existing = permitted.find((entry) => selectorIdentity(entry) === identity);
  if (existing !== undefined) return existing.resourceName;
  if (snapshot.provider === 'harvester') return `nvidia.com/${fullName.replace(/[ /.]/g, '_')}`;
  const domain =
    snapshot.provider === 'kubevirt-builtin' && fullName.startsWith('i915') ? 'intel.com' : 'nvidia.com';
  return `${domain}/${pluginVgpuName(fullName)}`;
}

/** Equal short names; full names must agree too when both have one. */
function sameProfile(candidate: string | undefined, wanted: string): boolean {
  if (candidate === undefined) return false;
  const left = tryParseVgpuProfile(candidate);
  const right = tryParseVgpuProfile(wanted);
  if (left === undefined || right === undefined) return candidate === wanted;
  return (
    left.short === right.short &&
    (right.prefix === undefined || left.prefix === undefined || left.prefix === right.prefix)
  );
}
