import type { DkmsModule, ModuleListEntry } from './host-facts.ts';
import { linesOf } from './text.ts';

/** The kernel's spelling of a module's name: `-` and `_` are equal. */
export function moduleName(name: string): string {
  return name.replaceAll('-', '_');
}

/** `lsmod` or `/proc/modules`: names of the loaded modules. */
export function parseLsmod(text: string): readonly string[] {
  return linesOf(text).flatMap((line) => {
    const [name = '', size = ''] = line.trim().split(/\s+/, 2);
    return /^[\w-]+$/.test(name) && /^\d+$/.test(size) ? [moduleName(name)] : [];
  });
}

/** A list of modules to load: `/etc/modules`, modules-load.d(5), `/etc/initramfs-tools/modules`. */
export function parseModuleList(text: string, file: string): readonly ModuleListEntry[] {
  return linesOf(text).flatMap((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return [];
    const module = moduleName(line.split(/\s+/, 1)[0] ?? '');
    return [{ file, line: index + 1, module, text: line }];
  });
}

/** `modinfo NAME`: its fields, and the names of the parameters. */
export function parseModinfo(text: string): {
  readonly fields: Readonly<Record<string, string>>;
  readonly parameters: readonly string[];
} {
  const fields: Record<string, string> = {};
  const parameters: string[] = [];
  for (const line of linesOf(text)) {
    const [, key = '', value = ''] = /^([a-z]\w*):\s*(.*)$/.exec(line) ?? [];
    if (key === 'parm') parameters.push(value.split(':', 1)[0] ?? '');
    else if (key !== '') fields[key] ??= value;
  }
  return { fields, parameters };
}

/** Options of a kernel configuration: `CONFIG_X` to `y`, `m`, `n` or the value without quotes. */
export function parseKernelConfig(text: string): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const line of linesOf(text)) {
    const off = /^# (CONFIG_\w+) is not set$/.exec(line);
    const on = /^(CONFIG_\w+)=(.*)$/.exec(line);
    if (off?.[1]) options[off[1]] = 'n';
    else if (on?.[1]) options[on[1]] = (on[2] ?? '').replace(/^"(.*)"$/, '$1');
  }
  return options;
}

/**
 * `dkms status`: `nvidia/550.54.14, 6.8.0-45-generic, x86_64: installed` (dkms 3), `nvidia, 535.104.05, …` before, and
 * `nvidia/550.54.14: added` for a module that is built for no kernel.
 */
export function parseDkmsStatus(text: string): readonly DkmsModule[] {
  return linesOf(text).flatMap((line) => {
    const [, names = '', state] = /^([^:]{1,200}): ([a-z]{1,20})/.exec(line) ?? [];
    const [module = '', version = '', kernel] = names.split(/\s*[,/]\s*/);
    if (state === undefined || version === '') return [];
    return [{ module, version, ...(kernel === undefined ? {} : { kernel }), state }];
  });
}
