import type { ModprobeConfig } from './host-facts.ts';
import { moduleName } from './modules.ts';
import { linesOf } from './text.ts';

type Mutable = { -readonly [K in keyof ModprobeConfig]: ModprobeConfig[K][number][] };

/** Directories of modprobe.d(5), first match of a file name wins. */
const directories = [
  '/etc/modprobe.d',
  '/run/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
];

/** One file of modprobe.d, or the output of `modprobe -c`. A `\` at a line's end joins the next (modprobe.d(5)). */
export function parseModprobe(text: string, file: string): ModprobeConfig {
  const config: Mutable = { options: [], blacklist: [], install: [], softdep: [], alias: [] };
  let pending = '';
  let start = 0;
  for (const [index, raw] of linesOf(text).entries()) {
    if (pending === '') start = index + 1;
    if (raw.endsWith('\\')) {
      pending += `${raw.slice(0, -1)} `;
      continue;
    }
    readLine(config, (pending + raw).trim(), { file, line: start });
    pending = '';
  }
  readLine(config, pending.trim(), { file, line: start });
  return config as ModprobeConfig;
}

function readLine(config: Mutable, line: string, place: { file: string; line: number }): void {
  if (line === '' || line.startsWith('#')) return;
  const [command = '', name = '', ...words] = line.split(/\s+/);
  if (name === '') return;
  const module = moduleName(name);
  switch (command) {
    case 'options':
      config.options.push({ module, parameters: words.join(' '), ...place });
      break;
    case 'blacklist':
      config.blacklist.push({ module, ...place });
      break;
    case 'install':
      config.install.push({ module, command: words.join(' '), ...place });
      break;
    case 'softdep':
      config.softdep.push({ module, ...dependencies(words), ...place });
      break;
    case 'alias':
      config.alias.push({ alias: name, module: moduleName(words[0] ?? ''), ...place });
      break;
  }
}

function dependencies(words: readonly string[]): { pre: string[]; post: string[] } {
  const result = { pre: [] as string[], post: [] as string[] };
  let list: string[] | undefined;
  for (const word of words) {
    if (word === 'pre:') list = result.pre;
    else if (word === 'post:') list = result.post;
    else list?.push(moduleName(word));
  }
  return result;
}

/**
 * All files of modprobe.d as modprobe reads them: `*.conf` only, in order of file name, a name in an earlier directory
 * hiding the same name in later ones. `modprobe -c`, when given, adds what no file says: kmod takes `module.option=`
 * and `modprobe.blacklist=` from the kernel command line too.
 */
export function mergeModprobe(
  files: readonly { readonly path: string; readonly text: string }[],
  resolved?: string,
): ModprobeConfig {
  const visible = new Map<string, { path: string; text: string; rank: number }>();
  for (const { path, text } of files) {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const rank = directories.indexOf(path.slice(0, slash));
    const known = visible.get(name);
    if (name.endsWith('.conf') && (!known || rank < known.rank)) visible.set(name, { path, text, rank });
  }
  const parsed = [...visible]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { path, text }]) => parseModprobe(text, path));
  const collect = <K extends keyof ModprobeConfig>(key: K, extra: ModprobeConfig | undefined) => {
    const lines = parsed.flatMap((each) => each[key] as ModprobeConfig[K][number][]);
    const said = new Set(lines.map(content));
    return [...lines, ...((extra?.[key] ?? []) as typeof lines).filter((line) => !said.has(content(line)))];
  };
  const extra = resolved === undefined ? undefined : parseModprobe(resolved, 'modprobe -c');
  return {
    options: collect('options', extra),
    blacklist: collect('blacklist', extra),
    install: collect('install', extra),
    softdep: collect('softdep', extra),
    // `modprobe -c` also lists every alias of every module, which is no configuration.
    alias: collect('alias', undefined),
  } as ModprobeConfig;
}

function content(line: object): string {
  return JSON.stringify({ ...line, file: '', line: 0 });
}
