import { describe, expect, it } from 'vitest';
import { catalog, searchCatalog } from '../src/catalog/index.ts';
import { baseId, type PciId, parsePciId } from '../src/index.ts';
import { sharedJson } from './shared-data.ts';

const names = (boards: readonly { name: string }[]) => boards.map((board) => board.name);

describe('boards', () => {
  it('finds a board by id, by product name, without vendor word and by the text of pci.ids', () => {
    const a10 = {
      name: 'NVIDIA A10',
      vgpuBoard: 'A10',
      memoryGiB: 24,
      architecture: 'Ampere',
      sriovForVgpu: true,
    };
    for (const found of [
      catalog.boardsById(parsePciId('0x223610DE')),
      catalog.boardsByName('NVIDIA A10'),
      catalog.boardsByName('a10'),
      catalog.boardsByName('GA102GL [A10]'),
      catalog.boardsByName('nvidia.com/GA102GL_A10'),
    ]) {
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject(a10);
    }
    expect(names(catalog.boardsByName('T4'))).toEqual(['Tesla T4']);
    expect(names(catalog.boardsByName('nvidia  tesla t4'))).toEqual(['Tesla T4']);
  });

  it('tells products that share an id apart by their subsystem', () => {
    expect(names(catalog.boardsById('10de:25b6' as PciId))).toEqual(['NVIDIA A16', 'NVIDIA A2']);
    expect(names(catalog.boardsById('10de:25b6:10de:14a9' as PciId))).toEqual(['NVIDIA A16']);
    expect(names(catalog.boardsById('10de:25b6:10de:157e' as PciId))).toEqual(['NVIDIA A2']);
    expect(names(catalog.boardsById('10de:25b6:10de:159d' as PciId))).toEqual(['NVIDIA A2']);
    expect(names(catalog.boardsById('10de:1e30:103c:129e' as PciId))).toEqual(['Quadro RTX 8000']);
    expect(names(catalog.boardsById('10de:1e78:10de:13d9' as PciId))).toEqual(['Quadro RTX 6000 Passive']);
  });

  it("takes a subsystem that no product lists for a card maker's own", () => {
    expect(names(catalog.boardsById('10de:2236:1028:0001' as PciId))).toEqual(['NVIDIA A10']);
    expect(names(catalog.boardsById('10de:25b6:1028:0001' as PciId))).toEqual(['NVIDIA A16', 'NVIDIA A2']);
    expect(names(catalog.boardsById('10de:1e30:1028:0001' as PciId))).toEqual(['Quadro RTX 6000']);
  });

  it('answers a name that several boards begin with by all of them, and an unknown one by none', () => {
    expect(names(catalog.boardsByName('A100 PCIe'))).toEqual([
      'NVIDIA A100 PCIe 80GB',
      'NVIDIA A100 PCIe 40GB',
      'NVIDIA A100 PCIe 40GB (20b1)',
    ]);
    expect(catalog.boardsByName('H100').length).toBeGreaterThan(3);
    for (const none of ['A1', 'Voodoo 2', '', 'nvidia']) expect(catalog.boardsByName(none)).toEqual([]);
    expect(catalog.boardsById('10de:ffff' as PciId)).toEqual([]);
  });

  it('knows boards without vGPU types, and says where each comes from', () => {
    for (const [id, name] of [
      ['10de:1d01', 'NVIDIA GeForce GT 1030'],
      ['10de:0fc6', 'NVIDIA GeForce GTX 650'],
      ['10de:2684', 'NVIDIA GeForce RTX 4090'],
      ['1002:74a1', 'AMD Instinct MI300X'],
      ['1002:7410', 'AMD Instinct MI210 virtual function'],
      ['8086:56c0', 'Intel Data Center GPU Flex 170'],
    ] as const) {
      const [board] = catalog.boardsById(id as PciId);
      expect(board).toMatchObject({ name, sriovForVgpu: false });
      expect(board?.vgpuBoard).toBeUndefined();
      expect(catalog.profilesById(id as PciId)).toEqual([]);
    }
    for (const board of catalog.boards) {
      expect(board.sources.length, board.name).toBeGreaterThan(0);
      expect(
        board.sources.every((source) => source.length > 8),
        board.name,
      ).toBe(true);
    }
  });

  it('gives every board a name of its own that finds it', () => {
    expect(new Set(names(catalog.boards)).size).toBe(catalog.boards.length);
    for (const board of catalog.boards) expect(catalog.boardsByName(board.name), board.name).toContain(board);
    const several = catalog.boards.filter((board) => catalog.boardsByName(board.name).length > 1);
    // nvidia-smi prints the same name for the passive boards.
    expect(names(several)).toEqual(['Quadro RTX 6000', 'Quadro RTX 8000']);
  });

  it('lists the vGPU releases that name a board', () => {
    const [a10] = catalog.boardsByName('A10');
    expect(a10?.branches).toEqual(expect.arrayContaining(['12.2', '16.1', '17.x', '20.0']));
    expect(a10?.branches).not.toContain('11.0');
    const [p4] = catalog.boardsByName('Tesla P4');
    expect(p4?.branches).toContain('17.x');
    expect(p4?.branches).not.toContain('18.0');
  });

  it('is frozen and made once', () => {
    expect(catalog.boards).toBe(catalog.boards);
    expect(Object.isFrozen(catalog.boards[0]?.sources)).toBe(true);
  });
});

