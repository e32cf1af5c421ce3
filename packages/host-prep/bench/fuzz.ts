/**
 * Mutates captures and feeds them to every parser: `tsx packages/host-prep/bench/fuzz.ts [COUNT] [SEED]`. Ends with 1
 * and prints seed, parser and text when a parser throws anything but a VmgpuError, or takes longer than a second.
 */
import { join } from 'node:path';
import { parseCapture } from '../src/capture/index.ts';
import { mutate, parsers, randomNumbers, untypedThrow } from '../test/capture-mutate.ts';
import { collected, exampleCapture, exampleNames, filesBelow, readText } from '../test/capture-samples.ts';

const count = Number(process.argv[2] ?? 20_000);
const seed = Number(process.argv[3] ?? 1);
const longest = 16_000;
const slow = 1000;

const captures = exampleNames.map(exampleCapture);
const samples = [
  ...captures,
  ...captures.flatMap((text) => parseCapture(text).sections.map((section) => section.text)),
  ...(collected
    ? filesBelow(collected).map((file) => readText(join(collected ?? '', file)).slice(0, 200_000))
    : []),
].filter((text) => text.length > 10);

const random = randomNumbers(seed);
const names = Object.keys(parsers);
let worst = { milliseconds: 0, parser: '', length: 0 };
const started = performance.now();
for (let round = 0; round < count; round += 1) {
  const sample = samples[Math.floor(random() * samples.length)] ?? '';
  const from = Math.floor(random() * Math.max(1, sample.length - longest));
  const text = mutate(random() < 0.5 ? sample.slice(0, longest) : sample.slice(from, from + longest), random);
  const parser = names[round % names.length] ?? '';
  const before = performance.now();
  const error = untypedThrow(parsers[parser] ?? (() => undefined), text);
  const milliseconds = performance.now() - before;
  if (milliseconds > worst.milliseconds) worst = { milliseconds, parser, length: text.length };
  if (error !== undefined || milliseconds > slow) {
    console.error(`seed ${seed}, round ${round}, ${parser}, ${milliseconds.toFixed(0)} ms:`, error);
    console.error(JSON.stringify(text));
    process.exit(1);
  }
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `${count} mutated texts from ${samples.length} samples, ${names.length} parsers, ${seconds} s: no untyped error; ` +
    `slowest ${worst.milliseconds.toFixed(1)} ms (${worst.parser}, ${worst.length} characters)`,
);
