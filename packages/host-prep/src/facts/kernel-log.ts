import { linesOf } from './text.ts';

/** Kernel log lines without stamps: `[   12.345678] `, `[Fri Nov 21 03:34:12 2026] `, `<6>[…] `, journal prefixes. */
export function parseKernelLog(text: string): readonly string[] {
  return linesOf(text).flatMap((line) => {
    const bare = line
      .slice(0, 2000)
      .replace(/^<\d{1,2}>/, '')
      .replace(/^(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S{8,32}) \S{1,255} kernel: /, '')
      .replace(
        /^\[[ \d]{1,12}\.\d{6}\](?:\[[ \w]{1,16}\])? |^\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}\] /,
        '',
      )
      .trimEnd();
    return bare === '' ? [] : [bare];
  });
}

/** Says whether interrupt remapping is on; undefined when these lines do not tell. */
export function interruptRemappingIn(log: readonly string[]): boolean | undefined {
  for (const line of log) {
    if (/DMAR-IR: Enabled IRQ remapping|AMD-Vi: Interrupt remapping enabled/.test(line)) return true;
    if (/DMAR-IR: .*(?:not supported|disabled)|Interrupt remapping disabled/.test(line)) return false;
  }
  return undefined;
}
