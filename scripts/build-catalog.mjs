// Makes packages/core/src/catalog/{boards,vgpu-types}.data.ts from the collected facts beside the project
// (../shared/data/host). Facts are taken over, one short row each, with an index to the sources they come from; the
// collections themselves are not part of the project. Run: node scripts/build-catalog.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const read = (name) =>
  JSON.parse(readFileSync(new URL(`../../shared/data/host/${name}.json`, import.meta.url), 'utf8'));
const boards = read('gpu-boards').nvidia;
const types = read('vgpu-types');
// Two branches come without a release name or for a second time, at the end of the source file.
const hostBranches = read('vgpu-branches').hostBranches.filter(
  ({ label, branch }, index, all) =>
    label !== null && all.findIndex((other) => other.branch === branch) === index,
);

// --- What the collection leaves to judgement -----------------------------------------------------------------------

/** Names of boards whose collected name is pci.ids text or two products. */
const names = {
  '10de:20b7': 'NVIDIA A30',
  '10de:20b8': 'NVIDIA A100X',
  '10de:20b9': 'NVIDIA A30X',
  '10de:20fd': 'NVIDIA AX800',
  '10de:2336': 'NVIDIA H100 (2336)',
  '10de:2bb9': 'NVIDIA RTX 6000D',
  '10de:2c3a': 'NVIDIA RTX PRO 4500 Blackwell Server Edition',
};

/** Ids that make another board's types (g_vgpu_resman_specific.h; device filters of vgpu-device-manager). */
const aliasOf = {
  '10de:20b8': '10de:20b5',
  '10de:20b9': '10de:20b7',
  '10de:20fd': '10de:20f5',
  '10de:2336': '10de:2330',
};

/** Subsystems of products that share a device id; the product without one is what every other subsystem means. */
const subsystems = {
  RTX6000: ['', '10de:12ba'],
  RTX8000: ['10de:129e', '1028:129e', '103c:129e'],
  RTX6000P: ['10de:13d9'],
  RTX8000P: ['10de:13d8'],
  A16: ['10de:14a9'],
  // NVIDIA/open-gpu-kernel-modules says 157e, the driver catalogue of CubeCOS 159d.
  A2: ['10de:157e', '10de:159d'],
};

/** Types of 10de:2c3a: named in vgpu-device-manager's configuration alone. [suffix, limit, inferred board] */
const rtxPro4500 = [
  ['16Q', 2, false],
  ['1-16C', 2, true],
  ['1-16Q', 2, true],
  ['2-8C', 4, true],
  ['2-8Q', 4, true],
  ['2-32C', 1, true],
  ['2-32Q', 1, true],
];

// --- Sources -------------------------------------------------------------------------------------------------------

const sources = [];
/** Index of a source, without numbers that only the collector's own notes explain. */
const source = (text) => indexIn(sources, text.replace(/ \([^)]*\bid \d+\)$/, ''));
const indexIn = (table, item) => {
  const found = table.indexOf(item);
  return found >= 0 ? found : table.push(item) - 1;
};
const catalogueSource = 'bigstack-oss/cubecos@356cc38:core/nvidia/vgpuDriverCatalog.yaml';
const managerSource = 'NVIDIA/vgpu-device-manager:examples/config-example.yaml';

// --- Releases ------------------------------------------------------------------------------------------------------

const labels = (label) =>
  label
    .replace('vGPU ', '')
    .split(' and ')
    .map((text) => (text.includes('.') ? text : `${text}.0`));
const catalogueReleases = [...new Set(hostBranches.toReversed().flatMap(({ label }) => labels(label)))];
const releases = [...catalogueReleases, '17.x', '17.2', '18.0', '19.0', '19.2', '20.0'];

/** vGPU releases that list a board, as ranges of indexes: `0-26.30-34`. */
function releasesOf(board, family, boardTypes) {
  const listed = new Set();
  const [, device] = board.vendorDevice.split(':');
  const wanted = (subsystems[family] ?? []).map((text) => text.split(':')[1] ?? '');
  for (const { label, gpus } of hostBranches) {
    const hit = gpus.some(
      ([id, subsystem, name]) =>
        id.slice(2).toLowerCase() === device &&
        (wanted.length === 0 ||
          (subsystem === null ? name.endsWith(` ${family}`) : wanted.includes(subsystem.slice(2)))),
    );
    if (hit) for (const release of labels(label)) listed.add(release);
  }
  const inCatalogue = listed.size > 0;
  if (board.sources.some((text) => text.includes('(17.x)'))) listed.add('17.x');
  // "14.x" and "15.x" of the device manager's history add nothing to the catalogue's own 14 and 15.
  const managers =
    aliasOf[board.vendorDevice] || boardTypes.length === 0
      ? board.deviceManagerDefault
        ? ['20.0']
        : []
      : boardTypes.flatMap((type) => type.inDeviceManagerConfigFor ?? []);
  for (const release of managers) if (releases.includes(release)) listed.add(release);
  const indexes = releases.flatMap((release, index) => (listed.has(release) ? [index] : []));
  return { ranges: ranges(indexes), inCatalogue };
}

