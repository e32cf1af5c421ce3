import type { GpuBoard, VgpuProfile } from '../model/gpu-board.ts';
import type { PciId } from '../model/pci-id.ts';
import { parseVgpuProfile } from '../model/vgpu-profile.ts';
import { boardRows, releases } from './boards.data.ts';
import { displays, families, inferences, migProfiles, sourceSets, sources } from './vgpu-types.data.ts';

/** Profiles of one board family, and the device ids that make them. */
export interface ProfileFamily {
  /** `A10`; `DC` stands for two boards, told apart by their ids. */
  readonly vgpuBoard: string;
  readonly ids: readonly PciId[];
  readonly profiles: readonly VgpuProfile[];
}

const displayModeToggle =
  'Makes vGPUs only without display output: NVIDIA displaymodeselector switches it, and large BAR1 comes with it.';

/** Board columns: name, aliases, ids, pci.ids text, architecture, GiB, GPUs, flags, vGPU board, releases, sources. */
export function readBoards(): GpuBoard[] {
  return boardRows.map(
    ([
      name,
      aliases,
      ids,
      pciIdsName,
      architecture,
      memoryGiB,
      gpusPerBoard,
      flags,
      vgpuBoard,
      ranges,
      from,
    ]) => ({
      name,
      aliases: split(aliases, '|'),
      ids: split(ids, ' ') as PciId[],
      pciIdsName,
      architecture,
      ...(memoryGiB === 0 ? {} : { memoryGiB }),
      gpusPerBoard,
      sriovForVgpu: flags.includes('s'),
      mig: flags.includes('m'),
      ...(flags.includes('d') ? { displayModeToggle } : {}),
      vgpuBoard,
      branches: split(ranges, '.').flatMap((range) => {
        const [first = 0, last = first] = range.split('-').map(Number);
        return releases.slice(first, last + 1);
      }),
      sources: from.map((index) => sources[index] ?? ''),
    }),
  );
}

/** Each line: vGPU board, words before the short name, device ids, and its types. */
export function readFamilies(boards: readonly GpuBoard[]): ProfileFamily[] {
  return families.map((line) => {
    const [vgpuBoard = '', prefix = '', idText = '', rows = ''] = line.split('|');
    const ids = split(idText, ' ') as PciId[];
    const board = boards.find(
      (entry) => entry.vgpuBoard === vgpuBoard && entry.ids[0]?.startsWith(idText.slice(0, 9)),
    );
    const common = {
      ids,
      board: board?.name ?? vgpuBoard,
      framework: board?.sriovForVgpu ? ('sriov' as const) : ('mdev' as const),
    };
    return {
      vgpuBoard,
      ids,
      profiles: rows.split(';').map((row) => readProfile(row, vgpuBoard, prefix, common)),
    };
  });
}

const licenses = { A: 'vApps', B: 'vPC', C: 'NVIDIA AI Enterprise', Q: 'vWS' } as const;

/** What each bit of the column `inferred` speaks about; the words are in `inferences`. */
const inferredFields = [
  ['displayHeads', 'maxResolution'],
  ['maxPerGpuMixed'],
  ['maxPerGpuMixed'],
  ['maxPerGpu'],
  ['maxPerGpu'],
  ['maxPerGpu'],
  ['ids'],
] as const;

/** Type columns: suffix, type id, limit, mixed limit, display, source set, inferred (bits), MIG profile, per instance. */
function readProfile(
  row: string,
  vgpuBoard: string,
  prefix: string,
  common: Pick<VgpuProfile, 'ids' | 'board' | 'framework'>,
): VgpuProfile {
  const [suffix = '', ...cells] = row.split(',');
  const [typeId, maxPerGpu, maxPerGpuMixed, display, from, inferredBits, mig, maxPerGpuInstance] = cells.map(
    (cell) => (cell === '' ? undefined : Number(cell)),
  );
  const { short, series, framebufferMiB, slices } = parseVgpuProfile(`${vgpuBoard}-${suffix}`);
  const [heads, maxResolution] = display === undefined ? [] : (displays[display]?.split(' ') ?? []);
  const migProfile = mig === undefined ? undefined : migProfiles[mig];
  const inferred = readInferred(inferredBits ?? 0);
  return {
    name: short,
    fullName: prefix === '' ? short : `${prefix} ${short}`,
    ...common,
    series,
    framebufferMiB,
    license: licenses[series],
    ...(maxPerGpu === undefined ? {} : { maxPerGpu }),
    ...(maxPerGpuMixed === undefined ? {} : { maxPerGpuMixed }),
    ...(heads === undefined || maxResolution === undefined
      ? {}
      : { displayHeads: Number(heads), maxResolution }),
    ...(slices === undefined ? {} : { migSlices: slices }),
    ...(migProfile === undefined ? {} : { migProfile }),
    ...(maxPerGpuInstance === undefined ? {} : { maxPerGpuInstance }),
    ...(typeId === undefined ? {} : { typeId }),
    ...(Object.keys(inferred).length === 0 ? {} : { inferred }),
    sources: split(sourceSets[from ?? 0] ?? '', ' ').map((index) => sources[Number(index)] ?? ''),
  };
}

function readInferred(bits: number): Record<string, string> {
  return Object.fromEntries(
    inferredFields.flatMap((fields, bit) =>
      bits & (1 << bit) ? fields.map((field) => [field, inferences[bit] ?? '']) : [],
    ),
  );
}

function split(text: string, separator: string): string[] {
  return text === '' ? [] : text.split(separator);
}
