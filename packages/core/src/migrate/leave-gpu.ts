import type { Catalog } from '../model/gpu-board.ts';
import type { GpuRequest, GpuSelector } from '../model/gpu-vm.ts';
import { isHostTypeId } from '../model/vgpu-profile.ts';
import type { Say } from './say.ts';

/** What the source platform's own names mean, where it did not say so itself. */
export interface SourceNames {
  /** Mapping, alias or resource name to a selector: `{ "gt1030": { "id": "10de:1d01" } }`. */
  readonly devices: Readonly<Record<string, GpuSelector>>;
  /** Type numbers, which belong to a driver branch: `{ "nvidia-593": "A10-4Q" }`. */
  readonly profiles: Readonly<Record<string, string>>;
}

/** A request in words that mean something on another platform. */
export function leaveGpu(
  gpu: GpuRequest,
  path: string,
  names: SourceNames,
  catalog: Catalog | undefined,
  say: Say,
): GpuRequest {
  if (gpu.mode === 'passthrough') {
    return { ...gpu, device: leaveSelector(gpu.device, `${path}.device`, names, say) ?? gpu.device };
  }
  const { device, ...rest } = gpu;
  const profile = leaveProfile(gpu.profile, `${path}.profile`, names, catalog, say);
  // A vGPU needs no device: a name that means nothing on the target is left out rather than carried along.
  const selector = device && leaveSelector(device, `${path}.device`, names, say, 'its profile says enough');
  return { ...rest, profile, ...(selector === undefined ? {} : { device: selector }) };
}

/** Undefined when nothing of the selector means anything elsewhere; that blocks, but for what needs no device. */
function leaveSelector(
  selector: GpuSelector,
  path: string,
  names: SourceNames,
  say: Say,
  unneeded?: string,
): GpuSelector | undefined {
  const { name, address, ...portable } = { ...selector, ...names.devices[selector.name ?? ''] };
  const found = portable.id !== undefined || portable.board !== undefined;
  if (!found && unneeded === undefined) {
    say(
      'blocked',
      'device-unknown',
      path,
      `what ${JSON.stringify(name ?? address)} is cannot be told from what was read`,
      'say which device it is (--device NAME=10de:2236), or read the VM together with its inventory',
    );
    return undefined;
  }
  const instead = found ? 'the device goes by what it is' : unneeded;
  if (name !== undefined)
    say(
      'approximated',
      'device-name',
      `${path}.name`,
      `the name ${JSON.stringify(name)} stays behind; ${instead}`,
    );
  if (address !== undefined)
    say(
      'approximated',
      'device-address',
      `${path}.address`,
      `the address ${address} belongs to one host; ${instead}`,
    );
  return found ? portable : undefined;
}

function leaveProfile(
  profile: string,
  path: string,
  names: SourceNames,
  catalog: Catalog | undefined,
  say: Say,
): string {
  const mapped = names.profiles[profile];
  if (mapped !== undefined) return mapped;
  const number = /^nvidia-(\d+)$/.exec(profile)?.[1];
  if (number === undefined || !isHostTypeId(profile)) return profile;
  const known = catalog?.boards
    .flatMap((board) => board.ids.flatMap((id) => catalog.profilesById(id)))
    .find((candidate) => candidate.typeId === Number(number));
  if (known === undefined) {
    say(
      'blocked',
      'profile-unknown',
      path,
      `${profile} is a number of one driver branch; its name is not known`,
      `say which profile it is (--profile ${profile}=A10-4Q)`,
    );
    return profile;
  }
  say(
    'approximated',
    'profile-by-number',
    path,
    `${profile} is ${known.name} in the driver branches the catalogue knows; numbers may differ between branches`,
    'check it on the host: vmgpu inspect',
  );
  return known.name;
}
