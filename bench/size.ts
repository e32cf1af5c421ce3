import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

// What a page pays: bundled for browsers, minified, gzipped. How to run it: bench/README.md.

const source = (path: string) => join(import.meta.dirname, '../packages', path);
const core = 'core/src/index.ts';
const facts = ['host-prep/src/facts/index.ts', 'host-prep/src/modules/index.ts'];
const translators = ['kubevirt', 'openstack', 'proxmox'].map((name) => `${name}/src/translate/index.ts`);
const pages: Readonly<Record<string, readonly string[]>> = {
  core: [core],
  'core + catalogue': [core, 'core/src/catalog/index.ts'],
  ...Object.fromEntries(translators.map((path) => [`core + ${path.split('/')[0]}`, [core, path]])),
  'core + facts + readiness': [core, ...facts],
  'core + three translators': [core, ...translators],
  'core + facts + readiness + three translators': [core, ...facts, ...translators],
};

let first: number | undefined;
for (const [name, files] of Object.entries(pages)) {
  const contents = files
    .map((file, n) => `export * as m${n} from ${JSON.stringify(source(file))};`)
    .join('\n');
  const result = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    conditions: ['@vmgpu/source'],
    write: false,
  });
  const code = result.outputFiles[0]?.contents ?? new Uint8Array();
  const size = gzipSync(code, { level: 9 }).length;
  first ??= size;
  console.log(
    `${name.padEnd(46)} ${(size / 1000).toFixed(1).padStart(6)} kB gzip  ${(code.length / 1000).toFixed(0).padStart(5)} kB minified  ${(size / first).toFixed(1)} × core`,
  );
}
