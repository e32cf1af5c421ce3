import type { BootEntry } from './host-facts.ts';
import { linesOf } from './text.ts';

/** `linux` lines of a grub.cfg, without the kernel's file name. */
export function parseGrubConfig(text: string, file: string): readonly BootEntry[] {
  return linesOf(text).flatMap((line) => {
    const [, args] = /^\s*linux(?:16|efi)?\s+\S+\s*(.*)$/.exec(line) ?? [];
    return args === undefined ? [] : [{ file, args: args.trim() }];
  });
}

/** A Boot Loader Specification entry (`loader/entries/*.conf`): its `options` lines add up. */
export function parseLoaderEntry(text: string, file: string): readonly BootEntry[] {
  const options = linesOf(text).flatMap((line) => {
    const [, value] = /^\s*options\s+(.*)$/.exec(line) ?? [];
    return value === undefined ? [] : [value.trim()];
  });
  return options.length > 0 ? [{ file, args: options.join(' ') }] : [];
}

/** `grubby --info=ALL`: blocks that start with `index=N`; values are quoted on RHEL 8 and later, bare on 7. */
export function parseGrubby(text: string): readonly BootEntry[] {
  const entries: BootEntry[] = [];
  let title = '';
  for (const line of linesOf(text)) {
    const [, key, value = ''] = /^(index|kernel|args)=(.*)$/.exec(line) ?? [];
    const bare = value.trim().replace(/^"(.*)"$/, '$1');
    if (key === 'kernel') title = bare;
    if (key === 'args') entries.push({ file: `grubby --info=ALL, ${title || 'an entry'}`, args: bare });
  }
  return entries;
}
