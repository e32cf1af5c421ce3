import type { GpuBoard, VgpuProfile } from '@vmgpu/core';
import type { Command } from '../command.ts';
import { exitStatus } from '../io.ts';
import { type Palette, palette, table, wrap } from '../style.ts';

export const catalogCommand: Command = {
  name: 'catalog',
  summary: 'boards and vGPU profiles: memory, limits, licences, where each fact is from',
  usage: '[QUERY]',
  operands: { min: 0, max: 1 },
  options: { sources: { type: 'boolean', help: 'show where each fact comes from' } },
  examples: [
    { line: 'vmgpu catalog A10', what: 'a board and all vGPU profiles it makes' },
    { line: 'vmgpu catalog A10-24Q', what: 'a profile: framebuffer, limits, licence' },
    { line: 'vmgpu catalog 10de:25b6', what: 'which products have this PCI id' },
  ],
  async run(input, io) {
    const { catalog, searchCatalog } = await import('@vmgpu/core/catalog');
    const query = input.operands[0];
    const found =
      query === undefined ? { boards: catalog.boards, profiles: [], suggestions: [] } : searchCatalog(query);
    if (input.json) {
      io.out(
        `${JSON.stringify({ apiVersion: 'vmgpu/v1', kind: 'CatalogResult', query, ...found }, null, 2)}\n`,
      );
      return found.boards.length + found.profiles.length > 0 ? exitStatus.done : exitStatus.findings;
    }
    if (found.boards.length + found.profiles.length === 0) {
      const hint = found.suggestions.length > 0 ? `; did you mean ${found.suggestions.join(' or ')}?` : '';
      io.err(`vmgpu: nothing in the catalogue for ${JSON.stringify(query)}${hint}\n`);
      return exitStatus.findings;
    }
    const paint = palette(io);
    if (query === undefined) io.out(`${boardTable(found.boards, paint)}\n`);
    else {
      const single = found.boards.length === 1 ? found.boards[0] : undefined;
      const profiles =
        found.profiles.length > 0
          ? found.profiles
          : single
            ? catalog.profilesById(single.ids[0] as never)
            : [];
      if (found.boards.length > 0) io.out(`${boardTable(found.boards, paint)}\n`);
      if (profiles.length > 0)
        io.out(`${found.boards.length > 0 ? '\n' : ''}${profileTable(profiles, paint)}\n`);
    }
    if (input.flag('sources')) {
      const sources = [...found.boards, ...found.profiles].flatMap((entry) => entry.sources);
      io.out(
        `\n${paint.bold('Sources')}\n${[...new Set(sources)].map((source) => wrap(source, io.width, '  ')).join('\n')}\n`,
      );
    }
    return exitStatus.done;
  },
};

function boardTable(boards: readonly GpuBoard[], paint: Palette): string {
  const rows = boards.map((board) => [
    board.name,
    board.ids.join(' '),
    board.architecture ?? '',
    board.memoryGiB === undefined ? '' : `${board.memoryGiB} GiB`,
    board.vgpuBoard === undefined ? 'no vGPU' : board.sriovForVgpu ? 'vGPU on VFs' : 'vGPU (mdev)',
    board.mig ? 'MIG' : '',
  ]);
  return table([['BOARD', 'PCI ID', 'ARCHITECTURE', 'MEMORY', 'VGPU', ''].map(paint.bold), ...rows]);
}

function profileTable(profiles: readonly VgpuProfile[], paint: Palette): string {
  const rows = profiles.map((profile) => [
    profile.fullName,
    profile.ids.join(' '),
    `${profile.framebufferMiB} MiB`,
    profile.maxPerGpu === undefined ? '–' : String(profile.maxPerGpu),
    profile.maxPerGpuMixed === undefined ? '–' : String(profile.maxPerGpuMixed),
    profile.migSlices === undefined ? '' : `${profile.migSlices} MIG slices`,
    profile.license,
  ]);
  return table([
    ['PROFILE', 'PCI ID', 'FRAMEBUFFER', 'PER GPU', 'MIXED', 'MIG', 'LICENCE'].map(paint.bold),
    ...rows,
  ]);
}
