import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// `vmgpu inspect` of a host with ten GPUs as a whole process of the built command, against node that does nothing;
// time and peak memory. How to run it: bench/README.md.

const root = join(import.meta.dirname, '..');
const rounds = Number(process.argv[2] ?? 15);
const main = join(root, 'packages/cli/dist/main.js');
const capture = join(tmpdir(), `vmgpu-bench-${process.pid}.txt`);
const original = readFileSync(join(root, 'examples/captures/qemu-amd-after.txt'), 'utf8');
const more = ['10', '11', '12', '13', '14'];
const text = original
  .split('\n')
  .flatMap((line) => [
    line,
    ...(line.includes('0000:03:00.0') ? more.map((bus) => line.replaceAll('0000:03:', `0000:${bus}:`)) : []),
  ])
  .join('\n');
writeFileSync(capture, text);

/** Milliseconds, and peak memory in MiB as the process itself says at its end. */
function once(words: readonly string[]): { ms: number; mib: number } {
  const tell = 'process.on("exit", () => process.stderr.write("\\nRSS " + process.resourceUsage().maxRSS))';
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(tell)}`];
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [...preload, ...words], { encoding: 'utf8' });
  const ms = performance.now() - started;
  if (status !== 0) throw new Error(stderr);
  return { ms, mib: Number(/RSS (\d+)/.exec(stderr)?.[1]) / 1024 };
}

const subjects = {
  'node alone': ['-e', '0'],
  'vmgpu --help': [main, '--help'],
  'vmgpu inspect, 10 GPUs': [main, 'inspect', capture],
  'the same as JSON': [main, 'inspect', capture, '--json'],
} satisfies Record<string, readonly string[]>;
const times = Object.entries(subjects).map(([name, words]) => ({
  name,
  words,
  taken: [] as { ms: number; mib: number }[],
}));
const found = JSON.parse(
  spawnSync(process.execPath, [main, 'inspect', capture, '--json'], { encoding: 'utf8' }).stdout,
) as { gpus?: unknown[] };
console.log(`capture of ${Buffer.byteLength(text)} bytes, ${found.gpus?.length} GPUs`);
for (let round = 0; round < rounds; round += 1) for (const { words, taken } of times) taken.push(once(words));
rmSync(capture);
const middle = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const bare = middle(times[0]?.taken.map(({ ms }) => ms) ?? []);
for (const { name, taken } of times) {
  const ms = middle(taken.map((one) => one.ms));
  const mib = middle(taken.map((one) => one.mib));
  console.log(
    `${name.padEnd(24)} ${ms.toFixed(0).padStart(5)} ms   ${(ms / bare).toFixed(2)} × bare node   +${(ms - bare).toFixed(0)} ms   ${mib.toFixed(0)} MiB`,
  );
}
