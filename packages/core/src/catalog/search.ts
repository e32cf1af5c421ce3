import type { GpuBoard, VgpuProfile } from '../model/gpu-board.ts';
import { baseId, type PciId, pciIdParts, tryParsePciId } from '../model/pci-id.ts';
import { nearest } from '../util/nearest.ts';
import { allProfiles, catalog } from './catalog.ts';
import { nameKey } from './name-key.ts';

/** What a free-text search found. */
export interface CatalogMatches {
  readonly boards: readonly GpuBoard[];
  readonly profiles: readonly VgpuProfile[];
  /** Names that are near to the query, when nothing was found. */
  readonly suggestions: readonly string[];
}

/**
 * Looks for what a person may have at hand: a PCI id in any spelling, a vGPU type by name or by number (`nvidia-592`),
 * a board by name or by words of it. A question that means one id or one board is answered with its profiles as well.
 */
export function searchCatalog(query: string): CatalogMatches {
  const text = query.trim();
  const id = tryParsePciId(text);
  if (id !== undefined) return orSuggest(text, ofBoards(catalog.boardsById(id), catalog.profilesById(id)));

  const typeId = /^nvidia-(\d+)$/i.exec(text)?.[1];
  const profiles = typeId === undefined ? catalog.profilesByName(text) : profilesByNumber(Number(typeId));
  if (profiles.length > 0) return ofBoards(boardsOf(profiles), profiles);

  const named = catalog.boardsByName(text);
  const begun = named.length === 1 ? [] : profilesByBeginning(text);
  if (begun.length > 0) return ofBoards(boardsOf(begun), begun);
  const boards = named.length === 1 ? named : boardsByWords(text);
  const [only] = boards;
  return orSuggest(text, ofBoards(boards, only !== undefined && boards.length === 1 ? profilesOf(only) : []));
}

function ofBoards(boards: readonly GpuBoard[], profiles: readonly VgpuProfile[]): CatalogMatches {
  return { boards, profiles, suggestions: [] };
}

function orSuggest(text: string, matches: CatalogMatches): CatalogMatches {
  if (matches.boards.length + matches.profiles.length > 0) return matches;
  const known = [
    ...catalog.boards.map((board) => board.name),
    ...allProfiles().map((profile) => profile.name),
  ];
  const plain = new Map(catalog.boards.map((board) => [nameKey(board.name), board.name]));
  const near = [
    ...nearest(text, known),
    ...nearest(nameKey(text), plain.keys()).map((key) => plain.get(key) ?? key),
  ];
  return { ...matches, suggestions: [...new Set(near)].slice(0, 3) };
}

function profilesOf(board: GpuBoard): readonly VgpuProfile[] {
  const [id] = board.ids;
  if (id === undefined || board.vgpuBoard === undefined) return [];
  const prefix = `${board.vgpuBoard}-`;
  return catalog.profilesById(id).filter((profile) => profile.name.startsWith(prefix));
}

function boardsOf(profiles: readonly VgpuProfile[]): readonly GpuBoard[] {
  return catalog.boards.filter((board) => {
    const ids = board.ids.map(baseId);
    return profiles.some(
      (profile) =>
        profile.name.startsWith(`${board.vgpuBoard}-`) && profile.ids.some((id) => ids.includes(id)),
    );
  });
}

function profilesByNumber(typeId: number): readonly VgpuProfile[] {
  return allProfiles().filter((profile) => profile.typeId === typeId);
}

/** Boards that have every word of the query in a name or as device id; whole words before beginnings of words. */
function boardsByWords(query: string): readonly GpuBoard[] {
  const wanted = words(query);
  if (wanted.length === 0) return [];
  const entries = catalog.boards.map((board) => ({
    board,
    own: boardWords(board),
    ids: board.ids.map(deviceOf),
  }));
  const whole = entries.filter(({ own, ids }) =>
    wanted.every((word) => own.includes(word) || ids.includes(word)),
  );
  const begun = entries.filter(({ own }) =>
    wanted.every((word) => own.some((text) => text.startsWith(word))),
  );
  return (whole.length > 0 ? whole : begun).map(({ board }) => board);
}

function boardWords(board: GpuBoard): readonly string[] {
  return words([board.name, ...board.aliases, board.pciIdsName, board.architecture].join(' '));
}

function deviceOf(id: PciId): string {
  return pciIdParts(id).device;
}

/** A board's code and more: `A10-2` begins `A10-2Q` and `A10-24Q`. */
function profilesByBeginning(query: string): readonly VgpuProfile[] {
  const beginning = query.replace(/_/g, ' ').toLowerCase();
  if (!/\w-\w/.test(beginning)) return [];
  return allProfiles().filter(({ name, fullName }) =>
    [name, fullName].some((text) => text.toLowerCase().startsWith(beginning)),
  );
}

function words(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