function ranges(indexes) {
  const parts = [];
  for (const index of indexes) {
    const last = parts.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else parts.push([index, index]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join('.');
}

// --- Boards --------------------------------------------------------------------------------------------------------

function boardRow(board) {
  const family =
    board.vgpuPrefix ??
    boards.find((other) => other.vendorDevice === aliasOf[board.vendorDevice])?.vgpuPrefix ??
    'DC';
  const shared = subsystems[family];
  const plain = board.board.replace(/ \((per GPU|also).*\)$/, '');
  const name = names[board.vendorDevice] ?? (/^(Tesla|Quadro)/.test(plain) ? plain : `NVIDIA ${plain}`);
  const products = board.products
    .map((product) => product.name)
    .filter((product) => !shared || plain.startsWith(product.replace('NVIDIA ', '')));
  const bracket = /\[(.+)\]/.exec(board.pciIdsName)?.[1] ?? '';
  const aliases = [
    ...new Set([board.board, plain, ...products, ...(bracket.includes('/') ? [] : [bracket])]),
  ];
  const ids = (shared ?? ['']).map((subsystem) => [board.vendorDevice, subsystem].filter(Boolean).join(':'));
  const boardTypes = types.filter((type) => type.gpu === board.board);
  const { ranges: releaseRanges, inCatalogue } = releasesOf(board, family, boardTypes);
  const from = [...board.sources, ...(inCatalogue ? [catalogueSource] : [])].map(source);
  return [
    name,
    aliases.filter((alias) => alias !== name && alias !== name.replace('NVIDIA ', '')).join('|'),
    ids.join(' '),
    board.pciIdsName,
    board.architecture,
    board.memoryGiB ?? 0,
    board.physicalGpusPerBoard,
    (board.sriovForVgpu ? 's' : '') + (hasMig(board) ? 'm' : '') + (board.displayModeToggle ? 'd' : ''),
    family,
    releaseRanges,
    from,
  ];
}
/** What is not collected: boards that make another's MIG-backed types, and 10de:2c3a with MIG-backed types of its own. */
function hasMig(board) {
  const original = boards.find((other) => other.vendorDevice === aliasOf[board.vendorDevice]);
  return board.mig ?? original?.mig ?? board.vendorDevice === '10de:2c3a';
}

// --- Types ---------------------------------------------------------------------------------------------------------

const displays = [];
const migProfiles = [];
const combinations = [];
const inferences = [
  'display from the series',
  'largest power of two that is not above the equal-size limit',
  'same as the equal-size limit',
  'limit of the Q type of the same size on the same board',
  'most in one GPU instance, times GPU instances',
  "summary of NVIDIA's table",
  "named in the device manager's configuration and on no other board",
];

function typeRow(type, family) {
  const inferred =
    (type.displayInferred ? 1 : 0) |
    (type.mixedSizeRule?.startsWith('largest') ? 2 : 0) |
    (type.mixedSizeRule?.startsWith('Blackwell') ? 4 : 0) |
    (type.maxInferred?.startsWith('same size') ? 8 : 0) |
    (type.maxInferred?.startsWith('perGI') ? 16 : 0) |
    (type.maxInferred?.startsWith('public') ? 32 : 0);
  const mig = type.migGpuInstanceProfile?.replace(/^MIG | \(id .*$/g, '');
  return row([
    type.shortName.slice(family.length + 1),
    type.typeId ?? '',
    type.maxInstances ?? '',
    type.maxInstancesMixedSize ?? '',
    indexIn(displays, `${type.displayHeads} ${type.maxResolution}`),
    indexIn(combinations, type.sources.map(source).join(' ')),
    inferred || '',
    mig ? indexIn(migProfiles, mig) : '',
    type.maxInstancesPerGI ?? '',
  ]);
}
const row = (cells) => cells.join(',').replace(/,+$/, '');

const boardRows = boards.map(boardRow);
const families = boards
  .filter((board) => board.vgpuPrefix)
  .map((board) => {
    const own = types.filter((type) => type.gpu === board.board);
    const words = own[0].name.slice(0, -own[0].shortName.length).trim();
    const ids = [
      board.vendorDevice,
      ...Object.keys(aliasOf).filter((id) => aliasOf[id] === board.vendorDevice),
    ];
    return [
      board.vgpuPrefix,
      words,
      ids.join(' '),
      own.map((type) => typeRow(type, board.vgpuPrefix)).join(';'),
    ].join('|');
  });
const managerOnly = indexIn(combinations, String(source(managerSource)));
families.push(
  [
    'DC',
    '',
    '10de:2c3a',
    rtxPro4500
      .map(([suffix, most, guess]) => row([suffix, '', most, '', '', managerOnly, guess ? 64 : '']))
      .join(';'),
  ].join('|'),
);

// --- Files ---------------------------------------------------------------------------------------------------------

const header =
  '// Made by scripts/build-catalog.mjs; do not edit. catalog/read-data.ts explains the columns.\n';
const write = (file, body) =>
  writeFileSync(new URL(`../packages/core/src/catalog/${file}`, import.meta.url), `${header}${body}`);
const list = (name, items) => `export const ${name}: readonly string[] = ${JSON.stringify(items)};\n`;

write(
  'boards.data.ts',
  `${list('releases', releases)}export const boardRows: readonly (readonly [string, string, string, string, string, number, number, string, string, string, readonly number[]])[] = [\n${boardRows.map((cells) => JSON.stringify(cells)).join(',\n')}\n];\n`,
);
write(
  'vgpu-types.data.ts',
  [
    list('sources', sources),
    list('sourceSets', combinations),
    list('displays', displays),
    list('migProfiles', migProfiles),
    list('inferences', inferences),
    `export const families: readonly string[] = [\n${families.map((line) => JSON.stringify(line)).join(',\n')}\n];\n`,
  ].join(''),
);
console.log(
  `${boardRows.length} boards, ${types.length} + ${rtxPro4500.length} types, ${sources.length} sources`,
);
