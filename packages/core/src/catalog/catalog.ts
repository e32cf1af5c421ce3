import type { Catalog, GpuBoard, VgpuProfile } from '../model/gpu-board.ts';
import { baseId, type PciId } from '../model/pci-id.ts';
import { tryParseVgpuProfile } from '../model/vgpu-profile.ts';
import { deepFreeze } from '../util/freeze.ts';
import { nameKey } from './name-key.ts';
import { passthroughBoards } from './passthrough-boards.ts';
import { type ProfileFamily, readBoards, readFamilies } from './read-data.ts';

interface CatalogData {
  readonly boards: readonly GpuBoard[];
  readonly families: readonly ProfileFamily[];
  readonly boardsByBaseId: ReadonlyMap<PciId, readonly GpuBoard[]>;
  /** Keys under which a board goes, beside it: own name first, then aliases. Making them is what costs. */
  readonly names: readonly BoardNames[];
  readonly profiles: readonly VgpuProfile[];
  readonly profilesByShortName: ReadonlyMap<string, readonly VgpuProfile[]>;
}

interface BoardNames {
  readonly board: GpuBoard;
  readonly own: string;
  readonly aliases: readonly string[];
}

let decoded: CatalogData | undefined;

function data(): CatalogData {
  decoded ??= decode();
  return decoded;
}

function decode(): CatalogData {
  const boards = deepFreeze([...readBoards(), ...passthroughBoards()]);
  const families = deepFreeze(readFamilies(boards));
  const profiles = families.flatMap((family) => family.profiles);
  return {
    boards,
    families,
    boardsByBaseId: index(boards, (board) => new Set(board.ids.map(baseId))),
    names: boards.map((board) => ({
      board,
      own: nameKey(board.name),
      aliases: [...board.aliases, board.pciIdsName ?? ''].map(nameKey),
    })),
    profiles,
    profilesByShortName: index(profiles, (profile) => [profile.name]),
  };
}

function index<K, T>(items: readonly T[], keysOf: (item: T) => Iterable<K>): Map<K, T[]> {
  const map = new Map<K, T[]>();
  for (const item of items) {
    for (const key of keysOf(item)) {
      const known = map.get(key);
      if (known) known.push(item);
      else map.set(key, [item]);
    }
  }
  return map;
}

/** All profiles, in the order of the boards. */
export function allProfiles(): readonly VgpuProfile[] {
  return data().profiles;
}

/** The catalogue that vmgpu ships. Entries are frozen. */
export const catalog: Catalog = {
  get boards() {
    return data().boards;
  },
  boardsById,
  boardsByName,
  profilesByName,
  profilesById,
};

/**
 * A subsystem picks the product when products that share the id differ by it (A16 and A2, 10de:25b6). One that no
 * product lists is a card maker's own: then every product that the id alone may mean.
 */
function boardsById(id: PciId): readonly GpuBoard[] {
  const base = baseId(id);
  const sharing = data().boardsByBaseId.get(base) ?? [];
  if (id === base) return sharing;
  const exact = sharing.filter((board) => board.ids.includes(id));
  const general = sharing.filter((board) => board.ids.includes(base));
  return [exact, general, sharing].find((boards) => boards.length > 0) ?? [];
}

/**
 * Boards with this name or alias: two when products are sold under one name. A name that is no board's own may also be
 * the beginning of several (`A100`); it is an answer only if it finds one.
 */
function boardsByName(name: string): readonly GpuBoard[] {
  const key = nameKey(name);
  if (key === '') return [];
  const { names } = data();
  const named = names.some(({ own }) => own === key);
  return names
    .filter(({ own, aliases }) => aliases.includes(key) || (named ? own === key : own.startsWith(`${key} `)))
    .map(({ board }) => board);
}

/**
 * Short or full names, also in the Kubernetes spelling. Drivers before and after the change of brand print `GRID` and
 * `NVIDIA` before the same type, so these two words pick nothing; longer prefixes do. The device manager's suffix `GFX`
 * is not part of the driver's name.
 */
function profilesByName(name: string): readonly VgpuProfile[] {
  const wanted = tryParseVgpuProfile(name.replace(/^[a-z.]+\//, ''));
  if (!wanted) return [];
  const known = data().profilesByShortName;
  const found = known.get(wanted.short) ?? known.get(wanted.short.replace(/GFX$/, '')) ?? [];
  const prefix = wanted.prefix?.toLowerCase();
  if (prefix === undefined || prefix === 'nvidia' || prefix === 'grid') return found;
  return found.filter(
    (profile) => profile.fullName.toLowerCase() === `${prefix} ${profile.name.toLowerCase()}`,
  );
}

function profilesById(id: PciId): readonly VgpuProfile[] {
  const base = baseId(id);
  const makers = new Set(boardsById(id).map((board) => board.vgpuBoard));
  return data()
    .families.filter((family) => family.ids.includes(base) && makers.has(family.vgpuBoard))
    .flatMap((family) => family.profiles);
}
