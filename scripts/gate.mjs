// What a stranger meets: packs every public package, checks the tarballs (publint, attw), their size in a page, that
// importing a root loads nothing heavy, and that an empty project can install and use them. Run by `pnpm gate` after
// the build.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'vmgpu-gate-'));
const failures = [];
const fail = (text) => {
  failures.push(text);
  console.error(`✗ ${text}`);
};
const run = (file, args, options = {}) =>
  execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });

/** Ceilings in bytes, minified and gzipped. A raised one carries its reason in the same commit. */
const pages = [
  { name: 'core', ceiling: 15_000, imports: ['@vmgpu/core'] },
  ...['kubevirt', 'openstack', 'proxmox'].map((platform) => ({
    name: `core + ${platform}`,
    // KubeVirt's instance types and preferences are tables of some 100 fields.
    ceiling: platform === 'kubevirt' ? 44_000 : 42_000,
    imports: ['@vmgpu/core', `@vmgpu/${platform}/translate`],
  })),
  {
    name: 'core + facts + readiness + three translators',
    // The blueprint says 60 kB; docs/adr/011 tells why it is more.
    ceiling: 131_000,
    imports: [
      '@vmgpu/core',
      '@vmgpu/host-prep/facts',
      '@vmgpu/host-prep/readiness',
      '@vmgpu/kubevirt/translate',
      '@vmgpu/openstack/translate',
      '@vmgpu/proxmox/translate',
    ],
  },
];
const neverInAPage = ['"node:', 'process.env', 'require(', 'Buffer.from', 'invalid_json_schema_locale'];

const packages = readdirSync(join(root, 'packages'))
  .map((name) => ({ directory: join(root, 'packages', name), manifest: readManifest(name) }))
  .filter(({ manifest }) => manifest && !manifest.private);

try {
  const tarballs = packages.map(pack);
  for (const tarball of tarballs) lint(tarball);
  const consumer = install(tarballs);
  for (const page of pages) await measure(page, consumer);
  for (const { manifest } of packages) checkLaziness(manifest.name, consumer);
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(
  failures.length === 0
    ? `gate: ${packages.length} packages are fit to publish`
    : `gate: ${failures.length} failures`,
);
process.exitCode = failures.length > 0 ? 1 : 0;

function readManifest(name) {
  try {
    return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function pack({ directory, manifest }) {
  const output = run('pnpm', ['pack', '--pack-destination', work, '--json'], { cwd: directory });
  const { filename } = JSON.parse(output.slice(output.indexOf('{')));
  return { directory, manifest, file: resolve(work, filename) };
}

function lint({ manifest, file }) {
  for (const [tool, args] of [
    ['publint', ['run', file, '--strict']],
    ['attw', [file, '--profile', 'esm-only', '--exclude-entrypoints', './schema/gpu-vm.json']],
  ]) {
    try {
      run(join(root, 'node_modules/.bin', tool), args);
    } catch (error) {
      fail(`${manifest.name}: ${tool}: ${error.stdout}${error.stderr}`);
    }
  }
  console.log(`  ${manifest.name}: looked at by publint and attw`);
}

/** An empty project with all tarballs installed, as a user's would be. */
function install(tarballs) {
  const consumer = join(work, 'consumer');
  mkdirSync(consumer);
  const files = Object.fromEntries(tarballs.map(({ manifest, file }) => [manifest.name, `file:${file}`]));
  writeFileSync(
    join(consumer, 'package.json'),
    JSON.stringify({
      name: 'consumer',
      private: true,
      type: 'module',
      dependencies: files,
      overrides: files,
    }),
  );
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: consumer,
  });
  for (const { manifest } of tarballs) {
    for (const [path, target] of Object.entries(manifest.publishConfig?.exports ?? {})) {
      if (typeof target === 'string') continue;
      const specifier = manifest.name + path.slice(1);
      for (const program of [
        ['--input-type=module', '-e', `await import(${JSON.stringify(specifier)})`],
        ['-e', `require(${JSON.stringify(specifier)})`],
      ]) {
        const { status, stderr } = spawnSync(process.execPath, program, { cwd: consumer, encoding: 'utf8' });
        if (status !== 0)
          fail(`${specifier} cannot be loaded: ${stderr.split('\n').find((line) => line.includes('Error'))}`);
      }
    }
  }
  console.log('✓ an empty project installs the tarballs, imports and requires every entry');
  return consumer;
}

async function measure({ name, imports, ceiling }, consumer) {
  const entry = join(consumer, 'page.js');
  writeFileSync(
    entry,
    imports.map((specifier, index) => `export * as m${index} from '${specifier}';`).join('\n'),
  );
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    write: false,
    logLevel: 'error',
  });
  const code = result.outputFiles[0].text;
  const size = gzipSync(code, { level: 9 }).length;
  const line = `${name}: ${(size / 1000).toFixed(1)} kB gzip in a page (ceiling ${ceiling / 1000} kB)`;
  if (size > ceiling) fail(line);
  else console.log(`✓ ${line}`);
  for (const word of neverInAPage)
    if (code.includes(word)) fail(`${name}: ${JSON.stringify(word)} is in the page`);
}

/** Importing a package's root loads no third-party code. The loader itself is asked which files it resolves. */
function checkLaziness(name, consumer) {
  const hook = `export async function resolve(specifier, context, next) {
    const result = await next(specifier, context);
    process._rawDebug('LOADED ' + result.url);
    return result;
  }`;
  const program = `
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    await import(${JSON.stringify(name)});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: consumer,
    encoding: 'utf8',
  });
  const foreign = stderr
    .split('\n')
    .filter((line) => line.startsWith('LOADED file:') && !line.includes('/node_modules/@vmgpu/'));
  if (status !== 0 || !stderr.includes('LOADED file:')) fail(`${name}: cannot be imported: ${stderr}`);
  else if (foreign.length > 0) fail(`${name}: its root loads ${foreign.join(', ')}`);
  else console.log(`✓ ${name}: its root loads no third-party code`);
}
