import type { Dict } from '../types.ts';

interface Line {
  readonly indent: number;
  readonly text: string;
}

/**
 * The part of YAML that a vGPU config is written in: block maps and lists, flow lists and maps of plain values, quotes,
 * comments. Throws on what it does not know. (The simulators depend on nothing but Node.js.)
 */
export function parseYamlSubset(source: string): unknown {
  const lines: Line[] = [];
  for (const raw of source.split('\n')) {
    const text = raw.replace(/(^|\s)#.*$/, '').trimEnd();
    if (text.trim() !== '' && text !== '---') {
      lines.push({ indent: text.length - text.trimStart().length, text: text.trim() });
    }
  }
  let at = 0;

  function block(indent: number): unknown {
    const line = lines[at];
    if (line === undefined || line.indent < indent) return null;
    return line.text.startsWith('- ') || line.text === '-' ? sequence(line.indent) : mapping(line.indent);
  }

  function sequence(indent: number): unknown[] {
    const items: unknown[] = [];
    for (let line = lines[at]; line?.indent === indent && /^-( |$)/.test(line.text); line = lines[at]) {
      const rest = line.text.slice(1).trimStart();
      const inner = indent + line.text.length - rest.length;
      if (rest === '') {
        at += 1;
        items.push(block(indent + 1));
      } else if (keyOf(rest) !== undefined) {
        lines[at] = { indent: inner, text: rest };
        items.push(mapping(inner));
      } else {
        at += 1;
        items.push(scalar(rest));
      }
    }
    return items;
  }

  function mapping(indent: number): Dict {
    const map: Dict = {};
    for (let line = lines[at]; line?.indent === indent; line = lines[at]) {
      const pair = keyOf(line.text);
      if (pair === undefined) throw new Error(`line is no "key: value": ${line.text}`);
      at += 1;
      const next = lines[at];
      const listBelow = next?.indent === indent && next.text.startsWith('-');
      map[pair.key] = pair.rest !== '' ? scalar(pair.rest) : block(listBelow ? indent : indent + 1);
    }
    return map;
  }

  const value = block(0);
  if (at < lines.length) throw new Error(`unexpected indentation: ${lines[at]?.text}`);
  return value;
}

function keyOf(text: string): { key: string; rest: string } | undefined {
  const match = /^("[^"]*"|'[^']*'|[^\s"'[{:][^:]*?)\s*:(?:\s+(.*))?$/.exec(text);
  return match === null ? undefined : { key: String(scalar(match[1] as string)), rest: match[2] ?? '' };
}

function scalar(text: string): unknown {
  const inner = text.slice(1, -1).trim();
  const parts = inner === '' ? [] : inner.split(',').map((part) => part.trim());
  if (text.startsWith('[')) return parts.map(scalar);
  if (text.startsWith('{')) {
    return Object.fromEntries(
      parts.map((part) => {
        const pair = keyOf(part);
        if (pair === undefined) throw new Error(`no "key: value" in ${text}`);
        return [pair.key, scalar(pair.rest)];
      }),
    );
  }
  if (/^(".*"|'.*')$/.test(text)) return text.slice(1, -1);
  if (/^-?\d+$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text === 'null' || text === '~' ? null : text;
}