describe('profiles', () => {
  it('finds one by short, full and Kubernetes name, whatever brand word the driver prints', () => {
    for (const name of [
      'A10-24Q',
      'NVIDIA A10-24Q',
      'GRID A10-24Q',
      'NVIDIA_A10-24Q',
      'nvidia.com/NVIDIA_A10-24Q',
    ]) {
      expect(catalog.profilesByName(name), name).toEqual([
        expect.objectContaining({
          fullName: 'NVIDIA A10-24Q',
          board: 'NVIDIA A10',
          ids: ['10de:2236'],
          framebufferMiB: 24576,
          maxPerGpu: 1,
          license: 'vWS',
          framework: 'sriov',
          typeId: 597,
        }),
      ]);
    }
    expect(catalog.profilesByName('GRID P4-1Q')).toEqual([
      expect.objectContaining({ name: 'P4-1Q', maxPerGpu: 8, framework: 'mdev', license: 'vWS' }),
    ]);
  });

  it('knows MIG-backed types, with media-engine and graphics variants', () => {
    const [withMedia] = catalog.profilesByName('NVIDIA A100-1-5CME');
    expect(withMedia).toMatchObject({
      maxPerGpu: 1,
      migSlices: 1,
      framebufferMiB: 5120,
      license: 'NVIDIA AI Enterprise',
    });
    const [graphics] = catalog.profilesByName('DC-1-24QGFX');
    expect(graphics).toMatchObject({
      name: 'DC-1-24Q',
      maxPerGpu: 4,
      migProfile: '1g.24gb+gfx',
      typeId: 0x619,
    });
    expect(catalog.profilesByName('DC-1-2Q')[0]).toMatchObject({
      maxPerGpu: 48,
      maxPerGpuInstance: 12,
      typeId: 0x60a,
    });
  });

  it('returns every board that makes a type of that name', () => {
    const both = catalog.profilesByName('DC-16Q');
    expect(both.map(({ ids, maxPerGpu }) => [ids[0], maxPerGpu])).toEqual([
      ['10de:2bb5', 6],
      ['10de:2c3a', 2],
    ]);
    expect(catalog.profilesByName('NVIDIA RTX Pro 6000 Blackwell DC-16Q')).toEqual([both[0]]);
  });

  it('tells limits of equal and of mixed sizes apart, and says which facts are inferred', () => {
    const [type] = catalog.profilesByName('A10-4Q');
    expect(type).toMatchObject({ maxPerGpu: 6, maxPerGpuMixed: 4 });
    expect(type?.inferred?.maxPerGpuMixed).toMatch(/power of two/);
    expect(catalog.profilesByName('T4-1Q')[0]?.maxPerGpuMixed).toBeUndefined();
    expect(catalog.profilesByName('A10G-24Q')[0]).not.toHaveProperty('maxPerGpu');
  });

  it("gives boards that share an id or another board's types their own", () => {
    const made = (id: string) =>
      new Set(catalog.profilesById(id as PciId).map((type) => type.name.split('-')[0]));
    expect(made('10de:25b6:10de:14a9')).toEqual(new Set(['A16']));
    expect(made('10de:25b6')).toEqual(new Set(['A16', 'A2']));
    expect(made('10de:20b8')).toEqual(new Set(['A100D']));
    expect(made('10de:20b9')).toEqual(new Set(['A30']));
    expect(made('10de:2336')).toEqual(new Set(['H100XM']));
    expect(made('10de:20fd')).toEqual(new Set(['A800D']));
    expect(catalog.profilesById('10de:2c3a' as PciId)).toHaveLength(7);
  });

  it('finds nothing for what is no profile name', () => {
    for (const none of ['', 'A10', 'A10-25Q', 'a10-24q', 'nvidia-592', 'NVIDIA RTX Pro 5000 DC-16Q']) {
      expect(catalog.profilesByName(none), none).toEqual([]);
    }
  });
});

