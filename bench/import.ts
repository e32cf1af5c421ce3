import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

// Cold import of the built packages against node that does nothing: whole processes, taken in turns, the middle one
// counts. How to run it: bench/README.md.

const root = join(import.meta.dirname, '..');
const rounds = Number(process.argv[2] ?? 15);
const subjects = {
  'node alone': undefined,
  '@vmgpu/core': 'packages/core/dist/index.js',
  '@vmgpu/core/catalog': 'packages/core/dist/catalog/index.js',
  '@vmgpu/host-prep/facts': 'packages/host-prep/dist/facts/index.js',
  '@vmgpu/kubevirt/translate': 'packages/kubevirt/dist/translate/index.js',
  '@vmgpu/openstack/translate': 'packages/openstack/dist/translate/index.js',
  '@vmgpu/proxmox/translate': 'packages/proxmox/dist/translate/index.js',
} as const;

function once(file: string | undefined): number {
  const program = file === undefined ? '0' : `await import(${JSON.stringify(join(root, file))})`;
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  if (status !== 0) throw new Error(String(stderr));
  return performance.now() - started;
}

const times = Object.entries(subjects).map(([name, file]) => ({ name, file, taken: [] as number[] }));
for (let round = 0; round < rounds; round += 1) {
  for (const { file, taken } of times) taken.push(once(file));
}
const middle = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const bare = middle(times[0]?.taken ?? []);
for (const { name, taken } of times) {
  const time = middle(taken);
  console.log(
    `${name.padEnd(28)} ${time.toFixed(0).padStart(5)} ms   ${(time / bare).toFixed(2)} × bare node   +${(time - bare).toFixed(0)} ms`,
  );
}
