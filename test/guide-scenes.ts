import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Io, run } from '../packages/cli/src/index.ts';

const root = join(import.meta.dirname, '..');

/** What a block of a guide says happens. */
export interface Scene {
  /** The command without `vmgpu`, or the program. */
  readonly input: string;
  readonly expected: string;
}

/** Commands of the `console` blocks, in order. */
export function commandsOf(text: string): readonly Scene[] {
  return [...text.matchAll(/^```console\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
    block
      .split(/^\$ vmgpu /m)
      .slice(1)
      .map((scene) => {
        const end = scene.indexOf('\n');
        return { input: scene.slice(0, end), expected: scene.slice(end + 1) };
      }),
  );
}

/** `ts` blocks and the `output` block right behind each. */
export function programsOf(text: string): readonly Scene[] {
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```\n\n```output\n([\s\S]*?)^```$/gm)].map(
    ([, input = '', expected = '']) => ({ input, expected }),
  );
}

/** A place where commands may write, with the files that guides name. */
export function workplace(): { readonly cwd: string; readonly remove: () => void } {
  const cwd = mkdtempSync(join(tmpdir(), 'vmgpu-guide-'));
  for (const name of ['docs', 'examples']) symlinkSync(join(root, name), join(cwd, name));
  return { cwd, remove: () => rmSync(cwd, { recursive: true, force: true }) };
}

/** What a terminal would show: output and remarks in their order. */
export async function runCommand(line: string, cwd: string): Promise<string> {
  let shown = '';
  const print = (text: string) => {
    shown += text;
  };
  const io: Io = {
    out: print,
    err: print,
    readStdin: async () => '',
    env: {},
    cwd,
    terminal: false,
    width: 100,
    signal: new AbortController().signal,
  };
  await run(line.split(' '), io);
  return shown;
}

/** Runs a program of a guide inside the workspace, so that packages resolve as they do for a user. */
export async function runProgram(text: string): Promise<string> {
  const directory = mkdtempSync(join(root, 'out-readme-guide-'));
  const lines: string[] = [];
  const { log } = console;
  try {
    const file = join(directory, 'program.ts');
    writeFileSync(file, text);
    console.log = (line: string) => void lines.push(line);
    await import(/* @vite-ignore */ pathToFileURL(file).href);
  } finally {
    console.log = log;
    rmSync(directory, { recursive: true, force: true });
  }
  return `${lines.join('\n')}\n`;
}

/** Whether this is what was shown: `…` alone on a line stands for any lines, also none. */
export function isAsShown(shown: string, real: string): boolean {
  const pattern = trimmed(shown)
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `${escaped(line)}\\n`))
    .join('');
  return new RegExp(`^${pattern}$`).test(
    trimmed(real)
      .map((line) => `${line}\n`)
      .join(''),
  );
}

/** Lines without blanks at their ends, which a Markdown editor takes away. */
export function trimmed(text: string): readonly string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd());
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
