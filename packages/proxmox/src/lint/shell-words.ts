/** One word of a command line, unquoted, with its place. */
export interface ShellWord {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A simple command: its words. `ended` is what ended it. */
export interface ShellCommand {
  readonly words: readonly ShellWord[];
  readonly ended: 'line' | ';' | 'other';
}

/**
 * Takes a text apart into simple commands as sh would, as far as linting needs: quotes, backslashes, continuation
 * lines, `;`, `&`, `|` and comments. Expansions are left as they are.
 */
export function shellCommands(text: string): readonly ShellCommand[] {
  const commands: ShellCommand[] = [];
  let words: ShellWord[] = [];
  let word: { text: string; start: number } | undefined;
  const endWord = (end: number) => {
    if (word) words.push({ ...word, end });
    word = undefined;
  };
  const endCommand = (at: number, ended: ShellCommand['ended']) => {
    endWord(at);
    if (words.length > 0) commands.push({ words, ended });
    words = [];
  };
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    if (char === '\n') endCommand(at, 'line');
    else if (char === '\\' && /^\\\r?\n/.test(text.slice(at, at + 3))) {
      endWord(at);
      at = text.indexOf('\n', at);
    } else if (/[;&|`]/.test(char)) endCommand(at, char === ';' ? ';' : 'other');
    else if (/\s/.test(char)) endWord(at);
    else if (char === '#' && !word) {
      const end = text.indexOf('\n', at);
      at = (end < 0 ? text.length : end) - 1;
    } else {
      word ??= { text: '', start: at };
      const close = char === "'" || char === '"' ? closing(text, at, char) : -1;
      if (close > 0) {
        word.text += text.slice(at + 1, close);
        at = close;
      } else if (char === '\\') {
        at += 1;
        word.text += text[at] ?? '';
      } else word.text += char;
    }
    at += 1;
  }
  endCommand(text.length, 'line');
  return commands;
}

/** The closing quote on the same line; prose has lone apostrophes, which quote nothing. */
function closing(text: string, from: number, quote: string): number {
  const line = text.indexOf('\n', from);
  const close = text.indexOf(quote, from + 1);
  return line >= 0 && close > line ? -1 : close;
}