describe('searchCatalog', () => {
  it.each([
    ['10de:25b6', ['NVIDIA A16', 'NVIDIA A2'], 32],
    ['10DE:25B6:10DE:14A9', ['NVIDIA A16'], 16],
    ['0x223610de', ['NVIDIA A10'], 24],
    ['2236', ['NVIDIA A10'], 24],
    ['CUSTOM_PCI_10DE_2236', ['NVIDIA A10'], 24],
    [' a10 ', ['NVIDIA A10'], 24],
    ['nvidia-592', ['NVIDIA A10'], 1],
    ['NVIDIA_A10-24Q', ['NVIDIA A10'], 1],
    ['A2', ['NVIDIA A2'], 16],
    ['100d-1-10C', [], 0],
    ['A100 80gb', ['NVIDIA A100 SXM4 80GB', 'NVIDIA A100 PCIe 80GB'], 0],
    ['gt 1030', ['NVIDIA GeForce GT 1030'], 0],
    ['mi300', ['AMD Instinct MI300X', 'AMD Instinct MI300X virtual function'], 0],
  ])('%s', (query, boards, profiles) => {
    const found = searchCatalog(query);
    expect(names(found.boards)).toEqual(boards);
    expect(found.profiles).toHaveLength(profiles);
  });

  it('finds profiles by the beginning of their name', () => {
    expect(searchCatalog('A10-2').profiles.map((type) => type.name)).toEqual(
      expect.arrayContaining(['A10-2Q', 'A10-24Q']),
    );
  });

  it('suggests what is near when it finds nothing', () => {
    expect(searchCatalog('A10-25Q')).toEqual({
      boards: [],
      profiles: [],
      suggestions: ['A10-24Q', 'A10-2Q'],
    });
    expect(searchCatalog('Tesla T5').suggestions).toContain('Tesla T4');
    expect(searchCatalog('teslat4').suggestions).toContain('Tesla T4');
    expect(searchCatalog('')).toEqual({ boards: [], profiles: [], suggestions: [] });
    expect(searchCatalog('no such thing at all').suggestions).toEqual([]);
  });
});

