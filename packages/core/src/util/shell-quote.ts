/**
 * The one function that puts text into a shell command line. Single quotes keep every byte but `'` as it is, in every
 * POSIX shell; words of harmless characters stay unquoted so that people can read the line. Throws on NUL, which no
 * argument can carry.
 */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw new RangeError('an argument cannot contain a NUL character');
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !/^[=~]/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command line for `sh` that runs exactly these arguments. */
export function shellCommand(argv: readonly string[]): string {
  return argv.map(shellQuote).join(' ');
}
