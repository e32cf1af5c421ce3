import type { GrubDefaults } from './host-facts.ts';
import { linesOf } from './text.ts';

type Variables = Record<string, string>;

/**
 * The kernel arguments of `/etc/default/grub` and `/etc/default/grub.d/*.cfg` in reading order. The files are shell
 * scripts that grub-mkconfig sources, so later assignments win; this reader knows assignments (quotes, `+=`, `export`,
 * continuation lines, `$NAME`, `${NAME}`, `${NAME:+…}`, `${NAME:-…}`), and names in `dynamic` the files that would
 * have to be run to know these variables.
 */
export function parseGrubDefaults(
  files: readonly { readonly path: string; readonly text: string }[],
): GrubDefaults {
  const variables: Variables = {};
  const dynamic = files.filter(({ text }) => readFile(text, variables)).map(({ path }) => path);
  return {
    files: files.map(({ path }) => path),
    linux: variables.GRUB_CMDLINE_LINUX ?? '',
    linuxDefault: variables.GRUB_CMDLINE_LINUX_DEFAULT ?? '',
    dynamic,
  };
}

/** True when a kernel argument variable depends on something that only running the file can tell. */
function readFile(text: string, variables: Variables): boolean {
  let dynamic = false;
  let pending = '';
  for (const raw of linesOf(text)) {
    // Nobody's defaults run to thousands of characters; such a text is no shell file.
    if (pending.length > 8000) return true;
    const line = pending + raw;
    // An odd run of backslashes at the end joins lines; so does a quote that is still open.
    if (/(?:^|[^\\])(?:\\\\)*\\$/.test(line.slice(-64)) && !/^\s*#/.test(line)) {
      pending = line.slice(0, -1);
      continue;
    }
    const found = /^\s*(?:export\s+)?([A-Za-z_]\w*)(\+?)=/.exec(line);
    if (!found) {
      pending = '';
      // `if`, `for`, functions and the like around or over our variables.
      if (/GRUB_CMDLINE_LINUX/.test(line) && !/^\s*(#|export\s)/.test(line)) dynamic = true;
      continue;
    }
    const value = expand(line.slice(found[0].length), variables);
    if (value === undefined) {
      pending = `${line}\n`;
      continue;
    }
    pending = '';
    const name = found[1] ?? '';
    variables[name] = (found[2] === '+' ? (variables[name] ?? '') : '') + value.text;
    if (value.dynamic && name.startsWith('GRUB_CMDLINE_LINUX')) dynamic = true;
  }
  return dynamic;
}

/** The first shell word; undefined when a quote is still open at the end. */
function expand(text: string, variables: Variables): { text: string; dynamic: boolean } | undefined {
  let result = '';
  let dynamic = false;
  let quote = '';
  for (let place = 0; place < text.length; place += 1) {
    const char = text[place] ?? '';
    if (quote === "'") {
      if (char === "'") quote = '';
      else result += char;
    } else if (char === '"') {
      quote = quote === '"' ? '' : '"';
    } else if (char === "'" && quote === '') {
      quote = "'";
    } else if (char === '\\') {
      place += 1;
      const next = text[place] ?? '';
      result += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
    } else if (char === '$' || char === '`') {
      const reference = /^\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^{}]*))?\})/.exec(text.slice(place, place + 1000));
      if (reference) {
        result += resolve(reference, variables);
        place += reference[0].length - 1;
      } else {
        dynamic = true;
        const end = char === '`' ? text.indexOf('`', place + 1) : closing(text, place);
        result += text.slice(place, end < 0 ? undefined : end + 1);
        place = end < 0 ? text.length : end;
      }
    } else if (quote === '' && /[\s;#&|]/.test(char)) {
      break;
    } else {
      result += char;
    }
  }
  return quote === '' ? { text: result, dynamic } : undefined;
}

function resolve(reference: RegExpExecArray, variables: Variables): string {
  const [, plain, braced, operator, word = ''] = reference;
  const value = variables[plain ?? braced ?? ''] ?? '';
  const substituted = word.replace(/\$\{?(\w+)\}?/g, (_, name: string) => variables[name] ?? '');
  if (operator?.endsWith('+')) return value === '' ? '' : substituted;
  if (operator?.endsWith('-')) return value === '' ? substituted : value;
  return value;
}

/** Place of the bracket that closes `$(` or `${` at `start`. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let place = start + 1; place < text.length; place += 1) {
    if ('({'.includes(text[place] ?? '')) depth += 1;
    if (')}'.includes(text[place] ?? '')) depth -= 1;
    if (depth === 0) return place;
  }
  return -1;
}
