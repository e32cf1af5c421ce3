import type { Catalog, GpuBoard, VgpuProfile } from '../model/gpu-board.ts';
import type { HostInventory } from '../model/gpu-device.ts';
import type { GpuRequest, GpuSelector, GpuVm, VgpuRequest } from '../model/gpu-vm.ts';
import { matchesPciId, type PciId, parsePciId } from '../model/pci-id.ts';
import { isHostTypeId } from '../model/vgpu-profile.ts';
import type { Diagnostic } from '../spec/v1/diagnostic.ts';
import { nearest } from '../util/nearest.ts';

/**
 * What is wrong with an intent whatever the platform: boards nobody knows, profiles that a board cannot make, more of a
 * profile than a card holds. Empty when all is well. With hosts given, their GPUs are counted too.
 */
export function checkIntent(
  intent: GpuVm,
  catalog: Catalog,
  hosts: readonly HostInventory[] = [],
): readonly Diagnostic[] {
  return (intent.spec.gpus ?? []).flatMap((gpu, index) =>
    checkRequest(gpu, `spec.gpus[${index}]`, catalog, hosts),
  );
}

function checkRequest(
  gpu: GpuRequest,
  path: string,
  catalog: Catalog,
  hosts: readonly HostInventory[],
): readonly Diagnostic[] {
  const board = gpu.device?.board;
  if (board !== undefined && catalog.boardsByName(board).length === 0)
    return [boardUnknown(board, path, catalog)];
  return gpu.mode === 'vgpu' ? checkProfile(gpu, path, catalog, hosts) : [];
}

function boardUnknown(board: string, path: string, catalog: Catalog): Diagnostic {
  const known = nearest(
    board,
    catalog.boards.flatMap(({ name, aliases }) => [name, ...aliases]),
  );
  return {
    kind: 'blocked',
    code: 'intent.board-unknown',
    path: `${path}.device.board`,
    message: `the catalogue knows no board ${JSON.stringify(board)}`,
    remedy: known.length > 0 ? `did you mean ${known.join(' or ')}? Or give its PCI id` : 'give its PCI id',
  };
}

function checkProfile(
  gpu: VgpuRequest,
  path: string,
  catalog: Catalog,
  hosts: readonly HostInventory[],
): readonly Diagnostic[] {
  if (isHostTypeId(gpu.profile)) return [];
  const profiles = catalog.profilesByName(gpu.profile);
  if (profiles.length === 0) return [profileUnknown(gpu, path, catalog)];
  const ids = selectedIds(gpu.device, catalog);
  const made =
    ids === undefined ? profiles : profiles.filter((profile) => profile.ids.some((id) => overlaps(id, ids)));
  if (made.length === 0) return [profileOfOtherBoard(gpu, path, profiles, ids ?? [], catalog)];
  return tooMany(gpu, path, made, hosts);
}

function profileUnknown(gpu: VgpuRequest, path: string, catalog: Catalog): Diagnostic {
  const names = catalog.boards
    .flatMap((board) => board.ids.flatMap((id) => catalog.profilesById(id)))
    .map(({ name }) => name);
  const known = nearest(gpu.profile, names);
  return {
    kind: 'approximated',
    code: 'intent.profile-unknown',
    path: `${path}.profile`,
    message: `the catalogue knows no profile ${JSON.stringify(gpu.profile)}; it is used as it is written`,
    ...(known.length > 0 ? { remedy: `did you mean ${known.join(' or ')}?` } : {}),
  };
}

function profileOfOtherBoard(
  gpu: VgpuRequest,
  path: string,
  profiles: readonly VgpuProfile[],
  ids: readonly PciId[],
  catalog: Catalog,
): Diagnostic {
  const names = (wanted: readonly PciId[]) => [
    ...new Set(wanted.flatMap((id) => catalog.boardsById(id)).map(({ name }) => name)),
  ];
  const makers = names(profiles.flatMap((profile) => profile.ids));
  const sameSize = ids
    .flatMap((id) => catalog.profilesById(id))
    .filter((profile) =>
      profiles.some(
        ({ framebufferMiB, series }) =>
          framebufferMiB === profile.framebufferMiB && series === profile.series,
      ),
    )
    .map(({ name }) => name);
  return {
    kind: 'blocked',
    code: 'intent.profile-of-other-board',
    path: `${path}.profile`,
    message: `${names(ids).join(' or ') || ids.join(' or ')} cannot make ${gpu.profile}; it is a profile of ${makers.join(', ') || 'other boards'}`,
    ...(sameSize.length > 0
      ? { remedy: `the same size on that board is ${[...new Set(sameSize)].join(' or ')}` }
      : {}),
  };
}

/** More than one card holds is possible only with several cards in one host. */
function tooMany(
  gpu: VgpuRequest,
  path: string,
  profiles: readonly VgpuProfile[],
  hosts: readonly HostInventory[],
): readonly Diagnostic[] {
  const count = gpu.count ?? 1;
  const limits = profiles.flatMap(({ maxPerGpu }) => maxPerGpu ?? []);
  const limit = Math.max(...limits);
  if (limits.length === 0 || count <= limit) return [];
  const cards = Math.ceil(count / limit);
  const ids = profiles.flatMap((profile) => profile.ids);
  const most = Math.max(
    0,
    ...hosts.map(
      ({ gpus }) => gpus.filter(({ role, id }) => role === 'physical' && overlaps(id, ids)).length,
    ),
  );
  return [
    {
      kind: hosts.length > 0 && most < cards ? 'blocked' : 'approximated',
      code: 'intent.profile-limit',
      path: `${path}.count`,
      message: `one card holds ${limit} × ${gpu.profile}, so ${count} of them need ${cards} cards in one host${
        hosts.length > 0 ? `; the hosts given have ${most} at most` : ''
      }`,
      remedy: `ask for ${limit} at most, or for a smaller profile`,
    },
  ];
}

function selectedIds(device: GpuSelector | undefined, catalog: Catalog): readonly PciId[] | undefined {
  if (device?.id !== undefined) return [parsePciId(device.id)];
  if (device?.board === undefined) return undefined;
  return catalog.boardsByName(device.board).flatMap((board: GpuBoard) => board.ids);
}

function overlaps(id: PciId, wanted: readonly PciId[]): boolean {
  return wanted.some((other) => matchesPciId(other, id) || matchesPciId(id, other));
}