interface SharedType {
  gpu: string;
  pciVendorDevice: string;
  name: string;
  shortName: string;
  series: string;
  framebufferMiB: number;
  displayHeads: number;
  maxResolution: string;
  typeId: number | null;
  migBacked: boolean;
  migSlices?: number;
  maxInstances: number | null;
  maxInstancesMixedSize?: number | null;
  maxInstancesPerGI?: number;
  license: string;
  framework: string;
  sources: string[];
}
interface SharedBoard {
  board: string;
  vendorDevice: string;
  pciIdsName: string;
  products: { name: string }[];
  architecture: string;
  memoryGiB: number | null;
  physicalGpusPerBoard: number;
  sriovForVgpu: boolean;
  mig: boolean | null;
  displayModeToggle: string | null;
}
const types = sharedJson<SharedType[]>('host/vgpu-types.json') ?? [];
const boards = sharedJson<{ nvidia: SharedBoard[] }>('host/gpu-boards.json')?.nvidia ?? [];

describe.skipIf(types.length === 0)('the collected facts', () => {
  it('are all here: types', () => {
    expect(types).toHaveLength(1206);
    for (const type of types) {
      const id = type.pciVendorDevice as PciId;
      const expected = {
        name: type.shortName,
        fullName: type.name,
        series: type.series.charAt(0),
        framebufferMiB: type.framebufferMiB,
        displayHeads: type.displayHeads,
        maxResolution: type.maxResolution,
        framework: type.framework.startsWith('mdev') ? 'mdev' : 'sriov',
        ...(type.typeId === null ? {} : { typeId: type.typeId }),
        ...(type.migSlices === undefined ? {} : { migSlices: type.migSlices }),
        ...(type.maxInstances === null ? {} : { maxPerGpu: type.maxInstances }),
        ...(type.maxInstancesMixedSize == null ? {} : { maxPerGpuMixed: type.maxInstancesMixedSize }),
        ...(type.maxInstancesPerGI === undefined ? {} : { maxPerGpuInstance: type.maxInstancesPerGI }),
      };
      const byId = catalog.profilesById(id).filter((profile) => profile.fullName === type.name);
      expect(byId, type.name).toHaveLength(1);
      expect(byId[0]).toMatchObject(expected);
      expect(byId[0]?.ids[0]).toBe(id);
      expect(type.license.startsWith(byId[0]?.license ?? '?'), type.name).toBe(true);
      expect(byId[0]?.maxPerGpu).toBe(type.maxInstances ?? undefined);
      expect(byId[0]?.maxPerGpuMixed).toBe(type.maxInstancesMixedSize ?? undefined);
      expect(byId[0]?.sources).toEqual(
        type.sources.map((source) => source.replace(/ \([^)]*\bid \d+\)$/, '')),
      );
      for (const spelling of [type.name, type.shortName, type.name.replaceAll(' ', '_')]) {
        expect(catalog.profilesByName(spelling), spelling).toContain(byId[0]);
      }
      if (type.typeId !== null) expect(searchCatalog(`nvidia-${type.typeId}`).profiles).toEqual(byId);
    }
  });

  it('are all here: boards', () => {
    expect(boards).toHaveLength(70);
    for (const board of boards) {
      const found = catalog
        .boardsByName(board.board)
        .filter(({ ids }) => ids.map(baseId).includes(board.vendorDevice as PciId));
      expect(found, board.board).toHaveLength(1);
      expect(found[0]).toMatchObject({
        pciIdsName: board.pciIdsName,
        architecture: board.architecture,
        gpusPerBoard: board.physicalGpusPerBoard,
        sriovForVgpu: board.sriovForVgpu,
      });
      expect(found[0]?.memoryGiB).toBe(board.memoryGiB ?? undefined);
      if (board.mig !== null) expect(found[0]?.mig, board.board).toBe(board.mig);
      expect(found[0]?.displayModeToggle !== undefined, board.board).toBe(board.displayModeToggle !== null);
      expect(catalog.boardsById(board.vendorDevice as PciId)).toContain(found[0]);
      const sharing = catalog.boardsById(board.vendorDevice as PciId);
      for (const product of board.products) {
        expect(
          catalog.boardsByName(product.name).some((hit) => sharing.includes(hit)),
          product.name,
        ).toBe(true);
      }
    }
  });
});
