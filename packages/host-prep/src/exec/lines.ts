/** Cuts a stream of bytes into lines, whatever the pieces; a character may be split between two of them. */
export function lineReader(onLine: ((line: string) => void) | undefined): {
  push(chunk: Uint8Array): void;
  end(): void;
} {
  const decoder = new TextDecoder();
  let rest = '';
  return {
    push(chunk) {
      if (!onLine) return;
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line.replace(/\r$/, ''));
    },
    end() {
      if (onLine && rest !== '') onLine(rest);
      rest = '';
    },
  };
}
