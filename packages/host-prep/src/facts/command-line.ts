import type { KernelArgument, KernelCommandLine } from './host-facts.ts';

/**
 * A kernel command line. Double quotes keep blanks together (`key="a b"` and `"key=a b"` are one argument, quotes
 * removed from the value); `-` and `_` in keys are equal to the kernel (lib/cmdline.c `next_arg`, kernel/params.c
 * `parameq`). Never throws.
 */
export function parseCommandLine(text: string): KernelCommandLine {
  const raw = text.trim();
  const words = [...raw.matchAll(/(?:[^\s"]|"[^"]*(?:"|$))+/g)].map(([word]) => word);
  // What follows "--" is for init, not for the kernel.
  const end = words.indexOf('--');
  return { raw, args: words.slice(0, end < 0 ? undefined : end).map(parseKernelArgument) };
}

/** One argument as written. */
export function parseKernelArgument(raw: string): KernelArgument {
  const plain = raw.replaceAll('"', '');
  const place = plain.indexOf('=');
  const name = place < 0 ? plain : plain.slice(0, place);
  const key = name.replaceAll('-', '_');
  return place < 0 ? { key, raw } : { key, value: plain.slice(place + 1), raw };
}

/** Values of a key, in order; an argument without a value gives an empty text. The kernel mostly heeds the last. */
export function argumentValues(line: KernelCommandLine, key: string): readonly string[] {
  const wanted = key.replaceAll('-', '_');
  return line.args.flatMap((arg) => (arg.key === wanted ? [arg.value ?? ''] : []));
}
