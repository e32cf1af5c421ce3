// Who may import whom (docs/adr/001). Run by `pnpm check`; exits 1 and names file, line and rule for each violation.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** Packages of ours that each package may import. */
const allowedPackages = {
  core: [],
  http: ['core'],
  'host-prep': ['core'],
  kubevirt: ['core'],
  openstack: ['core', 'http'],
  proxmox: ['core', 'http'],
  conformance: ['core'],
  simulators: [],
  cli: ['core', 'http', 'host-prep', 'kubevirt', 'openstack', 'proxmox', 'conformance', 'simulators'],
};

/** Third-party libraries: which file of which package may load them, and whether only lazily, by `import()`. */
const libraries = {
  zod: { files: [/^packages\/core\/src\/(model|schema)\//], lazy: false },
  axios: { files: [/^packages\/http\/src\/axios/], lazy: true },
  ssh2: { files: [/^packages\/host-prep\/src\/ssh\//], lazy: true },
  '@kubernetes/client-node': { files: [/^packages\/kubevirt\/src\/client-node/], lazy: true },
  yaml: {
    files: [
      /^packages\/cli\/src\//,
      /^packages\/[a-z-]+\/src\/lint\//,
      /^packages\/kubevirt\/src\/(lint|repair)/,
    ],
    lazy: false,
  },
  '@marcbachmann/cel-js': { files: [/^packages\/simulators\/src\/kube\/device-selector/], lazy: false },
  '@kubevirt-ui-ext/kubevirt-api': { files: [], lazy: false },
};

/** Rooms that decide: they run in browsers and do no I/O of any kind. */
const pureRooms = [
  /^packages\/core\/src\//,
  /^packages\/host-prep\/src\/(capture|facts|modules|plan|render|lint)\//,
  /^packages\/(kubevirt|openstack|proxmox)\/src\/(translate|lint|admission|matching)/,
];

const violations = [];
let files = 0;
for (const name of readdirSync(join(root, 'packages'))) {
  for (const file of sources(join(root, 'packages', name, 'src'))) {
    files += 1;
    checkFile(name, relative(root, file).split(sep).join('/'), readFileSync(file, 'utf8'));
  }
}
for (const violation of violations) console.error(violation);
console.log(`boundaries: ${files} files, ${violations.length} violations`);
process.exitCode = violations.length > 0 ? 1 : 0;

function checkFile(packageName, path, text) {
  const pure = pureRooms.some((room) => room.test(path));
  for (const { target, lazy, typeOnly, line } of importsOf(text)) {
    const complain = (rule) => violations.push(`${path}:${line}: ${rule} (imports ${target})`);
    if (target.startsWith('.')) continue;
    if (target.startsWith('node:')) {
      if (pure) complain('a pure room uses nothing of node');
      continue;
    }
    if (target.startsWith('@vmgpu/')) {
      const other = target.split('/')[1];
      if (other !== packageName && !(allowedPackages[packageName] ?? []).includes(other)) {
        complain(`${packageName} may not depend on ${other}`);
      }
      continue;
    }
    const library = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0];
    const rule = libraries[library];
    if (typeOnly && library !== 'zod') continue;
    if (!rule) complain('a library that no rule of scripts/check-boundaries.mjs allows');
    else if (!rule.files.some((allowed) => allowed.test(path))) complain(`${library} may not be loaded here`);
    else if (rule.lazy && !lazy) complain(`${library} is loaded with import() only`);
    if (library === 'zod' && target !== 'zod/mini')
      complain('only zod/mini: the full zod puts 92 kB into a page');
  }
}

function importsOf(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
  const found = [];
  const patterns = [
    [/^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm, false],
    [/\bimport\(\s*'([^']+)'\s*\)/g, true],
  ];
  for (const [pattern, lazy] of patterns) {
    for (const match of code.matchAll(pattern)) {
      const line = code.slice(0, match.index).split('\n').length;
      found.push({ target: match[lazy ? 1 : 2], lazy, typeOnly: !lazy && match[1] !== undefined, line });
    }
  }
  return found;
}

function sources(directory) {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}
