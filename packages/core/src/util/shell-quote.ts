import { badInput } from '../errors/vmgpu-error.ts';

/** What a shell would not take for a command's name when it stands first: assignments and words of its grammar. */
const notAName = /=|^(?:case|do|done|elif|else|esac|fi|for|if|in|then|until|while)$/;

/**
 * The one function that puts text into a shell command line. Single quotes keep every byte but `'` as it is, in every
 * POSIX shell; words of harmless characters stay unquoted so that people can read the line. Throws `bad-input` on NUL,
 * which no argument can carry.
 */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/.test(word) ? word : quote(word);
}

/** A command line for `sh` that runs exactly these arguments. */
export function shellCommand(argv: readonly string[]): string {
  return argv
    .map((word, index) => (index === 0 && notAName.test(word) ? quote(word) : shellQuote(word)))
    .join(' ');
}

function quote(word: string): string {
  if (word.includes('\0')) throw badInput('an argument cannot contain a NUL character', { found: word });
  return `'${word.replaceAll("'", "'\\''")}'`;
}
