import { readFileSync } from 'node:fs';
import { defineConfig } from 'tsup';

/**
 * The one bundler configuration of every package: its entries are the `default` targets of the package's exports
 * (and its bin), so that package.json stays the single list of public faces. docs/adr/004 tells why tsup.
 */
interface Manifest {
  name: string;
  exports: Record<string, string | { default: string }>;
  bin?: Record<string, string>;
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const targets = Object.values(manifest.exports)
  .flatMap((target) => (typeof target === 'string' ? [] : [target.default]))
  .concat(Object.values(manifest.bin ?? {}));
const entry = Object.fromEntries(
  targets.map((target) => {
    const name = target.replace('./dist/', '').replace(/\.js$/, '');
    return [name, `src/${name}.ts`];
  }),
);

export default defineConfig({
  entry,
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  splitting: true,
  sourcemap: true,
  clean: true,
  treeshake: true,
  // zod/mini is compiled into core: loaded from node_modules it costs 70 ms of every start, mostly for locales that
  // we never print (docs/adr/005).
  noExternal: manifest.name === '@vmgpu/core' ? ['zod'] : [],
  external: [/^node:/],
  dts: { compilerOptions: { ignoreDeprecations: '6.0', customConditions: [] } },
});
